"""Random anatomy, and the soft tissue and lungs of the simulated attenuation volume.

Attenuation is in units of soft tissue: lung about 0.25, bone 2 to 3. A cross-section at height y
is a superellipse in (x, z), so a shape is one broadcast sum of a [y, x] and a [y, z] array.
"""

from dataclasses import dataclass, field

import numpy as np

from codixr.data.phantom.shapes import Array, Box, Grid, curve, saturate

POWER = 2.4
EDGE = 0.045
SIDES = ("right", "left")


@dataclass(slots=True)
class Anatomy:
    """One simulated person, in half-sides of the cube; ``right``/``left`` pairs in that order."""

    shift_x: float
    shift_z: float
    width: float
    depth: float
    fat: float
    apex: float
    dome: list[float]
    lung_density: float
    heart: float
    heart_tilt: float
    heart_lean: float
    mediastinum: float
    knob: float
    kyphosis: float
    rib_phase: list[float]
    rib_slope: float
    rib_pitch: float
    clavicle: list[float]
    bubble: float
    exposure: float
    lift: list[float] = field(default_factory=lambda: [0.0, 0.0])
    hilum: float = 1.0
    vessels: float = 1.0
    bone: float = 1.0
    """Mineral of all bones."""
    blade: float = 1.0
    """How far to the side the shoulder blades are."""
    breast: float = 0.0
    """Radius of the breasts; 0 for none."""

    @property
    def hila(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """(y, x, z) of the right and the left hilum; the left stands higher."""
        x = 0.19 * self.width
        return (
            (0.0, self.shift_x - x, self.shift_z + 0.05),
            (-0.04, self.shift_x + x, self.shift_z + 0.06),
        )


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """A healthy person."""
    u = rng.uniform
    dome = u(0.38, 0.50)
    phase = u(0.0, 1.0)
    return Anatomy(
        shift_x=u(-0.035, 0.035),
        shift_z=u(-0.04, 0.04),
        width=u(0.93, 1.04),
        depth=u(0.90, 1.10),
        fat=u(0.0, 0.06),
        apex=u(-0.77, -0.70),
        dome=[dome, dome + u(0.04, 0.09)],
        lung_density=u(0.21, 0.27),
        heart=u(0.92, 1.06),
        heart_tilt=u(0.55, 0.80),
        heart_lean=u(0.06, 0.11),
        mediastinum=u(0.095, 0.125),
        knob=u(0.075, 0.10),
        kyphosis=u(0.02, 0.07),
        rib_phase=[phase, phase + u(-0.12, 0.12)],
        rib_slope=u(0.30, 0.48),
        rib_pitch=u(0.145, 0.165),
        clavicle=[u(-0.03, 0.03), u(-0.03, 0.03)],
        bubble=u(0.6, 1.0) if rng.random() < 0.6 else 0.0,
        exposure=u(-0.04, 0.04),
    )


@dataclass(slots=True)
class Lung:
    """One lung on its box [y, x, z]: ``inside`` in [0, 1], ``density``, ``q`` (1 at its wall)."""

    side: int
    box: Box
    centre_x: Array
    centre_z: float
    radius_x: Array
    radius_z: Array
    inside: Array
    q: Array
    density: Array = field(repr=False)


def superellipse(
    x: Array, z: Array, centre: tuple[Array | float, float], radii: tuple[Array, Array]
) -> Array:
    """|x/rx|^p + |z/rz|^p, [y, x, z]; radii and the x centre may vary with y."""
    rx, rz = radii
    cx = np.asarray(centre[0], dtype=np.float32)
    cx = cx[:, None] if cx.ndim else cx
    a = np.abs((x[None, :] - cx) / rx[:, None]) ** np.float32(POWER)
    b = np.abs((z[None, :] - np.float32(centre[1])) / rz[:, None]) ** np.float32(POWER)
    result: Array = a[:, :, None] + b[:, None, :]
    return result


def cage_radii(a: Anatomy, y: Array) -> tuple[Array, Array]:
    """Half-width and half-depth of the rib cage at heights ``y``, float32 like ``y``."""
    top = a.apex
    rx = curve(
        y,
        (
            (top - 0.10, 0.20),
            (top, 0.36),
            (top + 0.15, 0.54),
            (top + 0.4, 0.68),
            (top + 0.8, 0.76),
            (0.4, 0.79),
            (1.0, 0.74),
        ),
    )
    rz = curve(
        y,
        (
            (top - 0.10, 0.14),
            (top, 0.24),
            (top + 0.15, 0.33),
            (top + 0.4, 0.43),
            (top + 0.8, 0.50),
            (0.4, 0.53),
            (1.0, 0.48),
        ),
    )
    return rx * np.float32(a.width), rz * np.float32(a.depth)


def body(a: Anatomy, grid: Grid) -> Array:
    """Soft tissue of neck, shoulders and trunk, [y, x, z] in [0, 1]."""
    y = grid.axis
    wide = curve(
        y,
        (
            (-1.0, 0.23),
            (-0.88, 0.27),
            (-0.76, 0.62),
            (-0.62, 0.88),
            (-0.40, 0.93),
            (-0.1, 0.89),
            (0.3, 0.88),
            (1.0, 0.86),
        ),
    )
    deep = curve(
        y,
        (
            (-1.0, 0.27),
            (-0.88, 0.29),
            (-0.70, 0.40),
            (-0.45, 0.52),
            (-0.1, 0.59),
            (0.4, 0.61),
            (1.0, 0.58),
        ),
    )
    rx = wide * np.float32(a.width) + np.float32(a.fat)
    rz = deep * np.float32(a.depth) + np.float32(a.fat)
    q = superellipse(grid.axis, grid.axis, (a.shift_x, a.shift_z), (rx, rz))
    sharp = (np.minimum(rx, rz) / np.float32(POWER * EDGE))[:, None, None]
    np.subtract(np.float32(1.0), q, out=q)
    q *= sharp
    return saturate(q)


def add_breasts(volume: Array, a: Anatomy, grid: Grid) -> None:
    """Two soft caps on the front of the chest, in place; nothing where there are none."""
    if not a.breast:
        return
    r = np.float32(a.breast)
    y0 = 0.5 * (a.apex + a.dome[0]) + 0.30
    for sign in (-1.0, 1.0):
        x0 = a.shift_x + sign * 0.36 * a.width
        z0 = a.shift_z - 0.50 * a.depth - a.fat
        low, high = (float(y0 - 2 * r), float(x0 - 2 * r)), (float(y0 + 2 * r), float(x0 + 2 * r))
        box = grid.box((*low, -1.0), (*high, z0 + 0.2))
        y, x, z = (grid.axis[s] for s in box)
        field = (
            (((y - np.float32(y0)) / (np.float32(1.05) * r)) ** 2)[:, None, None]
            + (((x - np.float32(x0)) / (np.float32(1.15) * r)) ** 2)[None, :, None]
            + (((z - np.float32(z0)) / (np.float32(0.85) * r)) ** 2)[None, None, :]
        )
        np.subtract(np.float32(1.0), field, out=field)
        field *= r / np.float32(2 * EDGE)
        # Fat: lighter than muscle, and never where the body is already.
        saturate(field)
        field *= np.float32(0.85)
        np.maximum(volume[box], field, out=volume[box])


def heart(a: Anatomy, grid: Grid, box: Box) -> Array:
    """Coverage of a box by heart, great vessels and the rest of the mediastinum, in [0, 1]."""
    y, x, z = (grid.axis[s] for s in box)
    x = x - np.float32(a.shift_x)
    z = z - np.float32(a.shift_z)
    size = a.heart
    cy, cx, cz = 0.5 * sum(a.dome) - 0.17 * size**0.5, a.heart_lean + 0.10 * (size - 1), -0.16
    cos, sin = np.cos(a.heart_tilt), np.sin(a.heart_tilt)
    dy, dx = (y - np.float32(cy))[:, None], (x - np.float32(cx))[None, :]
    along = (dx * np.float32(cos) + dy * np.float32(sin)) / np.float32(0.40 * size)
    across = (dy * np.float32(cos) - dx * np.float32(sin)) / np.float32(0.31 * size)
    dz = (z - np.float32(cz)) / np.float32(0.235 * size**0.8 * a.depth)
    q = (along**2 + across**2)[:, :, None] + (dz**2)[None, None, :]
    np.subtract(np.float32(1.0), q, out=q)
    q *= np.float32(0.26 * size / (2 * EDGE))
    return saturate(q)


def mediastinum(a: Anatomy, grid: Grid, box: Box) -> Array:
    """Coverage of a box by the mediastinum with aortic knob and descending aorta, in [0, 1]."""
    y, x, z = (grid.axis[s] for s in box)
    x = x - np.float32(a.shift_x)
    z = z - np.float32(a.shift_z)
    m = a.mediastinum
    half = curve(y, ((-0.9, m), (-0.6, m), (-0.3, 1.1 * m), (0.05, m), (0.3, 0.095), (1.0, 0.095)))
    wide = half[:, None, None]
    q = np.abs(x / wide[:, :, 0]) ** np.float32(3.0)
    deep = np.abs((z - np.float32(0.08)) / np.float32(0.40 * a.depth)) ** np.float32(3.0)
    field = q[:, :, None] + deep[None, None, :]
    np.subtract(np.float32(1.0), field, out=field)
    field *= wide / np.float32(3.0 * EDGE)
    near = slice(_first(y, -0.45), max(_first(y, -0.15), 1))
    knob = (
        ((y[near] + np.float32(0.30)) ** 2)[:, None]
        + ((x - np.float32(0.6 * m + 0.075)) ** 2)[None, :]
    )[:, :, None] + (0.35 * (z - np.float32(0.10)) ** 2)[None, None, :]
    knob *= np.float32(-1.0 / a.knob**2)
    knob += np.float32(1.0)
    knob *= np.float32(a.knob / (2 * EDGE))
    np.maximum(field[near], knob, out=field[near])
    aorta = ((x - np.float32(0.085)) ** 2)[:, None] + ((z - np.float32(0.29)) ** 2)[None, :]
    aorta = (1.0 - aorta / np.float32(0.075**2)) * np.float32(0.075 / (2 * EDGE))
    rows = slice(_first(y, -0.30), None)
    np.maximum(field[rows], aorta[None], out=field[rows])
    return saturate(field)


def _first(values: Array, low: float) -> int:
    return min(int(np.searchsorted(values, low)), len(values) - 1)


def _cut(grid: Grid, outer: slice, low: float, high: float) -> slice:
    inner = grid.slice_of(low, high)
    start = min(max(inner.start, outer.start), outer.stop - 1)
    return slice(start, max(min(inner.stop, outer.stop), start + 1))


def make_lung(a: Anatomy, grid: Grid, side: int) -> Lung:
    """The healthy lung of a side (0 right, 1 left), cut by heart, mediastinum and diaphragm."""
    sign = -1.0 if side == 0 else 1.0
    wall = 0.045
    bottom = a.dome[side] + 0.34
    low_x, high_x = sorted((a.shift_x, a.shift_x + sign * 0.80 * a.width))
    box = grid.box(
        (a.apex - 0.02, low_x, a.shift_z - 0.6 * a.depth),
        (bottom, high_x, a.shift_z + 0.6 * a.depth),
    )
    y, x, z = (grid.axis[s] for s in box)
    outer, deep = cage_radii(a, y)
    outer, deep = outer - np.float32(wall), deep - np.float32(wall)
    medial = np.float32(0.05)
    # The apex is a dome too: radii fall to nothing at its top.
    top = saturate((y - np.float32(a.apex)) / np.float32(0.13))
    top = np.sqrt(top * (2 - top)) + np.float32(1e-3)
    rx = 0.5 * (outer - medial) * (np.float32(0.35) + np.float32(0.65) * top)
    rz = deep * top
    cx = np.float32(a.shift_x) + np.float32(sign) * (outer + medial) * np.float32(0.5)
    cz = a.shift_z + 0.02
    q = superellipse(x, z, (cx, cz), (rx, rz))
    inside = np.subtract(np.float32(1.0), q)
    inside *= (np.minimum(rx, rz) / np.float32(POWER * EDGE))[:, None, None]
    saturate(inside)
    middle = np.float32(a.shift_x + sign * 0.36 * a.width)
    dome = (
        np.float32(a.dome[side] - a.lift[side])
        + np.float32(1.25) * (x - middle)[:, None] ** 2
        + np.float32(0.95) * (z - np.float32(a.shift_z - 0.10))[None, :] ** 2
    )
    rows = slice(_first(y, a.dome[side] - a.lift[side] - EDGE), None)
    floor = (dome[None] - y[rows][:, None, None]) * np.float32(1.0 / EDGE)
    inside[rows] *= saturate(floor + np.float32(0.5))
    for carve, top_y, reach in (
        (heart, -0.42 * a.heart, 0.56 * a.heart),
        (mediastinum, -1.0, 0.46),
    ):
        low_x, high_x = a.shift_x - reach, a.shift_x + reach
        part = (
            slice(box[0].start + _first(y, top_y), box[0].stop),
            _cut(grid, box[1], low_x, high_x),
        )
        organ = carve(a, grid, (*part, box[2]))
        view = inside[
            part[0].start - box[0].start :,
            part[1].start - box[1].start : part[1].stop - box[1].start,
        ]
        view *= np.subtract(np.float32(1.0), organ, out=organ)
    # Blood falls: the bases and the back are a little denser.
    rise = np.float32(a.lung_density) * (1 + np.float32(0.18) * y)
    density = np.broadcast_to(rise[:, None, None], inside.shape).copy()
    return Lung(side, box, cx, cz, rx, rz, inside, q, density)
