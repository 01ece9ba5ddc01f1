"""The findings of a simulated study, placed in 3-D: each changes the lungs' density field.

Two act on the anatomy before it is built (cardiomegaly, wide mediastinum; atelectasis also lifts
the diaphragm). Everything has irregular, soft edges: metaballs of Gaussians, tilted curved sheets.
"""

from collections.abc import Callable

import numpy as np

from codixr.data.phantom.anatomy import SIDES, Anatomy, Lung
from codixr.data.phantom.case import Case, Finding
from codixr.data.phantom.shapes import Array, Grid, Point, around, blob, saturate

ZONE_Y = {"upper": -0.40, "mid": -0.08, "lower": 0.20}


def adjust_anatomy(a: Anatomy, case: Case) -> None:
    """Findings that are a matter of size, in place."""
    for f in case.findings:
        if not f.drawn:
            continue
        if f.observation == "Cardiomegaly":
            a.heart = 1.24 + 0.34 * f.severity
        elif f.observation == "Enlarged Cardiomediastinum":
            a.mediastinum = 0.195 + 0.13 * f.severity
            a.knob += 0.02
        elif f.observation == "Atelectasis" and f.side is not None:
            a.lift[SIDES.index(f.side)] = 0.04 + 0.06 * f.severity


def zone_point(lung: Lung, grid: Grid, zone: str, rng: np.random.Generator) -> Point:
    """A point (y, x, z) inside a zone of a lung, clear of heart and wall."""
    y = ZONE_Y[zone] + rng.uniform(-0.05, 0.05)
    row = int(np.argmin(np.abs(grid.axis[lung.box[0]] - y)))
    outward = -1.0 if lung.side == 0 else 1.0
    offset = rng.uniform(-0.10, 0.25) + (0.18 if zone == "lower" and lung.side == 1 else 0.0)
    x = float(lung.centre_x[row]) + outward * offset * float(lung.radius_x[row])
    low, high = {"upper": (-0.30, 0.30), "mid": (-0.55, 0.35), "lower": (0.0, 0.45)}[zone]
    z = lung.centre_z + rng.uniform(low, high) * float(lung.radius_z[row])
    return y, x, z


def _local(lung: Lung, grid: Grid, centre: Point, reach: float) -> tuple[tuple[slice, ...], Array]:
    """The part of a lung's arrays within ``reach`` of a point, and zeros of its shape."""
    parts = []
    box = around(grid, centre, reach)
    for inner, outer in zip(box, lung.box, strict=True):
        start = min(max(inner.start, outer.start), outer.stop - 1)
        stop = max(min(inner.stop, outer.stop), start + 1)
        parts.append(slice(start - outer.start, stop - outer.start))
    local = tuple(parts)
    return local, np.zeros(lung.density[local].shape, dtype=np.float32)


def _metaballs(
    lung: Lung,
    grid: Grid,
    centre: Point,
    balls: list[tuple[Point, float]],
) -> tuple[tuple[slice, ...], Array]:
    """The sum of Gaussians at ``centre`` + offset with standard deviation r."""
    reach = max(max(abs(c) for c in offset) + 2.6 * r for offset, r in balls)
    local, field = _local(lung, grid, centre, reach)
    box = tuple(
        slice(part.start + outer.start, part.stop + outer.start)
        for part, outer in zip(local, lung.box, strict=True)
    )
    for offset, r in balls:
        y, x, z = (c + o for c, o in zip(centre, offset, strict=True))
        field += blob(grid, (box[0], box[1], box[2]), (y, x, z), (r, r, r))
    return local, field


def _offsets(
    rng: np.random.Generator, count: int, spread: Point, radius: tuple[float, float]
) -> list[tuple[Point, float]]:
    points = rng.uniform(-1, 1, size=(count, 3)) * np.array(spread)
    radii = rng.uniform(*radius, size=count)
    return [
        ((float(p[0]), float(p[1]), float(p[2])), float(r))
        for p, r in zip(points, radii, strict=True)
    ]


def _fill(lung: Lung, local: tuple[slice, ...], amount: Array, target: float) -> None:
    """Raise the density towards ``target`` by ``amount`` in [0, 1]."""
    density = lung.density[local]
    step = np.float32(target) - density
    step *= amount
    np.maximum(step, np.float32(0.0), out=step)
    density += step


def opacity(lung: Lung, f: Finding, grid: Grid, rng: np.random.Generator) -> None:
    """A hazy opacity: faint, smooth, large."""
    centre = zone_point(lung, grid, str(f.zone), rng)
    balls = [((0.0, 0.0, 0.0), 0.17), *_offsets(rng, 3, (0.08, 0.12, 0.14), (0.12, 0.16))]
    local, field = _metaballs(lung, grid, centre, balls)
    field *= np.float32(0.56 + 0.20 * f.severity)
    _fill(lung, local, saturate(field), 0.90)


def consolidation(lung: Lung, f: Finding, grid: Grid, rng: np.random.Generator) -> None:
    """Solid lobar lung: clustered, sharp irregular edges."""
    y, x, z = zone_point(lung, grid, str(f.zone), rng)
    size = 0.95 + 0.38 * f.severity
    balls = [
        ((0.0, 0.0, 0.0), 0.115 * size),
        *_offsets(rng, 8, (0.15 * size, 0.21 * size, 0.21 * size), (0.05 * size, 0.085 * size)),
    ]
    local, field = _metaballs(lung, grid, (y, x, z), balls)
    field -= np.float32(0.42)
    field *= np.float32(3.2)
    _fill(lung, local, saturate(field), 1.35)


def pneumonia(lung: Lung, f: Finding, grid: Grid, rng: np.random.Generator) -> None:
    """Patchy: separate dense blobs."""
    centre = zone_point(lung, grid, str(f.zone), rng)
    count = 10 + int(4 * f.severity)
    balls = _offsets(rng, count, (0.19, 0.20, 0.24), (0.042, 0.058))
    local, field = _metaballs(lung, grid, centre, balls)
    field *= np.float32(1.5)
    field -= np.float32(0.2)
    _fill(lung, local, saturate(field), 2.0 + 0.3 * f.severity)


def lesion(lung: Lung, f: Finding, grid: Grid, rng: np.random.Generator) -> None:
    """A nodule or mass: one dense ball with a few lobules."""
    centre = zone_point(lung, grid, str(f.zone), rng)
    radius = 0.098 + 0.07 * f.severity
    lobules = rng.normal(size=(4, 3))
    lobules *= 0.55 * radius / np.linalg.norm(lobules, axis=1, keepdims=True)
    balls: list[tuple[Point, float]] = [((0.0, 0.0, 0.0), 0.62 * radius)]
    for p in lobules:
        balls.append(((float(p[0]), float(p[1]), float(p[2])), 0.34 * radius))
    local, field = _metaballs(lung, grid, centre, balls)
    field -= np.float32(0.42)
    field *= np.float32(4.0)
    _fill(lung, local, saturate(field), 1.9)


def atelectasis(lung: Lung, f: Finding, grid: Grid, rng: np.random.Generator) -> None:
    """One to three thin plates: nearly level, a little tilted and curved."""
    y, x, z = zone_point(lung, grid, str(f.zone), rng)
    count = 1 + min(int(f.severity * 3), 2)
    ys, xs, zs = (grid.axis[s] for s in lung.box)
    for k in range(count):
        level = y + (k - 0.5 * (count - 1)) * 0.115 + rng.uniform(-0.01, 0.01)
        tilt_x, tilt_z = rng.uniform(-0.28, 0.28), rng.uniform(-0.16, 0.16)
        bend = rng.uniform(-0.6, 0.6)
        dx, dz = xs - np.float32(x), zs - np.float32(z)
        sheet = (level + tilt_x * dx + bend * dx * dx)[:, None] + (tilt_z * dz)[None, :]
        reach_x, reach_z = rng.uniform(0.27, 0.36), rng.uniform(0.32, 0.42)
        extent = ((dx / np.float32(reach_x)) ** 2)[:, None] + ((dz / np.float32(reach_z)) ** 2)[
            None
        ]
        extent = saturate((1 - extent) * np.float32(1.1)).astype(np.float32)
        low, high = float(sheet.min()) - 0.07, float(sheet.max()) + 0.07
        rows = np.flatnonzero((ys > low) & (ys < high))
        if not rows.size:
            continue
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        field = ys[part][:, None, None] - sheet[None].astype(np.float32)
        field *= np.float32(1 / 0.021)
        np.multiply(field, field, out=field)
        field *= np.float32(-0.5)
        np.exp(field, out=field)
        field *= extent[None]
        _fill(lung, (part, slice(None), slice(None)), field, 2.3)


def edema(lungs: list[Lung], a: Anatomy, f: Finding, grid: Grid) -> None:
    """Bilateral haze that fades from the hila ("bat wings"); the vessels swell (``vessels``)."""
    for lung in lungs:
        sign = -1.0 if lung.side == 0 else 1.0
        y, x, z = a.hila[lung.side]
        field = blob(grid, lung.box, (y + 0.08, x + sign * 0.08, z), (0.32, 0.22, 0.32))
        field *= np.float32(0.72 + 0.28 * f.severity)
        _fill(lung, (slice(None),) * 3, field, 0.95)


def swell_vessels(a: Anatomy, f: Finding) -> None:
    """Pulmonary edema widens hila and vessels."""
    a.vessels = 1.35 + 0.35 * f.severity
    a.hilum = 1.25 + 0.25 * f.severity


def effusion(lung: Lung, a: Anatomy, f: Finding, grid: Grid) -> None:
    """Fluid to a level that climbs at the wall and thins upwards: the meniscus."""
    level = a.dome[lung.side] + 0.02 - 0.38 * f.severity
    y = grid.axis[lung.box[0]]
    rows = np.flatnonzero(y > level - 0.46)
    if not rows.size:
        return
    part = slice(int(rows[0]), len(y))
    climb = np.minimum(lung.q[part], np.float32(1.0))
    # Highest at the flank: in the middle the lung's weight holds it down.
    climb *= climb
    climb *= climb
    sign = -1.0 if lung.side == 0 else 1.0
    outward = np.float32(sign) * (grid.axis[lung.box[1]][None] - lung.centre_x[part][:, None])
    outward /= lung.radius_x[part][:, None]
    climb *= np.float32(0.12)
    climb += (np.float32(0.30) * np.clip(outward, 0.0, 1.0) ** 2)[:, :, None]
    climb += (y[part] - np.float32(level))[:, None, None]
    climb *= np.float32(1 / 0.07)
    climb += np.float32(0.5)
    _fill(lung, (part, slice(None), slice(None)), saturate(climb), 1.08)


def pneumothorax(lung: Lung, a: Anatomy, f: Finding, grid: Grid) -> None:
    """Air without vessels over apex, side and front, and the fine line of the collapsed lung."""
    y, x, z = (grid.axis[s] for s in lung.box)
    gap = 0.13 + 0.17 * f.severity
    sign = -1.0 if lung.side == 0 else 1.0
    top = a.apex + 0.10 + 0.9 * gap
    # The gap narrows downwards: the lung hangs from its hilum and floats on the base.
    share = np.clip(1.15 - 0.5 * (y - np.float32(a.apex)), 0.45, 1.0).astype(np.float32)
    hang = saturate((y - np.float32(top)) / np.float32(0.16))
    hang = np.sqrt(hang * (2 - hang)) + np.float32(1e-3)
    rx = (lung.radius_x - np.float32(0.5 * gap) * share) * hang
    rz = (lung.radius_z - np.float32(0.65 * gap) * share) * hang
    cx = lung.centre_x - np.float32(0.5 * sign * gap) * share
    cz = np.float32(lung.centre_z) + np.float32(0.65 * gap) * share
    qx = np.abs((x[None] - cx[:, None]) / rx[:, None]) ** np.float32(2.2)
    qz = np.abs((z[None] - cz[:, None]) / rz[:, None]) ** np.float32(2.2)
    field = qx[:, :, None] + qz[:, None, :]
    field -= np.float32(1.0)
    field *= (np.minimum(rx, rz) / np.float32(2.2 * 0.03))[:, None, None]
    # In units of half the line's width from the surface: positive outside the collapsed lung.
    np.minimum(field, np.float32(6.0), out=field)
    air = saturate(field + np.float32(0.5))
    lung.density *= np.float32(1.12) - np.float32(1.10) * air
    line = np.subtract(np.float32(1.15), np.abs(field), out=air)
    saturate(line)
    line *= np.float32(1.3)
    lung.density += line


FOCAL: dict[str, Callable[[Lung, Finding, Grid, np.random.Generator], None]] = {
    "Lung Opacity": opacity,
    "Consolidation": consolidation,
    "Pneumonia": pneumonia,
    "Lung Lesion": lesion,
    "Atelectasis": atelectasis,
}


def apply_findings(
    lungs: list[Lung], a: Anatomy, case: Case, grid: Grid, rng: np.random.Generator
) -> None:
    """Draw the findings of a case into the density of its lungs (right, left), in place.

    Air goes first and fluid last: a solid finding shows in a collapsed lung, and fluid hides all.
    """
    drawn = {f.observation: f for f in case.findings if f.drawn}
    spots = {f.observation: int(rng.integers(2**32)) for f in case.findings}
    if (f := drawn.get("Edema")) is not None:
        edema(lungs, a, f, grid)
    for name, draw in FOCAL.items():
        if (f := drawn.get(name)) is not None:
            spot = spots[name]
            if name == "Pneumonia" and not f.certain and "Lung Opacity" in spots:
                spot = spots["Lung Opacity"]
            draw(lungs[SIDES.index(str(f.side))], f, grid, np.random.default_rng(spot))
    if (f := drawn.get("Pneumothorax")) is not None:
        pneumothorax(lungs[SIDES.index(str(f.side))], a, f, grid)
    if (f := drawn.get("Pleural Effusion")) is not None:
        for lung in lungs:
            if f.side in (SIDES[lung.side], "bilateral"):
                effusion(lung, a, f, grid)
