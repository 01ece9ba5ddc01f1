"""Grid and analytic shapes of the simulated chest: soft-edged, separable, inside bounding boxes.

Space is a cube [-1, 1]^3 of voxels [y, x, z]: y runs down, x to the patient's left (the right of a
frontal view), z to the back. Lengths are in half-sides of the cube, whatever the voxel size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
"""(y, x, z)."""
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxel centres along each axis, float32 [S], and the side of a voxel."""

    size: int
    axis: Array
    step: float

    def slice_of(self, low: float, high: float) -> slice:
        """The voxels whose centres may lie in [low, high]; at least one."""
        start = min(max(int((low + 1.0) / self.step - 0.5), 0), self.size - 1)
        stop = min(max(int((high + 1.0) / self.step + 1.5), start + 1), self.size)
        return slice(start, stop)

    def box(self, low: Point, high: Point) -> Box:
        """The box of voxels between two corners."""
        y, x, z = (self.slice_of(a, b) for a, b in zip(low, high, strict=True))
        return y, x, z


@lru_cache(maxsize=4)
def make_grid(size: int) -> Grid:
    """The grid of ``size`` voxels a side."""
    step = 2.0 / size
    axis = ((np.arange(size) + 0.5) * step - 1.0).astype(np.float32)
    axis.flags.writeable = False
    return Grid(size, axis, step)


def curve(y: Array, knots: Sequence[tuple[float, float]]) -> Array:
    """A smooth curve through (y, value) knots (cubic Hermite), float32 like ``y``."""
    ys = np.array([k[0] for k in knots])
    values = np.array([k[1] for k in knots])
    i = np.clip(np.searchsorted(ys, y) - 1, 0, len(ys) - 2)
    t = np.clip((y - ys[i]) / (ys[i + 1] - ys[i]), 0.0, 1.0)
    chord = np.diff(values) / np.diff(ys)
    slope = np.concatenate((chord[:1], 0.5 * (chord[1:] + chord[:-1]), chord[-1:]))
    h = ys[i + 1] - ys[i]
    t2, t3 = t * t, t * t * t
    result = (
        (2 * t3 - 3 * t2 + 1) * values[i]
        + (t3 - 2 * t2 + t) * h * slope[i]
        + (3 * t2 - 2 * t3) * values[i + 1]
        + (t3 - t2) * h * slope[i + 1]
    )
    result = np.maximum(result, values.min())
    smooth: Array = result.astype(np.float32)
    return smooth


def blob(grid: Grid, box: Box, centre: Point, radii: Point) -> Array:
    """A Gaussian of height 1 and standard deviations ``radii``, on a box: an outer product."""
    gy, gx, gz = (
        np.exp(-0.5 * ((grid.axis[s] - np.float32(c)) / np.float32(r)) ** 2)
        for s, c, r in zip(box, centre, radii, strict=True)
    )
    plane = gy[:, None] * gx[None, :]
    result: Array = plane[:, :, None] * gz[None, None, :]
    return result


def around(grid: Grid, centre: Point, reach: float) -> Box:
    """The box within ``reach`` of a point."""
    return grid.box(
        (centre[0] - reach, centre[1] - reach, centre[2] - reach),
        (centre[0] + reach, centre[1] + reach, centre[2] + reach),
    )


def saturate(field: Array) -> Array:
    """Clip to [0, 1] in place."""
    np.maximum(field, np.float32(0.0), out=field)
    np.minimum(field, np.float32(1.0), out=field)
    return field


def capsule(grid: Grid, start: Point, end: Point, radius: float) -> tuple[Box, Array]:
    """A tube with round ends: its box, and its coverage in [0, 1].

    A tube thinner than a voxel keeps its mass: it is drawn a voxel wide and fainter.
    """
    drawn = max(radius, 0.75 * grid.step)
    share = (radius / drawn) ** 2
    edge = 0.75 * grid.step
    reach = drawn + edge
    box = grid.box(
        (
            min(start[0], end[0]) - reach,
            min(start[1], end[1]) - reach,
            min(start[2], end[2]) - reach,
        ),
        (
            max(start[0], end[0]) + reach,
            max(start[1], end[1]) + reach,
            max(start[2], end[2]) + reach,
        ),
    )
    dy, dx, dz = (grid.axis[s] - np.float32(c) for s, c in zip(box, start, strict=True))
    v = [b - a for a, b in zip(start, end, strict=True)]
    norm2 = sum(c * c for c in v) + 1e-12
    uy, ux, uz = (np.float32(c / norm2) for c in v)
    t = (dy * uy)[:, None, None] + ((dx * ux)[:, None] + (dz * uz)[None, :])[None]
    square = (dy * dy)[:, None, None] + ((dx * dx)[:, None] + (dz * dz)[None, :])[None]
    near = saturate(t.copy())
    # |p - a - s v|^2 = |p - a|^2 - (2 t s - s^2) |v|^2
    t *= np.float32(2.0)
    t -= near
    t *= near
    t *= np.float32(norm2)
    square -= t
    np.maximum(square, np.float32(0.0), out=square)
    np.sqrt(square, out=square)
    square *= np.float32(-1.0 / edge)
    square += np.float32(drawn / edge + 0.5)
    saturate(square)
    if share < 1.0:
        square *= np.float32(share)
    return box, square


def polyline(start: Point, *rest: Point) -> list[tuple[Point, Point]]:
    """Consecutive pairs of points."""
    points = (start, *rest)
    return list(pairwise(points))
