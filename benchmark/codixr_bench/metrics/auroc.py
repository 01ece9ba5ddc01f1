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

from codixr_bench.metrics.per_class import Averaged, averaged
from codixr_bench.statistics.influence import without_each

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


def average_auroc(
    probabilities: Array, labels: NDArray[np.integer], weights: NDArray[np.generic]
) -> Averaged:
    """AUROC by class and averaged, for every resample.

    Probabilities [n, k]; labels [n, k], known where 0 or 1; weights [R, n] -> R values each.
    """
    k = labels.shape[1]
    study, c_of = np.nonzero(labels >= 0)
    cases = [
        Cases(probabilities[known, c], labels[known, c] == 1, known)
        for c in range(k)
        for known in (np.flatnonzero(labels[:, c] >= 0),)
    ]
    pooled = Cases(probabilities[study, c_of], labels[study, c_of] == 1, study)
    values = aurocs([*cases, pooled], weights)
    positives = weights.astype(np.float64) @ (labels == 1)
    return averaged(values[:, :k], values[:, k], positives, k)


def auroc_without_each(probabilities: Array, labels: Array) -> Averaged:
    """AUROC by class and averaged: of all studies, then without each, R = 1 + n.

    Probabilities and labels [n, k]; labels are known where 0 or 1. Conventions as in
    ``average_auroc``: a class that has lost one kind of its labels is left out.
    """
    n, k = labels.shape
    present, absent = labels == 1, labels == 0
    known = present | absent
    per_class = np.full((1 + n, k), np.nan)
    for c in range(k):
        rows = np.flatnonzero(known[:, c])
        wins = np.zeros(n)
        wins[rows] = _wins(probabilities[rows, c], present[rows, c])
        per_class[:, c] = _ratio(
            wins, np.zeros(n), wins[present[:, c]].sum(), present[:, [c]], absent[:, [c]]
        )
    study, c_of = np.nonzero(known)
    is_present = present[study, c_of]
    wins = _wins(probabilities[study, c_of], is_present)
    above = (probabilities[:, :, None] > probabilities[:, None, :]) * 1.0
    above += 0.5 * (probabilities[:, :, None] == probabilities[:, None, :])
    within = np.einsum("ncd,nc,nd->n", above, present * 1.0, absent * 1.0)
    micro = _ratio(
        np.bincount(study, weights=wins, minlength=n).astype(np.float64),
        within,
        wins[is_present].sum(),
        present,
        absent,
    )
    return averaged(per_class, micro, without_each(present.astype(np.float64)), k)


def _wins(scores: Array, present: NDArray[np.bool_]) -> Array:
    """For a present case, the absent ones below it; for an absent one, the present ones above."""
    wins = np.empty(len(scores))
    ordered = {kind: np.sort(scores[present == kind]) for kind in (True, False)}
    for kind in (True, False):
        own, others = scores[present == kind], ordered[not kind]
        below = np.searchsorted(others, own, side="left")
        upto = np.searchsorted(others, own, side="right")
        half = 0.5 * (below + upto)
        wins[present == kind] = half if kind else len(others) - half
    return wins


def _ratio(
    wins: Array, within: Array, total: float, present: NDArray[np.bool_], absent: NDArray[np.bool_]
) -> Array:
    """Won pairs over pairs, of all studies and without each; NaN without a pair."""
    positives, negatives = (
        without_each(kind.sum(axis=1).astype(np.float64)) for kind in (present, absent)
    )
    # A pair inside one study is among its wins twice.
    won = np.concatenate([[total], total - wins + within])
    values = np.full(len(won), np.nan)
    np.divide(won, positives * negatives, out=values, where=positives * negatives > 0)
    return values
