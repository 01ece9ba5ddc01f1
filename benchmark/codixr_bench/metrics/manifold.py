"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

A set's manifold is the union of balls about its pictures that reach to their k-th neighbour in the
set. Precision: the share of generated pictures in the real manifold; recall: the reverse. Density:
how many real balls a generated picture lies in, over k; coverage: the share of real balls that hold
a generated picture. Conventions of the peers: k = 3 and ``<=`` for the first two (torch-fidelity),
k = 5 and ``<`` for the last two (the package prdc). Distances are made in blocks: memory is flat.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import Influences
from codixr_bench.progress import progress

K_PRECISION = 3
K_DENSITY = 5

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Manifolds:
    """The four scores; each is a mean over one side's pictures."""

    precision: Influences
    recall: Influences
    density: Influences
    coverage: Influences


def manifolds(generated: FeatureRows, real: FeatureRows) -> Manifolds:
    """The scores and each picture's influence; ValueError for six pictures or fewer on a side.

    Influences take the balls as given: what a picture does to the radii of its neighbours' balls is
    left out.
    """
    n, m = len(generated), len(real)
    if min(n, m) <= K_DENSITY + 1:
        raise ValueError(f"manifolds of {K_DENSITY} neighbours need {K_DENSITY + 2} pictures")
    radii_real = _radii(real)
    radii_generated = _radii(generated)[0]
    inside, density = np.zeros(n, dtype=bool), np.zeros(n)
    recalled, nearest, held = np.zeros(m, dtype=bool), np.full(m, np.inf), np.zeros(m)
    at = 0
    with progress("manifolds", n, unit="pictures") as advance:
        for block in generated.read():
            x, other_at = block.astype(np.float64), 0
            here = slice(at, at + len(x))
            for other in real.read():
                there = slice(other_at, other_at + len(other))
                squared = _squared_distances(x, other.astype(np.float64))
                inside[here] |= (squared <= radii_real[0][there]).any(axis=1)
                within = squared < radii_real[1][there]
                density[here] += within.sum(axis=1) / K_DENSITY
                held[there] += within.sum(axis=0) * (m / (n * K_DENSITY))
                recalled[there] |= (squared <= radii_generated[here, None]).any(axis=0)
                nearest[there] = np.minimum(nearest[there], squared.min(axis=0))
                other_at += len(other)
            at += len(x)
            advance(len(x))
    return Manifolds(
        precision=_mean_of_first(inside.astype(np.float64), m),
        recall=_mean_of_second(recalled.astype(np.float64), n),
        density=_mean_of_both(density, held),
        coverage=_mean_of_second((nearest < radii_real[1]).astype(np.float64), n),
    )


def _radii(rows: FeatureRows) -> tuple[Vector, Vector]:
    """Squared distances to the third and the fifth neighbour in the set, [n] each."""
    radii = (np.empty(len(rows)), np.empty(len(rows)))
    at = 0
    with progress("neighbours", len(rows), unit="pictures") as advance:
        for block in rows.read():
            x = block.astype(np.float64)
            least = np.empty((len(x), 0))
            for other in rows.read():
                least = np.hstack([least, _squared_distances(x, other.astype(np.float64))])
                keep = min(K_DENSITY + 1, least.shape[1])
                least = np.partition(least, keep - 1, axis=1)[:, :keep]
            least.sort(axis=1)  # the first is the picture itself
            radii[0][at : at + len(x)] = least[:, K_PRECISION]
            radii[1][at : at + len(x)] = least[:, K_DENSITY]
            at += len(x)
            advance(len(x))
    return radii


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    distances: Matrix = (squares - 2.0 * (x @ y.T)).clip(min=0.0)
    return distances


def _mean_of_first(values: Vector, m: int) -> Influences:
    mean = float(values.mean())
    return Influences(mean, values - mean, np.zeros(m))


def _mean_of_both(first: Vector, second: Vector) -> Influences:
    """Of a mean over pairs, which is the mean of either side's sums."""
    mean = float(first.mean())
    return Influences(mean, first - mean, second - second.mean())


def _mean_of_second(values: Vector, n: int) -> Influences:
    mean = float(values.mean())
    return Influences(mean, np.zeros(n), values - mean)
