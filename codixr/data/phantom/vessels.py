"""Hila, branching pulmonary vessels, and support devices of the simulated chest: all of tubes."""

import numpy as np

from codixr.data.phantom.anatomy import SIDES, Anatomy, Lung
from codixr.data.phantom.case import Case
from codixr.data.phantom.shapes import Array, Grid, Point, blob, capsule, polyline, saturate

BRANCHES = 7
METAL = 12.0


def add_vessels(lung: Lung, a: Anatomy, grid: Grid, rng: np.random.Generator) -> None:
    """The hilum, and vessels that fan out of it, fork once, and thin out, in place."""
    hilum = a.hila[lung.side]
    sign = -1.0 if lung.side == 0 else 1.0
    field = blob(grid, lung.box, hilum, (0.085 * a.hilum, 0.06 * a.hilum, 0.075 * a.hilum))
    field *= np.float32(0.75 * min(a.hilum, 1.3))
    np.minimum(field, np.float32(0.8), out=field)
    lung.density += field
    angles = np.linspace(-1.25, 1.35, BRANCHES) + rng.uniform(-0.15, 0.15, BRANCHES)
    for angle in angles:
        depth = rng.uniform(-0.30, 0.34)
        first = rng.uniform(0.15, 0.22)
        start = hilum
        middle = _step(start, angle, first, depth * 0.5, sign)
        ends = [
            _step(middle, angle + turn, rng.uniform(0.18, 0.26), depth * 0.6, sign)
            for turn in (rng.uniform(-0.45, -0.15), rng.uniform(0.15, 0.45))
        ]
        width = 0.027 * a.vessels
        _tube(lung, grid, start, middle, width, 1.0 * a.vessels)
        for end in ends:
            _tube(lung, grid, middle, end, 0.72 * width, 1.0 * a.vessels)
    # Where all branches meet they overlap, they do not add up.
    np.minimum(lung.density, np.float32(1.2), out=lung.density)


def _step(start: Point, angle: float, length: float, depth: float, sign: float) -> Point:
    return (
        start[0] + length * float(np.sin(angle)),
        start[1] + sign * length * float(np.cos(angle)),
        start[2] + depth,
    )


def _tube(lung: Lung, grid: Grid, start: Point, end: Point, radius: float, density: float) -> None:
    """Add a vessel to the part of the lung's box that it crosses."""
    box, tube = capsule(grid, start, end, radius)
    inner, outer = [], []
    for b, whole in zip(box, lung.box, strict=True):
        low, high = max(b.start, whole.start), min(b.stop, whole.stop)
        if low >= high:
            return
        inner.append(slice(low - b.start, high - b.start))
        outer.append(slice(low - whole.start, high - whole.start))
    part = tube[tuple(inner)]
    part *= np.float32(density)
    lung.density[tuple(outer)] += part


def device_paths(kind: str, side: str | None, a: Anatomy) -> tuple[list[Point], float]:
    """The course of a device's tube, and its radius."""
    x0, z0, w = a.shift_x, a.shift_z, a.width
    sign = -1.0 if side == SIDES[0] else 1.0
    if kind == "endotracheal tube":
        return [(-1.05, x0 + 0.01, z0 - 0.02), (-0.33, x0 + 0.005, z0 + 0.06)], 0.022
    if kind == "nasogastric tube":
        low = a.dome[1]
        return [
            (-1.05, x0 - 0.02, z0 + 0.07),
            (-0.2, x0 + 0.03, z0 + 0.17),
            (low - 0.02, x0 + 0.05, z0 + 0.16),
            (low + 0.2, x0 + 0.26 * w, z0 + 0.02),
            (low + 0.28, x0 + 0.36 * w, z0),
        ], 0.018
    vein: list[Point] = [
        (a.apex + 0.06, x0 - 0.085 if sign < 0 else x0 + 0.06, z0 - 0.12),
        (-0.45, x0 - 0.095, z0 - 0.08),
        (-0.02, x0 - 0.11, z0 - 0.05),
    ]
    if kind == "central line":
        return [(a.apex + 0.16, x0 + sign * 0.55 * w, z0 - 0.24), *vein], 0.021
    pocket: Point = (a.apex + 0.38, x0 + sign * 0.58 * w, z0 - 0.46 * a.depth)
    heart_y = 0.5 * sum(a.dome)
    return [
        pocket,
        (a.apex + 0.16, x0 + sign * 0.42 * w, z0 - 0.3),
        *vein,
        (heart_y - 0.12, x0 + 0.02, z0 - 0.16),
        (heart_y + 0.0, x0 + 0.24 * w, z0 - 0.25),
    ], 0.019


def _bent(points: list[Point]) -> list[tuple[Point, Point]]:
    """Segments of a smooth curve through the points: tubes bend, they have no corners."""
    if len(points) < 3:
        return polyline(points[0], *points[1:])
    given = np.array(points)
    length = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(given, axis=0), axis=1))))
    at = np.unique(np.concatenate((np.linspace(0.0, length[-1], 4 * len(points)), length)))
    smooth = np.stack([np.interp(at, length, given[:, k]) for k in range(3)], axis=1)
    for _ in range(2):
        smooth[1:-1] = 0.25 * (smooth[:-2] + smooth[2:]) + 0.5 * smooth[1:-1]
    track: list[Point] = [(float(p[0]), float(p[1]), float(p[2])) for p in smooth]
    return polyline(track[0], *track[1:])


def add_devices(volume: Array, case: Case, a: Anatomy, grid: Grid) -> None:
    """Thin dense tubes; a pacemaker also has its can in front of the chest, in place."""
    for device in case.devices:
        points, radius = device_paths(device.kind, device.side, a)
        for start, end in _bent(points):
            box, tube = capsule(grid, start, end, radius)
            tube *= np.float32(METAL * (1.4 if device.kind == "nasogastric tube" else 1.2))
            np.maximum(volume[box], tube, out=volume[box])
        if device.kind == "pacemaker":
            centre = points[0]
            can = grid.box(
                tuple(c - 0.16 for c in centre),  # type: ignore[arg-type]
                tuple(c + 0.16 for c in centre),  # type: ignore[arg-type]
            )
            field = blob(grid, can, centre, (0.075, 0.095, 0.035))
            field *= np.float32(3.0)
            field -= np.float32(1.2)
            volume[can] += saturate(field) * np.float32(0.4 * METAL)
