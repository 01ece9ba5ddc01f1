"""The Fréchet distance without its small-sample bias: extrapolated to infinitely many pictures.

The distance of n pictures a side lies above its limit by about c / n (Chong and Forsyth 2020, who
extrapolate the generated side alone; here both sides are thinned alike). It is computed for all
pictures, for two disjoint halves, and for four disjoint quarters, and the line in 1/n through the
means of each size is followed to 0. Quarters must have more pictures than features.
"""

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import (
    FeatureStatistics,
    Influences,
    frechet_distance,
    frechet_of_rows,
)

_SEED = 20_240_529
_PARTS = (1, 2, 4)


def extrapolated_distance(first: FeatureRows, second: FeatureRows) -> Influences:
    """The distance in the limit; influences are those of the distance at n.

    Raises ValueError where a quarter of the pictures is not more than the features are.
    """
    n = min(len(first), len(second))
    least = 4 * (first.dimensions + 1)
    if n < least:
        raise ValueError(f"an extrapolation in {first.dimensions} features needs {least:,} studies")
    order = np.random.default_rng(_SEED).permutation(n)
    whole = frechet_of_rows(first, second)
    quarters = [
        [FeatureStatistics.of(rows.read(np.sort(part))) for rows in (first, second)]
        for part in np.array_split(order, 4)
    ]
    halves = [_merged(quarters[0], quarters[1]), _merged(quarters[2], quarters[3])]
    means = [whole.value, *(float(np.mean([_distance(p) for p in k])) for k in (halves, quarters))]
    weights = _to_zero(np.array(_PARTS, dtype=np.float64))
    return Influences(float(weights @ np.array(means)), whole.first, whole.second)


def _to_zero(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that turn values at ``x`` into the intercept of their least-squares line."""
    design = np.stack([np.ones_like(x), x], axis=1)
    weights: NDArray[np.float64] = np.linalg.pinv(design)[0]
    return weights


def _merged(one: list[FeatureStatistics], two: list[FeatureStatistics]) -> list[FeatureStatistics]:
    merged = []
    for a, b in zip(one, two, strict=True):
        both = FeatureStatistics()
        both.merge(a)
        both.merge(b)
        merged.append(both)
    return merged


def _distance(sides: list[FeatureStatistics]) -> float:
    one, two = sides
    return frechet_distance(one.mean, one.covariance, two.mean, two.covariance)
