"""One number, with everything a reader needs to judge it; and what warns of a result's numbers."""

import re
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic import model_validator as validator

NoSkill = Literal[
    "constant and the ceiling differ by less than three standard errors",
    "the statistics hold nothing to pair",
    "the track has nothing to make a constant of",
]
TOO_ALIKE: NoSkill = "constant and the ceiling differ by less than three standard errors"
NOT_PAIRED: NoSkill = "the statistics hold nothing to pair"
NO_CONSTANT: NoSkill = "the track has nothing to make a constant of"
Ceiling = Literal["real", "classifier"]


class ClassScore(BaseModel):
    """A score of one class of a multi-label metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    """None where the class cannot be scored (then ``reason`` says why)."""
    reason: str | None = None
    ci95: tuple[float, float] | None = None
    """95 %, over patients."""
    note: str | None = None
    """What a reader must know of it, e.g. ``fewer than 10 positives``."""
    n_pos: int | None
    n_neg: int | None
    """Studies with a known label; None where they are too few to be shown (``aggregates.py``)."""
    counts: dict[str, int] | None = None
    """``tp``, ``fp``, ``fn``, ``tn``; None for scores without predictions, and for small cells."""


class Unrelated(BaseModel):
    """The same distance between real pictures of unrelated studies: a scale, not a floor.

    A model is compared with pictures of its own studies and shares their sampling error, so a value
    below this one is no merit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    """The mean over ``draws``."""
    ci95: tuple[float, float]
    """Where 95 % of the draws lie."""
    n: int = Field(ge=1)
    """Pictures a side."""
    draws: int = Field(ge=1)
    extrapolated: bool
    """Whether it is of halves, and carried over to ``n`` as 1/n: too few other pictures."""


class Skill(BaseModel):
    """(value - constant) / (ceiling - constant), all three of the same studies.

    0 is one answer to everything, 1 the ceiling; no prevalence flatters it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    reason: NoSkill | None = None
    ci95: tuple[float, float] | None = None
    """95 %, paired over the studies."""
    constant: float | None = None
    """The score of the model ``constant``."""
    ceiling: float | None = None
    """The score of the model that ``of`` names."""
    of: Ceiling = "real"


class Score(BaseModel):
    """A score: value, uncertainty, size, direction, and how it was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """A name of the public contract, e.g. ``fid_phantom`` or ``auroc_macro[L]``."""
    value: float | None
    """Finite, or None with a ``reason``."""
    reason: str | None = None
    ci95: tuple[float, float] | None = None
    n: int
    """Studies behind the value."""
    higher_is_better: bool
    per_class: dict[str, ClassScore] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    """Of BLEU: ``hyp_len``, ``ref_len``, ``match_k``, ``total_k``, summed over the studies."""
    floor: float | None = None
    """Of results before version 0.2, in the place of ``unrelated``: of one draw."""
    unrelated: Unrelated | None = None
    """Of Fréchet distances; None where there are too few real pictures."""
    skill: Skill | None = None
    """None where no skill is asked for, e.g. of near copies."""
    signature: str
    """How the number was made, e.g. ``bleu|tok:wordpunct|case:lc|smooth:none|n:2000``."""


WarningCode = Literal["copies", "copies_of_test", "judge_gap", "above_real", "collapse", "small_n"]
UNRANKED: frozenset[str] = frozenset(get_args(WarningCode)) - {"small_n"}
"""Codes whose result takes no rank; reference points keep theirs."""
_SENTENCES: dict[str, tuple[str, ...]] = {
    "copies": (
        "{scores}: {number} of the outputs repeat training studies; of real ones {number} do",
    ),
    "copies_of_test": (
        "{scores}: {number} of the outputs repeat evaluated studies; of real ones {number} do",
        "{scores}: the outputs know the studies' own words, {number} on a scale from the best "
        "guess to all of them, where {number} may come of what can be seen",
    ),
    "judge_gap": (
        "{scores}: opinions of the same pictures differ, by more than on real studies (p {number})",
    ),
    "above_real": ("{scores}: better than the real studies themselves (p {number})",),
    "collapse": (
        "{scores}: outputs vary {number} as much as those of real studies, less than {number}",
        "{scores}: {number} of the outputs repeat another output; {number} may",
    ),
    "small_n": (
        "{scores}: n = {number} is fewer than the network's {number} features, so the "
        "distance is far above that of many pictures; compare it at this n only",
    ),
}
"""Code -> its messages. Nothing else can stand in one: a result holds no text."""
_PARTS = {
    "{scores}": r"[a-z][a-z0-9_]{0,40}(?:\[[FL]\])?(?:, [a-z][a-z0-9_]{0,40}(?:\[[FL]\])?){0,7}",
    # A p-value has its sign before it; "= <0.0001" stands in results of version 0.1.
    "{number}": r"(?:[=<] )?[-<]?[0-9][0-9.,e-]{0,11}",
}


class ResultWarning(BaseModel):
    """Why a reader should doubt a result; codes in ``UNRANKED`` take its rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: WarningCode
    message: str
    """One of this package's sentences: names of scores and numbers are all that differs."""
    value: float | None = None
    """What was measured: a share, a p-value, a number of studies."""
    limit: float | None = None
    """What it may be."""

    @validator(mode="after")
    def _says_what_its_code_says(self) -> Self:
        for sentence in _SENTENCES[self.code]:
            pattern = re.escape(sentence)
            for part, expression in _PARTS.items():
                pattern = pattern.replace(re.escape(part), expression)
            if re.fullmatch(pattern, self.message) is not None:
                return self
        raise ValueError(f"not the message of {self.code}")

    @property
    def told(self) -> str:
        """Code and message, for a reader; a score that is called as its code stands once."""
        same = self.message.startswith(f"{self.code}: ")
        return self.message if same else f"{self.code}: {self.message}"

    @classmethod
    def of(
        cls,
        code: WarningCode,
        scores: "list[str] | tuple[str, ...]",
        numbers: "list[str] | tuple[str, ...]",
        *,
        value: float | None,
        limit: float | None,
        sentence: int = 0,
    ) -> Self:
        """One of the code's sentences about some scores; ``numbers`` in its order."""
        message = _SENTENCES[code][sentence].replace("{scores}", ", ".join(scores[:8]))
        for number in numbers:
            message = message.replace("{number}", number, 1)
        return cls(code=code, message=message, value=value, limit=limit)
