"""How much two sides' numbers of the same studies agree beyond chance, and each study's share."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.bootstrap import in_chunks

ROUNDING = 1e-5
"""Rows of a side that differ by less are equal: a batch's size alone moves the last digits."""
_CHUNK = 4_000_000
"""Numbers of a resample's products held at a time: 32 MB."""

Array = NDArray[np.float64]
Measure = Callable[[Array, Array, NDArray[np.generic]], Array]
"""One side's rows [n, k], the other's, weights of studies [R, n] -> [R]."""


def mean_correlation(first: Array, second: Array, weights: NDArray[np.generic]) -> Array:
    """Pearson's correlation over studies a column, then the mean over columns, for R resamples.

    Sides [n, k], weights [R, n] -> [R]. A column in which a side never varies counts as 0; one that
    has lost its variation in a resample is left out of that resample.
    """
    x, y = (side - side.mean(axis=0) for side in (first, second))
    constant = (np.ptp(first, axis=0) < ROUNDING) | (np.ptp(second, axis=0) < ROUNDING)
    x[:, constant] = y[:, constant] = 0.0
    k = x.shape[1]
    products = np.hstack([x, y, x * x, y * y, x * y])
    least = 1e-12 * np.maximum((x * x).mean(axis=0), (y * y).mean(axis=0))
    values = np.empty(len(weights))
    row = 0
    for chunk in in_chunks(weights, _CHUNK // max(1, len(x))):
        moments = (chunk @ products) / chunk.sum(axis=1, keepdims=True)
        mx, my, mxx, myy, mxy = (moments[:, i * k : (i + 1) * k] for i in range(5))
        vx, vy = mxx - mx * mx, myy - my * my
        varies = (vx > least) & (vy > least)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.where(varies, (mxy - mx * my) / np.sqrt(vx * vy), 0.0)
            counted = (varies | constant).sum(axis=1)
            values[row : row + len(chunk)] = r.sum(axis=1) / counted
        row += len(chunk)
    return values


def cosine_above_shuffled(first: Array, second: Array, weights: NDArray[np.generic]) -> Array:
    """The mean cosine of own pairs less that of all other pairs, for R resamples.

    Vectors [n, d] of length 1 (or 0, for an output that says nothing), weights [R, n] -> [R].
    """
    n = len(first)
    values = np.zeros(len(weights))
    if min(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max()) < ROUNDING:
        return values
    own = (first * second).sum(axis=1)
    row = 0
    for chunk in in_chunks(weights, _CHUNK // n):
        drawn = chunk.sum(axis=1)
        all_pairs = ((chunk @ first) * (chunk @ second)).sum(axis=1) / drawn**2
        # Own pairs are among all pairs; n / (n - 1) takes them out.
        values[row : row + len(chunk)] = (chunk @ own / drawn - all_pairs) * n / (n - 1)
        row += len(chunk)
    return values


def _correlation_influence(first: Array, second: Array) -> Array:
    """[n]: a study's share in the mean correlation (Devlin et al. 1975), a class that is flat 0."""
    x, y = (side - side.mean(axis=0) for side in (first, second))
    flat = (np.ptp(first, axis=0) < ROUNDING) | (np.ptp(second, axis=0) < ROUNDING)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (side / side.std(axis=0) for side in (x, y))
    x[:, flat] = y[:, flat] = 0.0
    r = (x * y).mean(axis=0)
    influence: Array = (x * y - 0.5 * r * (x * x + y * y)).mean(axis=1)
    return influence


def _cosine_influence(first: Array, second: Array) -> Array:
    """[n]: a study's share in the cosine above shuffled pairs."""
    own = ((first - first.mean(axis=0)) * (second - second.mean(axis=0))).sum(axis=1)
    influence: Array = own - own.mean()
    return influence


INFLUENCES: dict[Measure, Callable[[Array, Array], Array]] = {
    mean_correlation: _correlation_influence,
    cosine_above_shuffled: _cosine_influence,
}
