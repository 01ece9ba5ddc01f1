"""95 % of an F1: of Jaccard's index, and then 2 J / (1 + J).

J is true positives over all studies that are hit or wrong (false positives and false negatives
too). Given how many those are, the hits are a plain share of them, so J has a share's exact
interval (``mid_p``; Wilson's is close, but covers .86 to .93 where one to three are hit or wrong).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.effective_draws import Array, Bounds, by_patient, mid_p, ratio_trials

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class F1:
    """F1s [...]; NaN where there are labels of one kind only."""

    value: Array
    unbiased: Array
    """[...], without most of its small-sample bias: F1 of few studies is too low, as 2 J / (1 + J)
    bends."""
    bounds: Bounds
    by_patient: Array
    """[..., P]: by how much each patient moves J; sums to zero."""


def f1(
    predicted: Mask, present: Mask, absent: Mask, patients: NDArray[np.integer] | None = None
) -> F1:
    """F1 and its interval, of cases [..., n].

    Args:
        predicted: counts where the label is known.
        present: which labels are 1.
        absent: which are 0; a case that is neither is not counted.
        patients: [n], whose case it is, 0 to P - 1; None: each is a patient of its own.
    """
    hits, wrong = (
        by_patient(part.astype(np.float64), patients)
        for part in (predicted & present, (predicted & absent) | (~predicted & present))
    )
    both = hits + wrong
    total = both.sum(axis=-1)
    known: Mask = np.asarray(present.any(axis=-1) & absent.any(axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        jaccard = np.where(known, hits.sum(axis=-1) / total, np.nan)
        trials = np.where(known, ratio_trials(hits, both), 1.0)
        low, high = mid_p(np.where(known, jaccard, 0.0), trials)
        near = (jaccard * trials + 1.0) / (trials + 2.0)
        bias = -2.0 * near * (1.0 - near) / trials / (1.0 + near) ** 3
        moved = np.where(known[..., None], hits - jaccard[..., None] * both, 0.0)
        moved = moved / np.maximum(total, 1.0)[..., None]
    value = _f1(jaccard)
    ends = (np.where(known, _f1(low), np.nan), np.where(known, _f1(high), np.nan))
    return F1(value, value - bias, ends, moved)


def _f1(jaccard: Array) -> Array:
    return np.asarray(2.0 * jaccard / (1.0 + jaccard), dtype=np.float64)
