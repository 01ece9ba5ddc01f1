"""The gate: is a new checkpoint worse than an old one, on the same studies? ``codixr-bench check``.

The primary scores that both results have, or those asked for, are tested for a loss beyond their
margin, one-sided; Holm's correction keeps the chance of any false alarm at or below 5 %
(``ALPHA``), however many scores there are. What a gate cannot see is part of its answer: for each
score, the studies it would need to find a 5 % relative loss with a chance of 80 %. Imports no
torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.comparing.comparison import ALPHA, Comparison, Difference, compare_all
from codixr_bench.comparing.side import load_sides
from codixr_bench.registry import family_of
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.statistics.significance import holm

LOSS = 0.05
"""The relative loss whose detection is reported."""
POWER = 0.8
POSITIVES = 10
"""Of each class: with fewer, no number of studies is promised to be enough."""
ZERO = 1e-6
"""A value this near to 0 is 0 but for the arithmetic's error: a distance of equal pictures."""
ALL = "all"
"""In the place of the scores' names: every score, and not only the primary ones."""


@dataclass(frozen=True)
class Margin:
    """A loss that is accepted: absolute, or relative to the old value."""

    amount: float
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> tuple[str, "Margin"]:
        """``auroc_macro=0.01``, ``auroc_macro=1%``, or ``1%`` of every score (its name: ``""``).

        InputError for anything else.
        """
        name, equals, amount = text.rpartition("=")
        relative = amount.strip().endswith("%")
        try:
            value = float(amount.strip().removesuffix("%"))
        except ValueError:
            value = -1.0
        unnamed = not equals and relative
        if not (name.strip() or unnamed) or not 0.0 <= value < float("inf"):
            raise InputError(
                f"--margin '{text}': write SCORE=LOSS, e.g. auroc_macro=0.01 or auroc_macro=1%, or "
                "1% for every score"
            )
        return name.strip(), cls(value / 100.0 if relative else value, relative)

    def of(self, old: float) -> float:
        """The accepted loss, in the score's unit."""
        return self.amount * abs(old) if self.relative else self.amount


@dataclass(frozen=True)
class Asked:
    """What a gate is to decide by."""

    margins: Mapping[str, Margin] = field(default_factory=dict)
    """Score name -> accepted loss; that of ``""`` holds for the others, or 0."""
    loss: float = LOSS
    """The relative loss to plan for."""
    power: float = POWER
    """The chance to plan for."""
    require_power: float | None = None
    """The chance to find ``loss`` that every score needs for a pass."""
    non_inferior: bool = False
    """Whether a pass needs proof that no loss is beyond its margin."""

    def margin(self, one: Difference) -> float:
        """The accepted loss of a score, in its unit."""
        margin = self.margins.get(one.name, self.margins.get(""))
        return 0.0 if margin is None else margin.of(one.second)


@dataclass(frozen=True)
class Tested:
    """One score through the gate."""

    difference: Difference
    """New - old."""
    margin: float
    p: float
    """One-sided, of a loss beyond the margin."""
    p_holm: float
    worse: bool
    worst: float
    """The greatest loss that the 95 % interval leaves open, in the score's unit."""
    n_needed: int | None
    """Studies that find a relative loss of ``Asked.loss`` with the chance ``Asked.power``.

    Never fewer than give ten positives and ten negatives to each class. None: no number would do,
    or the old value can't be told from 0, of which no share is a loss.
    """
    power: float | None
    """The chance to find that loss with the studies there are; None where no share is a loss.

    It is 0 where the studies don't give ten positives and ten negatives to each class.
    """


@dataclass(frozen=True)
class Verdict:
    """What the gate says of all scores of all tasks."""

    comparisons: tuple[Comparison, ...]
    tested: tuple[Tested, ...]
    asked: Asked

    @property
    def worse(self) -> tuple[Tested, ...]:
        """The scores that lost more than their margin."""
        return tuple(one for one in self.tested if one.worse)

    @property
    def unseen(self) -> tuple[Tested, ...]:
        """The scores whose loss could have stayed unseen, where power is required."""
        least = self.asked.require_power
        if least is None:
            return ()
        return tuple(one for one in self.tested if one.power is None or one.power < least)

    @property
    def unproven(self) -> tuple[Tested, ...]:
        """The scores whose interval reaches beyond the margin, where that is asked."""
        if not self.asked.non_inferior:
            return ()
        return tuple(one for one in self.tested if one.worst > one.margin)

    @property
    def passes(self) -> bool:
        """Whether nothing stands against the new side."""
        return not (self.worse or self.unseen or self.unproven)

    @property
    def exit_code(self) -> int:
        """0 passes, 1 doesn't."""
        return 0 if self.passes else 1


def check(
    new: Path,
    old: Path,
    *,
    asked: Asked | None = None,
    only: Sequence[str] = (),
    allow_same: bool = False,
) -> Verdict:
    """Hold ``new`` against ``old``: run folders, result files, or folders of a task group's runs.

    Args:
        new: the candidate.
        old: what it must not be worse than.
        asked: margins, power, and what a pass needs.
        only: scores to test; ``("all",)`` for every score; empty for the primary ones and those
            that have a margin.
        allow_same: go on where both sides are one file.

    Raises:
        NotComparableError: says which fields differ.
        InputError: a file that cannot be read, the same file on both sides, a score that is not
            there, a margin that is missing, or nothing to test.
    """
    sides = load_sides(new), load_sides(old)
    if not allow_same:
        for task in sides[0].keys() & sides[1].keys():
            if sides[0][task].path.samefile(sides[1][task].path):
                raise InputError(
                    f"'{new}' and '{old}' are the same result ('{sides[1][task].path}'): nothing "
                    "can be worse than itself; give another one, or --allow-same"
                )
    asked = asked or Asked()
    wanted: Sequence[str] = () if tuple(only) == (ALL,) else only
    if not only:
        there = {score.name for side in sides[1].values() for score in side.result.scores}
        wanted = [name for name in asked.margins if name in there]
    found = compare_all(*sides, wanted, primary=not only)
    differences = [one for comparison in found for one in comparison.differences]
    return judge(found, differences, asked)


def judge(
    comparisons: Sequence[Comparison], differences: Sequence[Difference], asked: Asked
) -> Verdict:
    """Test every difference for a loss beyond its margin, Holm-corrected over all of them.

    That no loss is beyond its margin (``non_inferior``) is said of all scores together, each by its
    own 95 % interval: a pass needs every one of them, which no correction has to make harder.
    """
    names = [one.name for one in differences]
    if not names:
        raise InputError("nothing to check: the two results share no score that has a value")
    if unknown := [name for name in asked.margins if name and name not in names]:
        raise InputError(f"--margin {unknown[0]}: no such score; checked: {', '.join(names)}")
    without = [name for name in names if not {name, ""} & set(asked.margins)]
    if asked.non_inferior and without:
        raise InputError(
            f"--non-inferior needs a margin for {', '.join(dict.fromkeys(without))}: give "
            "--margin SCORE=LOSS for each, or --margin 2% for all, or fewer --scores"
        )
    results = {d: c.second.result for c in comparisons for d in c.differences}
    accepted = [asked.margin(one) for one in differences]
    p_values = [d.p_loss(m) for d, m in zip(differences, accepted, strict=True)]
    # The level of the strictest step of Holm: what a single score's loss has to pass.
    strictest = ALPHA / len(differences)
    tested = []
    for one, margin, p, corrected in zip(
        differences, accepted, p_values, holm(p_values), strict=True
    ):
        planned = asked.loss * abs(one.second)
        result = results.get(one)
        measurable = result is None or not _reaches_zero(result.score(one.name))
        needed = one.n_needed(planned, margin, strictest, asked.power) if measurable else None
        power = one.power(planned, margin, strictest) if measurable else None
        if needed is not None:
            least = _least(result, one)
            needed = max(needed, least)
            # The error of classes of a few positives says little: no power is claimed from it.
            power = power if one.n >= least else 0.0
        low, high = one.interval()
        tested.append(
            Tested(
                difference=one,
                margin=margin,
                p=p,
                p_holm=corrected,
                worse=corrected <= ALPHA,
                worst=-low if one.higher_is_better else high,
                n_needed=needed,
                power=power,
            )
        )
    return Verdict(tuple(comparisons), tuple(tested), asked)


def _reaches_zero(score: Score | None) -> bool:
    """Whether a score can't be told from 0, so that a share of it means nothing."""
    if score is None or score.value is None:
        return False
    if abs(score.value) <= ZERO:
        return True
    if score.ci95 is None:
        return False
    return score.ci95[0] <= 0.0 <= score.ci95[1]


def _least(result: Result | None, one: Difference) -> int:
    """Studies that give every class of a score ``POSITIVES`` positives and negatives."""
    family = family_of(one.name)
    name = family.parse(one.name) if family else None
    rarest = 1.0
    for score in result.scores if result is not None else ():
        other = family.parse(score.name) if family else None
        if name is None or other is None or (name.lead, name.view) != (other.lead, other.view):
            continue
        for cell in score.per_class.values():
            if cell.n_pos and cell.n_neg:
                rarest = min(rarest, cell.n_pos / score.n, cell.n_neg / score.n)
    return math.ceil(POSITIVES / rarest)
