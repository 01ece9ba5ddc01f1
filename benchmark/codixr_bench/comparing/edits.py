"""Was a stored score edited, or is it another run's? Asked of its interval and its statistics.

A value is computed again from the statistics, or is the mean of the pseudo-values there. The spread
of those is held against the stored interval: larger ones would hide any loss. Imports no torch.
"""

import math

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metric import Influence
from codixr_bench.registry import facts_of
from codixr_bench.score import Score
from codixr_bench.statistics.influence_interval import influence_interval, standard_error

_NORMAL = 1.959964
"""Half of a 95 % interval, in standard errors."""
_SAME = 1e-6
"""Two computations of one score differ less, relatively or in its unit."""
_ROUNDING = 1e-9
_NARROWEST = 0.5
"""The least half of an interval, in half-widths that its influences give. Measured: 0.7 to 2.4."""


def edit_of(score: Score) -> str | None:
    """What a score's own numbers say against it; None where they fit one another."""
    facts = facts_of(score.name)
    if facts is not None and facts.higher_is_better != score.higher_is_better:
        better = "higher" if facts.higher_is_better else "lower"
        return f"says the opposite of what is better, which is {better}"
    if score.value is None or score.ci95 is None:
        return None
    slack = _ROUNDING * max(1.0, abs(score.value))
    if score.ci95[0] - slack <= score.value <= score.ci95[1] + slack:
        return None
    return "is outside its own interval"


def value_misfit(score: Score, found: Influence) -> bool:
    """Whether a value isn't the one that the statistics give."""
    if found.value is None or score.value is None:
        return False
    return not math.isclose(found.value, score.value, rel_tol=_SAME, abs_tol=_SAME)


def interval_misfit(
    score: Score, found: Influence, patients: NDArray[np.generic] | None = None
) -> bool:
    """Whether the influences of a score have another spread than its interval says.

    Where the interval is made of them (``ci:influence`` on the same studies), the two are equal. No
    other interval is much narrower, as what it adds (another side, few positives) only widens it.
    """
    if score.value is None or score.ci95 is None:
        return False
    low, high = score.ci95
    slack = _SAME * max(1.0, abs(score.value))
    parts = score.signature.split("|")
    alone = {"ci:influence", "ci:influence,by-patient"} & set(parts) and "ref:same-studies" in parts
    if alone and not any(part.startswith("samples:") for part in parts):
        end = influence_interval(score.value, found.by_study, patients)[1]
        return not math.isclose(end, high, rel_tol=_SAME, abs_tol=slack)
    half = _NORMAL * standard_error(found.by_study, patients)[0]
    return max(high - score.value, score.value - low) < _NARROWEST * half - slack
