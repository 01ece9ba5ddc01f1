"""A score on a scale from one answer to everything (0) to the ceiling (1), with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import quantile

LEAST_ERRORS = 3.0
"""Standard errors that constant and ceiling must differ by."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A score of some studies, and what each does to it."""

    value: float
    by_study: Array
    """[n], mean zero."""


def skill(
    model: Measured,
    constant: Measured,
    ceiling: Measured,
    patients: NDArray[np.generic] | None = None,
) -> tuple[float, Interval] | None:
    """(model - constant) / (ceiling - constant), and 95 % of it, paired over the same studies.

    The interval is the delta method's: the influences of a ratio of differences. None where
    constant and ceiling differ by less than ``LEAST_ERRORS`` standard errors of their difference.
    """
    gap = ceiling.value - constant.value
    error, _ = standard_error(ceiling.by_study - constant.by_study, patients)
    if gap == 0.0 or abs(gap) < LEAST_ERRORS * error:
        return None
    # Plus 0.0: -0.0 would show as -0.000.
    value = (model.value - constant.value) / gap + 0.0
    own = model.by_study - constant.by_study - value * (ceiling.by_study - constant.by_study)
    error, df = standard_error(own / gap, patients)
    half = quantile(0.025, df) * error
    return value, (value - half + 0.0, value + half + 0.0)
