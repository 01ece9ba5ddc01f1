"""Bones and airways of the simulated chest: added to, or taken from, the attenuation volume."""

import numpy as np

from codixr.data.phantom.anatomy import POWER, Anatomy, cage_radii, superellipse
from codixr.data.phantom.shapes import (
    Array,
    Grid,
    Point,
    around,
    blob,
    capsule,
    polyline,
    saturate,
)

BONE = 1.7


def spine_z(a: Anatomy, y: Array) -> Array:
    """Depth of the vertebral bodies' axis at heights ``y``: kyphosis bends it."""
    axis: Array = (
        np.float32(a.shift_z + 0.36 * a.depth)
        + np.float32(a.kyphosis) * np.cos(np.float32(2.2) * (y + np.float32(0.05)))
        - np.float32(0.02)
    )
    return axis


def add_spine(volume: Array, a: Anatomy, grid: Grid) -> None:
    """Vertebral bodies with discs between them."""
    box = grid.box((-1, a.shift_x - 0.13, -0.1), (1, a.shift_x + 0.13, 1))
    y, x, z = (grid.axis[s] for s in box)
    axis = spine_z(a, y)
    half = np.float32(0.075) + np.float32(0.02) * (y + 1)
    across = ((x - np.float32(a.shift_x))[None, :] / half[:, None]) ** 4
    deep = ((z[None, :] - axis[:, None]) / (half[:, None] * np.float32(1.05))) ** 4
    field = across[:, :, None] + deep[:, None, :]
    np.subtract(np.float32(1.0), field, out=field)
    field *= np.float32(0.6)
    saturate(field)
    wave = np.cos((y + np.float32(0.04)) * np.float32(2 * np.pi / 0.135))
    field *= (np.float32(0.78) + np.float32(0.32) * saturate(wave * 2 + 1.4))[:, None, None]
    field *= np.float32(0.62 * BONE * a.bone)
    volume[box] += field


def add_ribs(volume: Array, a: Anatomy, grid: Grid) -> None:
    """Twelve pairs on the cage: from the spine down and round to the cartilage in front."""
    bottom = 0.5 * sum(a.dome) + 0.42
    box_y = grid.slice_of(a.apex - 0.06, bottom)
    y = grid.axis[box_y]
    rx, rz = cage_radii(a, y)
    z = grid.axis
    for side, sign in ((0, -1.0), (1, 1.0)):
        low, high = sorted((a.shift_x + sign * 0.05, a.shift_x + sign * 0.86 * a.width))
        box_x = grid.slice_of(low, high)
        box_z = grid.slice_of(a.shift_z - 0.6 * a.depth, a.shift_z + 0.6 * a.depth)
        x, z = grid.axis[box_x], grid.axis[box_z]
        shell = superellipse(x, z, (a.shift_x, a.shift_z + 0.02), (rx, rz))
        shell -= np.float32(1.0)
        np.abs(shell, out=shell)
        shell *= (np.minimum(rx, rz) / np.float32(-POWER * 0.030))[:, None, None]
        shell += np.float32(1.35)
        saturate(shell)
        forward = (np.float32(a.shift_z + 0.40 * a.depth) - z)[None, :]
        down = np.float32(a.rib_slope) * forward + np.float32(0.22) * forward**2
        turn = (y[:, None] - down) / np.float32(a.rib_pitch) - np.float32(a.rib_phase[side])
        band = np.cos(turn * np.float32(2 * np.pi))
        band *= np.float32(1.5)
        band -= np.float32(0.25)
        saturate(band)
        band *= saturate((z + np.float32(0.42 - a.shift_z)) * np.float32(5.0))[None, :]
        band *= saturate((np.float32(bottom) - y) * np.float32(6.0))[:, None]
        # Behind the ribs are thickest: the flanks would veil a lateral view.
        back = saturate((z - np.float32(a.shift_z + 0.12)) * np.float32(4.0))
        band *= (
            np.float32(0.80 * BONE * a.bone) * (np.float32(0.5) + np.float32(0.5) * back)[None, :]
        )
        shell *= band[:, None, :]
        volume[box_y, box_x, box_z] += shell


def add_shoulders(volume: Array, a: Anatomy, grid: Grid) -> None:
    """Clavicles (an S each), the blades' inner borders, and the breast bone."""
    for side, sign in ((0, -1.0), (1, 1.0)):
        lift = a.clavicle[side]
        w = a.width

        def at(y: float, x: float, z: float, sign: float = sign, w: float = w) -> Point:
            return y, a.shift_x + sign * x * w, a.shift_z + z * a.depth

        top = a.apex
        points = (
            at(top + 0.22, 0.10, -0.30),
            at(top + 0.15 + lift * 0.5, 0.30, -0.33),
            at(top + 0.08 + lift, 0.52, -0.22),
            at(top + 0.05 + lift, 0.74, -0.10),
        )
        for start, end in polyline(*points):
            box, tube = capsule(grid, start, end, 0.036)
            volume[box] += tube * np.float32(0.8 * BONE * a.bone)
        out = a.blade
        blade = (
            at(top + 0.20, 0.78 * out, 0.28),
            at(top + 0.45, 0.74 * out, 0.40),
            at(top + 0.72, 0.68 * out, 0.47),
        )
        for start, end in polyline(*blade):
            box, tube = capsule(grid, start, end, 0.032)
            volume[box] += tube * np.float32(0.45 * BONE * a.bone)
    y0, y1 = a.apex + 0.25, 0.5 * sum(a.dome) - 0.1
    front = a.shift_z - 0.03
    chain = [
        (float(y), a.shift_x, front - float(r) - 0.01)
        for y, r in zip(
            (y0, 0.5 * (y0 + y1), y1),
            cage_radii(a, np.array([y0, 0.5 * (y0 + y1), y1], dtype=np.float32))[1],
            strict=True,
        )
    ]
    for start, end in polyline(*chain):
        box, tube = capsule(grid, start, end, 0.035)
        volume[box] += tube * np.float32(0.5 * BONE * a.bone)


def carve_airways(volume: Array, a: Anatomy, grid: Grid) -> None:
    """The trachea down to its fork, the main bronchi, and a gastric bubble where there is one."""
    fork = (-0.20, a.shift_x, a.shift_z + 0.08)
    right, left = a.hila
    tubes = [
        ((-1.05, a.shift_x, a.shift_z - 0.02), fork, 0.052, 0.95),
        (fork, (right[0] - 0.02, right[1] + 0.05, right[2]), 0.034, 0.7),
        (fork, (left[0] + 0.0, left[1] - 0.05, left[2]), 0.032, 0.7),
    ]
    for start, end, radius, lucency in tubes:
        box, tube = capsule(grid, start, end, radius)
        tube *= np.float32(-lucency)
        tube += np.float32(1.0)
        volume[box] *= tube
    if a.bubble:
        centre = (a.dome[1] + 0.22, a.shift_x + 0.36 * a.width, a.shift_z - 0.02)
        box = around(grid, centre, 0.3)
        field = blob(grid, box, centre, (0.055, 0.10, 0.12))
        field *= np.float32(1.8)
        field -= np.float32(0.4)
        saturate(field)
        field *= np.float32(-0.75 * a.bubble)
        field += np.float32(1.0)
        volume[box] *= field
