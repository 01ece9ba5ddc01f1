"""95 % bootstrap intervals over studies, from one fixed set of resamples for every n.

A resample is a row of weights: how often each study was drawn. The weights depend on the seed and
n alone, so all scores of a run share them, and two models on the same studies can be paired.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 20_240_529
LEVEL = 0.95

Weights = NDArray[np.int16]
"""int16 [R, n], every row sums to n."""
Interval = tuple[float, float]


@lru_cache(maxsize=4)
def resample_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Weights:
    """How often each of ``n`` studies is drawn in each resample; read-only.

    The first rows are the same whatever ``resamples`` is. Raises ValueError for n or resamples
    under 1.
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"bootstrap: {n} studies, {resamples} resamples; both must be 1 or more")
    rng = np.random.default_rng((seed, n))
    weights = np.empty((resamples, n), dtype=np.int16)
    for row in weights:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    weights.setflags(write=False)
    return weights


def in_chunks(weights: NDArray[np.generic], rows: int) -> Iterator[NDArray[np.float64]]:
    """The resamples as float64, ``rows`` at a time (at least one): what memory holds at once."""
    rows = max(1, rows)
    for first in range(0, len(weights), rows):
        yield weights[first : first + rows].astype(np.float64)


def percentile_interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
    """The central ``level`` of a score's resampled values [R].

    NaN marks a resample in which the score is undefined (a class lost its only positive); None
    where that is more than half of them, because the rest says nothing.
    """
    defined = values[np.isfinite(values)]
    if 2 * len(defined) <= len(values):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def recentred_interval(
    values: NDArray[np.float64], value: float, level: float = LEVEL, lowest: float = 0.0
) -> Interval | None:
    """The central ``level`` of the resampled values [R], moved so that their median is ``value``.

    For scores with a small-sample bias, such as Fréchet distances: the duplicates in a resample act
    like a smaller sample, so its values lie too high, by about the bias that ``value`` itself has
    at this n. Moving the median keeps their spread and removes the extra bias: the interval always
    contains ``value``, and speaks of the score at this n, not of its limit. Cut at ``lowest``.
    """
    interval = percentile_interval(values, level)
    if interval is None:
        return None
    shift = value - float(np.median(values[np.isfinite(values)]))
    low, high = (max(lowest, end + shift) for end in interval)
    return min(low, value), max(high, value)
