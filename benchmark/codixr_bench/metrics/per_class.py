"""What the scores by class of pictures and of reports share: F1 of counts, and a class's score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr_bench.score import ClassScore
from codixr_bench.statistics.bootstrap import percentile_interval

Array = NDArray[np.float64]


def f1_of_counts(hits: Array, claimed: Array, present: Array, absent: Array) -> Array:
    """2 TP / (claimed + present) of counts of one shape; NaN without cases of both kinds.

    ``hits`` are true positives, ``claimed`` all predicted ones, the others counts of known labels.
    """
    values = np.full_like(hits, np.nan)
    both = (present > 0) & (absent > 0)
    return np.divide(2.0 * hits, claimed + present, out=values, where=both)


def class_score(value: float, drawn: Array, labels: NDArray[Any], *, of: str) -> ClassScore:
    """One class: its value, the interval of its resamples [R], and how many of each kind there are.

    Args:
        value: the score, NaN where it is not defined.
        drawn: the score in every resample.
        labels: [n], 1 present and 0 absent; anything else is unknown.
        of: what the labels are called in the reason of a null: "known" or "reference".
    """
    n_pos, n_neg = int((labels == 1).sum()), int((labels == 0).sum())
    reason = None
    if not n_pos or not n_neg:
        kind = "present" if n_pos else "absent"
        reason = f"all {of} labels are {kind}" if n_pos + n_neg else "no label is known"
    return ClassScore(
        value=None if reason else float(value),
        reason=reason,
        ci95=None if reason else percentile_interval(drawn),
        n_pos=n_pos,
        n_neg=n_neg,
    )
