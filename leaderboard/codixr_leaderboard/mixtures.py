"""Features that are mixtures of pictures' features: no picture has them.

Weighted means of two or more real pictures' features are as a distance wants them, and follow every
rule that holds of means. But they lie among the pictures that they were made of: their distance to
the mixtures of the nearest ones is nothing, where a picture's own is a part of what lies between
two pictures. Radiomic features tell it best, 147 numbers that differ a little in any two pictures.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.stored_features import FEATURES
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.statistics_file import First, Table

NEAREST = 16
"""Pictures of which a mixture is sought."""
LIMITS = {"frd": 0.18, "fid_phantom": 0.012}
"""Of the distance to the nearest mixture of the real outputs', in medians of what lies between two.

Of the reference points and codixr, each task, view and study: 0.198 and 0.0151 at least; of a half
of the real pictures beside the other half 0.21 and 0.0205.
"""
OF_ROWS = {"frd": 0.05}
"""Where other rows' pictures are mixed in, which a model may honestly be like (0.198)."""
MOST = 0.1
"""Share of the pictures that may lie nearer."""
_STEPS = 60

Matrix = NDArray[np.float32]


def mixture_problems(table: Table, real: First | None, others: list[First]) -> Iterator[Problem]:
    """A row whose pictures' features are mixtures of the real outputs', or of other rows' too."""
    if real is None:
        return
    for name, mine in table.items():
        kind = name.partition("[")[0].removesuffix(FEATURES)
        theirs = _alike(name, mine, real)
        if not name.endswith(FEATURES) or kind not in LIMITS or theirs is None:
            continue
        features, scale = mine.astype(np.float32), usual_distance(theirs)
        share = float((nearest_mixture(features, theirs) <= LIMITS[kind] * scale).mean())
        whose = f"those of '{real[0].model.name}'"
        if share < MOST and kind in OF_ROWS:
            rows = [found for one in others if (found := _alike(name, mine, one)) is not None]
            pool = np.concatenate([theirs, *rows])
            away = nearest_mixture(features, pool)
            share, whose = float((away <= OF_ROWS[kind] * scale).mean()), "other rows' pictures"
        if share >= MOST:
            said = f"'{name}': {share:.0%} of the pictures are no pictures but mixtures of {whose}"
            yield Problem("statistics", said)


def usual_distance(features: Matrix) -> float:
    """The median distance of two pictures, of 200 and all others."""
    some = features[:: max(1, len(features) // 200)]
    return float(np.sqrt(np.median(_squared(some, features))))


def nearest_mixture(features: Matrix, pictures: Matrix) -> NDArray[np.float64]:
    """[n]: how far each is from the nearest mixture of its ``NEAREST`` pictures.

    Args:
        features: [n, d].
        pictures: [m, d]; m is ``NEAREST`` or more.
    """
    found = np.empty(len(features))
    for begin in range(0, len(features), 250):
        x = features[begin : begin + 250]
        near = np.argpartition(_squared(x, pictures), NEAREST - 1, axis=1)[:, :NEAREST]
        away = (pictures[near] - x[:, None]).astype(np.float64)
        found[begin : begin + 250] = _to_hull(away @ away.transpose(0, 2, 1))
    return found


def _to_hull(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n]: the least norm of a mixture of vectors, by their products [n, k, k].

    Frank and Wolfe's steps, each from the worst vector that is in the mixture to the best one.
    """
    n, k, _ = products.shape
    each = np.arange(n)
    weights = np.zeros((n, k))
    weights[each, np.diagonal(products, axis1=1, axis2=2).argmin(axis=1)] = 1.0
    for _ in range(_STEPS):
        slope = np.einsum("nij,nj->ni", products, weights)
        best, worst = slope.argmin(axis=1), np.where(weights > 0, slope, -np.inf).argmax(axis=1)
        apart = products[each, best, best] + products[each, worst, worst]
        apart -= 2.0 * products[each, best, worst]
        gain = slope[each, worst] - slope[each, best]
        step = np.minimum(gain / np.maximum(apart, 1e-12), weights[each, worst])
        weights[each, best] += step
        weights[each, worst] -= step
    squared = np.einsum("ni,nij,nj->n", weights, products, weights)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def _alike(name: str, mine: np.ndarray, other: First) -> Matrix | None:
    theirs = other[1].get(name)
    if theirs is None or theirs.shape != mine.shape or len(theirs) < NEAREST or theirs.ndim != 2:
        return None
    return theirs.astype(np.float32)


def _squared(one: Matrix, other: Matrix) -> Matrix:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
    squared: Matrix = np.maximum(squares - 2.0 * (one @ other.T), 0.0)
    return squared
