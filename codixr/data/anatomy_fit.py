"""What real measures are like: the region that holds 99 % of them, and how two views go together.

Numbers only, [n, k]; whoever measures (an estimator, masks) and what is measured is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
INSIDE = 0.99
"""The share of real pictures that the region holds."""
KEPT = 0.975
"""Of the pictures its shape is fitted to: the rest may be measured wrongly."""
ROUNDS = 5
RIDGE = 1e-3
"""Added to every variance, in units of it: measures that never vary."""
FAR = 4.0
"""Standard deviations at which a measure is cut before views are held against each other."""
STRONGEST = 0.98
"""The largest correlation that is believed: pictures that are less sharp are measured less well."""


@dataclass(frozen=True, slots=True)
class Region:
    """An ellipsoid: rows whose distance from the middle is at most ``limit``."""

    middle: Array
    """[k]."""
    whiten: Array
    """[k, k]: (rows - middle) @ whiten has unit covariance."""
    limit: float

    @classmethod
    def fit(cls, rows: Array) -> Self:
        """Of real measures [n, k].

        The shape is that of the ``KEPT`` nearest rows, found again a few times (a trimmed
        covariance); the limit is such that ``INSIDE`` of all rows lie within. ValueError for fewer
        rows than twice their numbers.
        """
        n, k = rows.shape
        if n < 2 * k:
            raise ValueError(f"a region of {k} measures needs {2 * k} pictures or more, not {n}")
        kept = rows
        for _ in range(ROUNDS):
            region = cls(kept.mean(axis=0), _whiten(kept), np.inf)
            distances = region.distances(rows)
            kept = rows[distances <= np.quantile(distances, KEPT)]
        return cls(region.middle, region.whiten, float(np.quantile(distances, INSIDE)))

    def distances(self, rows: Array) -> Array:
        """[n]: how far each row lies from the middle, in standard deviations; infinite for NaN."""
        found = np.linalg.norm((rows - self.middle) @ self.whiten, axis=1)
        return np.asarray(np.nan_to_num(found, nan=np.inf), dtype=np.float64)

    def inside(self, rows: Array) -> NDArray[np.bool_]:
        """[n]: whether each row is within the limit."""
        return self.distances(rows) <= self.limit

    def arrays(self) -> dict[str, Array]:
        """As named arrays, for a file."""
        return {"middle": self.middle, "whiten": self.whiten, "limit": np.array([self.limit])}

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """From ``arrays``; KeyError where one is missing."""
        return cls(arrays["middle"], arrays["whiten"], float(arrays["limit"][0]))


@dataclass(frozen=True, slots=True)
class Pair:
    """How two views' measures go together: canonical correlations (Hotelling 1936)."""

    middles: tuple[Array, Array]
    """[k] of the first view, [m] of the second."""
    spreads: tuple[Array, Array]
    """Standard deviations."""
    axes: tuple[Array, Array]
    """[k, c] and [m, c]: standardised measures @ axes are the canonical variables."""
    correlations: Array
    """[c]."""

    @classmethod
    def fit(cls, first: Array, second: Array) -> Self:
        """Of real pairs, [n, k] and [n, m]; ValueError for fewer than twice as many as measures."""
        n, measures = len(first), first.shape[1] + second.shape[1]
        if n < 2 * measures:
            raise ValueError(f"pairs of {measures} measures need {2 * measures} or more, not {n}")
        middles = first.mean(axis=0), second.mean(axis=0)
        spreads = _spread(first), _spread(second)
        x, y = (
            _standard(rows, middle, spread)
            for rows, middle, spread in zip((first, second), middles, spreads, strict=True)
        )
        white = _whiten(x), _whiten(y)
        u, s, vt = np.linalg.svd(white[0].T @ (x - x.mean(0)).T @ (y - y.mean(0)) @ white[1] / n)
        c = len(s)
        axes = white[0] @ u[:, :c], white[1] @ vt.T[:, :c]
        return cls(middles, spreads, axes, np.minimum(s, STRONGEST))

    def variables(self, rows: Array, side: int) -> Array:
        """[n, c + 1]: one view's canonical variables, scaled, and what they cost by themselves.

        ``side``: 0 the first view, 1 the second. They hold all that ``fits`` needs.
        """
        standard = _standard(rows, self.middles[side], self.spreads[side])
        found, r = standard @ self.axes[side], self.correlations
        rest = 1.0 - r * r
        own = -(found**2) @ (r * r / (2.0 * rest)) - 0.25 * np.log(rest).sum()
        return np.column_stack([found * np.sqrt(r / rest), own])

    def arrays(self) -> dict[str, Array]:
        """As named arrays, for a file."""
        found = {"correlations": self.correlations}
        for side, name in enumerate(("first", "second")):
            found |= {
                f"{name}.middle": self.middles[side],
                f"{name}.spread": self.spreads[side],
                f"{name}.axes": self.axes[side],
            }
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Self:
        """From ``arrays``; KeyError where one is missing."""
        middles, spreads, axes = (
            (arrays[f"first.{part}"], arrays[f"second.{part}"])
            for part in ("middle", "spread", "axes")
        )
        return cls(middles, spreads, axes, arrays["correlations"])


def fits(first: Array, second: Array) -> Array:
    """[n, m]: how well each of the first view's bodies goes with each of the second's.

    The log of how much likelier the two views are as one body's than as two bodies', where measures
    are normally distributed. ``first`` [n, c + 1] and ``second`` [m, c + 1]: ``Pair.variables``.
    """
    found: Array = first[:, :-1] @ second[:, :-1].T + first[:, -1:] + second[:, -1]
    return found


def _spread(rows: Array) -> Array:
    return np.asarray(np.maximum(rows.std(axis=0), 1e-9), dtype=np.float64)


def _standard(rows: Array, middle: Array, spread: Array) -> Array:
    """[n, k] in standard deviations, cut at ``FAR``; NaN is the middle."""
    standard = np.nan_to_num((rows - middle) / spread).clip(-FAR, FAR)
    return np.asarray(standard, dtype=np.float64)


def _whiten(rows: Array) -> Array:
    """[k, k]: rows @ it have unit covariance; a constant column counts as if it spread by 1."""
    spread = rows.std(axis=0)
    spread[spread < 1e-9] = 1.0
    covariance = np.cov((rows / spread).T, bias=True).reshape(len(spread), len(spread))
    values, vectors = np.linalg.eigh(covariance + RIDGE * np.eye(len(spread)))
    return np.asarray((vectors / np.sqrt(values)) / spread[:, None], dtype=np.float64)
