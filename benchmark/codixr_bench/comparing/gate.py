"""The gate: is a new checkpoint worse than an old one, on the same studies? ``codixr-bench check``.

Every score that both results have is tested for a loss beyond its margin, one-sided; Holm's
correction keeps the chance of any false alarm at or below 5 % (``ALPHA``), however many scores
there are. What a gate cannot see is part of its answer: for each score, the studies it would need
to find a 5 % relative loss with a chance of 80 %. Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.comparing.comparison import ALPHA, Comparison, Difference, compare_all, load_sides
from codixr_bench.statistics.significance import holm

LOSS = 0.05
"""The relative loss whose detection is reported."""
POWER = 0.8


@dataclass(frozen=True)
class Margin:
    """A loss that is accepted: absolute, or relative to the old value."""

    amount: float
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> tuple[str, "Margin"]:
        """``auroc_macro=0.01`` or ``auroc_macro=1%``; InputError for anything else."""
        name, _, amount = text.partition("=")
        relative = amount.strip().endswith("%")
        try:
            value = float(amount.strip().removesuffix("%"))
        except ValueError:
            value = -1.0
        if not name.strip() or not 0.0 <= value < float("inf"):
            raise InputError(
                f"--margin '{text}': write SCORE=LOSS, e.g. auroc_macro=0.01, or auroc_macro=1%"
            )
        return name.strip(), cls(value / 100.0 if relative else value, relative)

    def of(self, old: float) -> float:
        """The accepted loss, in the score's unit."""
        return self.amount * abs(old) if self.relative else self.amount


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
    n_needed: int | None
    """Studies that find a relative loss of ``LOSS`` with the chance ``POWER``; None: none would."""
    power: float
    """The chance to find that loss with the studies there are."""


@dataclass(frozen=True)
class Verdict:
    """What the gate says of all scores of all tasks."""

    comparisons: tuple[Comparison, ...]
    tested: tuple[Tested, ...]

    @property
    def worse(self) -> tuple[Tested, ...]:
        """The scores that lost more than their margin."""
        return tuple(one for one in self.tested if one.worse)

    @property
    def exit_code(self) -> int:
        """0 not worse, 1 worse."""
        return 1 if self.worse else 0


def check(
    new: Path,
    old: Path,
    *,
    margins: Mapping[str, Margin] | None = None,
    only: Sequence[str] = (),
    loss: float = LOSS,
    power: float = POWER,
) -> Verdict:
    """Hold ``new`` against ``old``: run folders, result files, or folders of a task group's runs.

    Args:
        new: the candidate.
        old: what it must not be worse than.
        margins: score name -> accepted loss; 0 for the others.
        only: scores to test; empty for all.
        loss: the relative loss to plan for.
        power: the chance to plan for.

    Raises:
        NotComparableError: says which fields differ.
        InputError: a file that cannot be read, a score that is not there, or nothing to test.
    """
    found = compare_all(load_sides(new), load_sides(old), only)
    differences = [one for comparison in found for one in comparison.differences]
    return judge(found, differences, margins or {}, loss, power)


def judge(
    comparisons: Sequence[Comparison],
    differences: Sequence[Difference],
    margins: Mapping[str, Margin],
    loss: float = LOSS,
    power: float = POWER,
) -> Verdict:
    """Test every difference for a loss beyond its margin, Holm-corrected over all of them."""
    names = [one.name for one in differences]
    if not names:
        raise InputError("nothing to check: the two results share no score that has a value")
    if unknown := [name for name in margins if name not in names]:
        raise InputError(f"--margin {unknown[0]}: no such score; checked: {', '.join(names)}")
    accepted = [margins[d.name].of(d.second) if d.name in margins else 0.0 for d in differences]
    p_values = [d.p_loss(m) for d, m in zip(differences, accepted, strict=True)]
    # The level of the strictest step of Holm: what a single score's loss has to pass.
    strictest = ALPHA / len(differences)
    tested = []
    for one, margin, p, corrected in zip(
        differences, accepted, p_values, holm(p_values), strict=True
    ):
        planned = loss * abs(one.second)
        tested.append(
            Tested(
                difference=one,
                margin=margin,
                p=p,
                p_holm=corrected,
                worse=corrected <= ALPHA,
                n_needed=one.n_needed(planned, margin, strictest, power),
                power=one.power(planned, margin, strictest),
            )
        )
    return Verdict(tuple(comparisons), tuple(tested))
