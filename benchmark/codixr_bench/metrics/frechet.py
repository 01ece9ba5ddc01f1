"""The Fréchet distance of two sets of features, and what each picture does to it.

d² = |μ1 - μ2|² + tr(Σ1 + Σ2 - 2 (Σ1 Σ2)^½)   (Heusel et al. 2017, eq. 6), covariances over n - 1.

The trace term takes no matrix square root: with Σ1 = A Aᵀ, the eigenvalues of Σ1 Σ2 are those of
the symmetric M = Aᵀ Σ2 A. A is a Cholesky factor, or V √λ where Σ1 is singular. For n below d, with
Σi = Xiᵀ Xi, the trace is the sum of the singular values of the n x n matrix X1 X2ᵀ.

The influence of a picture x of the first set is the derivative of d² with respect to its weight,
2 (x - μ1)·(μ1 - μ2) + (x - μ1)ᵀ (1 - T)(x - μ1) less its mean. The optimal map between the two
Gaussians is T = Σ1^-½ (Σ1^½ Σ2 Σ1^½)^½ Σ1^-½; likewise for the second. One number a picture, O(d²)
each, gives standard errors and paired comparisons without any resampling of matrices.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.backbone import Features
from codixr_bench.backbones.feature_rows import FeatureRows

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_NEGLIGIBLE = 1e-10
"""Of the largest eigenvalue: directions below it have no usable derivative."""


class FeatureStatistics:
    """Mean and covariance of features, streamed: float64 count, sum and sum of outer products.

    Memory does not grow with n, and shards merge by addition. Sums are taken about the first
    feature row, so that a common offset costs no digits.
    """

    def __init__(self) -> None:
        self.n = 0
        self._origin: Vector = np.zeros(0)
        self._sum: Vector = np.zeros(0)
        self._outer: Matrix = np.zeros((0, 0))

    @classmethod
    def of(cls, batches: Iterable[NDArray[np.floating]]) -> "FeatureStatistics":
        """The statistics of batches of rows [B, d]; ValueError as ``update``."""
        statistics = cls()
        for batch in batches:
            statistics.update(batch)
        return statistics

    @classmethod
    def from_moments(cls, n: int, mean: Vector, covariance: Matrix) -> "FeatureStatistics":
        """From a mean [d] and a covariance [d, d] over n - 1, as other programs store them.

        Raises ValueError for other shapes, NaN, or fewer than two rows.
        """
        d = len(mean)
        if mean.ndim != 1 or covariance.shape != (d, d) or d == 0 or n < 2:
            raise ValueError(f"mean {mean.shape}, covariance {covariance.shape}, n {n}")
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError("statistics hold NaN or infinity")
        statistics = cls()
        statistics.n, statistics._origin = n, mean.astype(np.float64)
        statistics._sum = np.zeros(d)
        statistics._outer = covariance.astype(np.float64) * (n - 1)
        return statistics

    def update(self, features: NDArray[np.floating]) -> None:
        """Add rows [B, d]; ValueError for NaN, infinity or another d."""
        rows = np.asarray(features, dtype=np.float64)
        if len(rows) == 0:
            return
        if not np.isfinite(rows).all():
            raise ValueError("features hold NaN or infinity")
        if self.n == 0:
            self._origin = rows[0].copy()
            self._sum = np.zeros(rows.shape[1])
            self._outer = np.zeros((rows.shape[1], rows.shape[1]))
        rows = rows - self._origin
        self.n += len(rows)
        self._sum += rows.sum(axis=0)
        self._outer += rows.T @ rows

    def merge(self, other: "FeatureStatistics") -> None:
        """Add another shard."""
        if other.n == 0:
            return
        if self.n == 0:
            self.n, self._origin = other.n, other._origin.copy()
            self._sum, self._outer = other._sum.copy(), other._outer.copy()
            return
        shift = other._origin - self._origin
        cross = np.outer(other._sum, shift)
        self._outer += other._outer + cross + cross.T + other.n * np.outer(shift, shift)
        self._sum += other._sum + other.n * shift
        self.n += other.n

    @property
    def mean(self) -> Vector:
        """[d]; ValueError before the first row."""
        if self.n < 1:
            raise ValueError("no features")
        return self._origin + self._sum / self.n

    @property
    def covariance(self) -> Matrix:
        """[d, d], over n - 1; ValueError for fewer than two rows."""
        if self.n < 2:
            raise ValueError("a covariance needs two pictures")
        mean = self._sum / self.n
        return (self._outer - self.n * np.outer(mean, mean)) / (self.n - 1)


def frechet_distance(mu1: Vector, cov1: Matrix, mu2: Vector, cov2: Matrix) -> float:
    """The squared Fréchet distance of two Gaussians, as FID is always given; never below 0.

    Means [d] and covariances [d, d], float64; singular covariances are fine.
    """
    offset = mu1 - mu2
    trace = np.trace(cov1) + np.trace(cov2) - 2.0 * trace_of_sqrt(cov1, cov2)
    return max(0.0, float(offset @ offset + trace))


def trace_of_sqrt(cov1: Matrix, cov2: Matrix) -> float:
    """tr (Σ1 Σ2)^½ of two covariances [d, d]."""
    factor, _ = _factor(cov1)
    eigenvalues = np.linalg.eigvalsh(factor.T @ cov2 @ factor)
    return float(np.sqrt(eigenvalues.clip(min=0.0)).sum())


def distance_between(generated: Features, real: Features) -> float:
    """The squared Fréchet distance between two sets of features, [n1, d] and [n2, d].

    Raises ValueError for fewer than two rows on a side, and for NaN or infinity.
    """
    sides = (generated, real)
    if max(map(len, sides)) < generated.shape[1]:
        return influences_by_rows(*(np.asarray(x, dtype=np.float64) for x in sides)).value
    one, two = (FeatureStatistics.of([features]) for features in sides)
    return frechet_distance(one.mean, one.covariance, two.mean, two.covariance)


@dataclass(frozen=True, slots=True)
class Influences:
    """A distance and what each picture does to it; each side's numbers have mean zero."""

    value: float
    first: Vector
    """[n1]."""
    second: Vector
    """[n2]."""


class FrechetDerivative:
    """The distance between two sets, and the influence of rows of either: for n above d.

    Args:
        first: statistics of the one set, two rows at least.
        second: of the other, with the same d.
    """

    def __init__(self, first: FeatureStatistics, second: FeatureStatistics) -> None:
        self._means = (first.mean, second.mean)
        self._offset = first.mean - second.mean
        cov1, cov2 = first.covariance, second.covariance
        factor, directions = _factor(cov1)
        eigenvalues, vectors = np.linalg.eigh(factor.T @ cov2 @ factor)
        eigenvalues = eigenvalues.clip(min=0.0)
        trace = np.trace(cov1) + np.trace(cov2) - 2.0 * np.sqrt(eigenvalues).sum()
        self.value = max(0.0, float(self._offset @ self._offset + trace))
        kept = eigenvalues > _NEGLIGIBLE * eigenvalues.max(initial=0.0)
        root = eigenvalues[kept] ** 0.25
        # |P x|² = xᵀ T x, with P1 = M^¼ A⁻¹ and P2 = M^-¼ Aᵀ, M in its own axes.
        back = _solve(factor, directions, vectors[:, kept])
        self._maps = (back * root, (factor @ vectors[:, kept]) / root)

    def of_first(self, rows: NDArray[np.floating]) -> Vector:
        """Influences of rows [B, d] of the first set, up to a constant: [B]."""
        return self._influence(rows, 0)

    def of_second(self, rows: NDArray[np.floating]) -> Vector:
        """Influences of rows [B, d] of the second set, up to a constant: [B]."""
        return self._influence(rows, 1)

    def _influence(self, rows: NDArray[np.floating], side: int) -> Vector:
        centred = np.asarray(rows, dtype=np.float64) - self._means[side]
        mapped = centred @ self._maps[side]
        linear = 2.0 * (centred @ (self._offset if side == 0 else -self._offset))
        influence: Vector = linear + np.square(centred).sum(1) - np.square(mapped).sum(1)
        return influence


def influences_by_rows(first: Matrix, second: Matrix) -> Influences:
    """The same from all rows at once, [n1, d] and [n2, d]: cheap and exact for n below d.

    With X1 X2ᵀ = U S Vᵀ of the centred, scaled rows, xᵀ T x of row i is (n - 1) (U S Uᵀ)ii.
    """
    for features in (first, second):
        if len(features) < 2:
            raise ValueError("a covariance needs two pictures")
        if not np.isfinite(features).all():
            raise ValueError("features hold NaN or infinity")
    offset = first.mean(axis=0) - second.mean(axis=0)
    centred = [x - x.mean(axis=0) for x in (first, second)]
    scaled = [x / np.sqrt(len(x) - 1) for x in centred]
    left, singular, right = np.linalg.svd(scaled[0] @ scaled[1].T, full_matrices=False)
    trace = sum(float((x * x).sum()) for x in scaled) - 2.0 * float(singular.sum())
    found = []
    for x, axes, sign in ((centred[0], left, 1.0), (centred[1], right.T, -1.0)):
        mapped = (len(x) - 1) * (np.square(axes) @ singular)
        influence = 2.0 * sign * (x @ offset) + np.square(x).sum(axis=1) - mapped
        found.append(influence - influence.mean())
    return Influences(max(0.0, float(offset @ offset) + trace), found[0], found[1])


def frechet_of_rows(
    first: FeatureRows,
    second: FeatureRows,
    which: NDArray[np.integer] | None = None,
) -> Influences:
    """The distance of two stored sets and each picture's influence: two passes over the rows.

    Args:
        first: the one set.
        second: the other.
        which: ranks of the rows to use, of both; all by default.

    Raises:
        ValueError: fewer than two rows on a side, NaN or infinity.
    """
    n, m = (len(rows) if which is None else len(which) for rows in (first, second))
    if max(n, m) < first.dimensions:
        return influences_by_rows(*(rows.all(which).astype(np.float64) for rows in (first, second)))
    derivative = FrechetDerivative(*(FeatureStatistics.of(r.read(which)) for r in (first, second)))
    one = np.concatenate([derivative.of_first(rows) for rows in first.read(which)])
    two = np.concatenate([derivative.of_second(rows) for rows in second.read(which)])
    return Influences(derivative.value, one - one.mean(), two - two.mean())


def _factor(covariance: Matrix) -> tuple[Matrix, NDArray[np.bool_] | None]:
    """(A, directions) with Σ = A Aᵀ; directions that carry variance where Σ is singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64), None
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        kept = values > _NEGLIGIBLE * values.max(initial=0.0)
        return vectors * np.sqrt(values.clip(min=0.0)), kept


def _solve(factor: Matrix, kept: NDArray[np.bool_] | None, right: Matrix) -> Matrix:
    """A⁻ᵀ B for a factor of ``_factor``; by the pseudo-inverse where Σ is singular."""
    if kept is None:
        from scipy.linalg import solve_triangular

        solved: Matrix = solve_triangular(factor, right, lower=True, trans="T")
        return solved
    squares = np.square(factor[:, kept]).sum(axis=0)
    back: Matrix = (factor[:, kept] / squares) @ right[kept]
    return back
