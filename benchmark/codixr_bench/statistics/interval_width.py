"""Whether a stated interval is about as wide as its influences say, however it was made.

Intervals are made in a dozen ways, most of them better than 1.96 standard errors; none of them is
far from that. Imports no torch.
"""

from codixr_bench.registry import facts_of
from codixr_bench.score import Score

NARROWEST = 0.6
"""The least half width of an interval, in 1.96 standard errors of the influences.

Those of the reference points' scores are 0.79 to 2.5 (phantom, 2,000 studies).
"""
WIDEST = 5.0
"""The most, in the same unit: a wide interval ties with every row that is better."""
WIDEST_SLACKS = (0.02, 0.1)
"""Beside it, where the influences show no error: of shares, and of larger values a part of them.

One picture for all studies has a distance to other studies with 0.07 of itself.
"""
_ROUNDING = 1e-6


def width_fault(score: Score, error: float, *, wide: bool = True) -> str | None:
    """Why an interval can't belong to a standard error; None where it can.

    Args:
        score: with a value; one without an interval has no fault.
        error: of its influences.
        wide: whether too wide is a fault too.
    """
    if score.ci95 is None or score.value is None:
        return None
    usual = 2 * 1.96 * error
    if _width(score, score.value, score.ci95) < NARROWEST * usual - _ROUNDING:
        return "narrower than its statistics allow"
    low, high = score.ci95
    if wide and high - low > WIDEST * usual + _slack(score.value):
        return "wider than its statistics allow"
    return None


def _slack(value: float) -> float:
    of_share, of_value = WIDEST_SLACKS
    return of_share if abs(value) <= 1.0 else of_value * abs(value)


def _width(score: Score, value: float, ci95: tuple[float, float]) -> float:
    """An interval's width; where an end of the score's range cuts a side, twice the other side."""
    facts = facts_of(score.name)
    low, high = ci95
    if facts is None:
        return high - low
    if low <= facts.lowest:
        return 2.0 * (high - value)
    if high >= facts.highest:
        return 2.0 * (value - low)
    return high - low
