"""One number, with everything a reader needs to judge it."""

from pydantic import BaseModel, ConfigDict, Field


class ClassScore(BaseModel):
    """A score of one class of a multi-label metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None
    """None where the class cannot be scored (then ``reason`` says why)."""
    reason: str | None = None
    ci95: tuple[float, float] | None = None
    """95 % bootstrap interval over patients."""
    n_pos: int | None
    n_neg: int | None
    """Studies with a known label; None where they are too few to be shown (``aggregates.py``)."""
    counts: dict[str, int] | None = None
    """``tp``, ``fp``, ``fn``, ``tn``; None for scores without predictions, and for small cells."""


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
    """For distances: the same distance between two disjoint sets of real studies, at equal n."""
    signature: str
    """How the number was made, e.g. ``bleu|tok:wordpunct|case:lc|smooth:none|n:2000``."""
