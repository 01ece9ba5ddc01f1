"""How far real pictures of unrelated studies are from each other, at the same n.

``real against real`` is no floor of a model's distance: a model is compared with pictures of its
own studies and shares their sampling error, two sets of unrelated real pictures share none. As a
scale it stands beside: the mean of twenty draws, and where 95 % of them lie.
"""

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import FeatureStatistics, distance_between, frechet_distance
from codixr_bench.score import Unrelated

DRAWS = 20
_SEED = 20_261_128

Which = NDArray[np.integer]


def unrelated_distance(
    real: FeatureRows, n: int, others: FeatureRows | None = None
) -> Unrelated | None:
    """The Fréchet distance of n unrelated real pictures a side; None under four real pictures.

    Args:
        real: features of real pictures.
        n: pictures a side.
        others: of other studies. Where they are 2 n or more, n of them are drawn and compared with
            all of ``real``, which then are n. Else two disjoint sets of ``real`` are compared: of
            n where they are 2 n or more, else halves, whose distance is carried over as 1/n.
    """
    rng = np.random.default_rng(_SEED)
    if others is not None and len(others) >= 2 * n and len(real) == n:
        every = np.arange(n)
        values = [
            _distance(others, np.sort(rng.permutation(len(others))[:n]), real, every)
            for _ in range(DRAWS)
        ]
        return _unrelated(values, n, extrapolated=False)
    if len(real) < 4:
        return None
    size = min(n, len(real) // 2)
    values = []
    for _ in range(DRAWS):
        order = rng.permutation(len(real))
        parts = np.sort(order[:size]), np.sort(order[size : 2 * size])
        # Nothing but the size of the samples separates them: their distance falls as 1/n.
        values.append(_distance(real, parts[0], real, parts[1]) * size / n)
    return _unrelated(values, n, extrapolated=size < n)


def _unrelated(values: list[float], n: int, *, extrapolated: bool) -> Unrelated:
    low, high = np.quantile(values, [0.025, 0.975])
    return Unrelated(
        value=float(np.mean(values)),
        ci95=(float(low), float(high)),
        n=n,
        draws=len(values),
        extrapolated=extrapolated,
    )


def _distance(first: FeatureRows, one: Which, second: FeatureRows, two: Which) -> float:
    if max(len(one), len(two)) < first.dimensions:
        return distance_between(first.all(one), second.all(two))
    a, b = FeatureStatistics.of(first.read(one)), FeatureStatistics.of(second.read(two))
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
