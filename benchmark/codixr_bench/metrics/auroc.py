"""The chance that a present case scores above an absent one, for a thousand resamples at once.

Cases are ranked once: absent ones fall between or upon the distinct scores of the present ones. For
a resample only the weight in each of those places changes, and that is one sparse product for all
resamples. Weights are counts, so float32 sums of them are exact while they stay under 2^24; larger
totals, and weights that are no counts, are summed in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 4_000_000
"""Resampled weights held at a time: 16 MB as float32."""
_EXACT = 1 << 24
"""Whole numbers under it are exact in float32."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cases:
    """What one AUROC is of."""

    scores: NDArray[np.floating]
    """[m]."""
    present: Mask
    """[m]."""
    study: NDArray[np.intp]
    """[m]; whose weight counts."""


def aurocs(cases: Sequence[Cases], weights: NDArray[np.generic]) -> Array:
    """AUROC of several sets of cases; ties count half.

    Weights of studies [R, n] -> [R, len(cases)]; NaN where a resample has cases of one kind only.
    """
    resamples, n = weights.shape
    values = np.full((resamples, len(cases)), np.nan)
    kind: np.dtype[Any] = np.dtype(np.float64)
    most = 2 * int(weights.max(initial=0)) * max((len(one.scores) for one in cases), default=0)
    if np.issubdtype(weights.dtype, np.integer) and most < _EXACT:
        kind = np.dtype(np.float32)
    ranked = [_ranked(one, n, kind) for one in cases]
    rows = max(1, _CHUNK // max(1, n))
    for first in range(0, resamples, rows):
        by_study = np.ascontiguousarray(weights[first : first + rows].T, dtype=kind)
        for number, one in enumerate(ranked):
            if one is not None:
                values[first : first + rows, number] = _values(*one, by_study)
    return values


def _ranked(cases: Cases, n: int, kind: np.dtype[Any]) -> tuple[Any, Any] | None:
    """Which studies' weights meet where: sparse [G, n] of the present, [2G, n] of the absent.

    G are the distinct scores of the present; the absent's place 2g is below score g and above the
    one before, 2g + 1 upon it. Above the last, an absent case only counts as one more pair: 2G.
    """
    from scipy.sparse import csr_array

    present = cases.present
    if not present.any() or present.all():
        return None
    distinct, of_present = np.unique(cases.scores[present], return_inverse=True)
    absent = cases.scores[~present]
    of_absent = np.searchsorted(distinct, absent, "left")
    of_absent += np.searchsorted(distinct, absent, "right")

    def summing(places: NDArray[np.intp], study: NDArray[np.intp], size: int) -> Any:
        ones = np.ones(len(places), dtype=kind)
        return csr_array((ones, (places, study)), shape=(size, n))

    return (
        summing(of_present, cases.study[present], len(distinct)),
        summing(of_absent, cases.study[~present], 2 * len(distinct) + 1),
    )


def _values(present: Any, absent: Any, by_study: NDArray[Any]) -> Array:
    """AUROC of each resample: weights [n, R] -> [R]."""
    here = present @ by_study
    upto = np.cumsum(absent @ by_study, axis=0)
    # The absent below a score, and at or below it: their mean counts a tie half.
    twice = upto[0:-1:2] + upto[1::2]
    wins = np.einsum("gr,gr->r", here.astype(np.float64), twice.astype(np.float64))
    pairs = 2.0 * here.sum(axis=0, dtype=np.float64) * upto[-1]
    with np.errstate(invalid="ignore"):
        return np.asarray(wins / pairs, dtype=np.float64)
