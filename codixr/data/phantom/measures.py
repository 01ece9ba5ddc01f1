"""What a simulated body measures in each view: the truth for whoever measures pictures.

Derived from the ``Anatomy`` that the picture was made of, so nothing is read off a picture: a dome
that fluid hides has its height all the same. Lengths and places are shares of the picture's side
(x from its left, y from its top), areas shares of the picture, and ``right`` is the patient's: at
the left of a frontal view. In a mirrored picture the sides change places (``move``).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codixr.data.phantom.anatomy import Anatomy, Lung, cage_radii, make_lung
from codixr.data.phantom.case import sample_case
from codixr.data.phantom.render import anatomy_of
from codixr.data.phantom.shapes import Grid, make_grid
from codixr.data.phantom.skeleton import spine_z
from codixr.errors import InputError
from codixr.modality import Modality

Rows = NDArray[np.float32]
WALL = 0.045
"""Of the chest, in half-sides: what lies between the rib cage's outside and the lung."""
LEAST_PATH = 0.12
"""Half-sides of lung that a ray passes where a picture shows lung."""
_MASKS = 64


class Kind(StrEnum):
    """How a measure changes when the picture is moved, enlarged or mirrored."""

    ACROSS = "place across"
    DOWN = "place from the top"
    LENGTH = "length"
    AREA = "area"
    RATIO = "ratio"
    SIGN = "which side"
    """Of +1 at the picture's right, -1 at its left; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a view; ``other`` is the same one of the patient's other side."""

    name: str
    kind: Kind
    other: str = ""


_SIDED = (
    Measure("lung_height_right", Kind.LENGTH, "lung_height_left"),
    Measure("lung_height_left", Kind.LENGTH, "lung_height_right"),
    Measure("diaphragm_right", Kind.DOWN, "diaphragm_left"),
    Measure("diaphragm_left", Kind.DOWN, "diaphragm_right"),
)
_HEART = (
    Measure("heart_across", Kind.ACROSS),
    Measure("heart_down", Kind.DOWN),
    Measure("heart_width", Kind.LENGTH),
    Measure("heart_height", Kind.LENGTH),
)
MEASURES: dict[Modality, tuple[Measure, ...]] = {
    Modality.F: (
        Measure("cardiothoracic_ratio", Kind.RATIO),
        *_SIDED,
        Measure("lung_area_right", Kind.AREA, "lung_area_left"),
        Measure("lung_area_left", Kind.AREA, "lung_area_right"),
        *_HEART,
        Measure("chest_width", Kind.LENGTH),
        Measure("spine_across", Kind.ACROSS),
        Measure("stomach_side", Kind.SIGN),
    ),
    # A lateral view has no right and left: its sides are not exchanged when it is mirrored.
    Modality.L: (
        *(Measure(one.name, one.kind) for one in _SIDED),
        Measure("lung_area", Kind.AREA),
        *_HEART,
        Measure("chest_width", Kind.LENGTH),
        Measure("spine_across", Kind.ACROSS),
        Measure("spine_side", Kind.SIGN),
        Measure("stomach", Kind.RATIO),
    ),
}
"""View -> its measures, in the order of a row's numbers. Of L, across is from front to back."""


def measure_names(view: Modality) -> tuple[str, ...]:
    """Of a view's row, in order; InputError for T."""
    if view not in MEASURES:
        raise InputError("phantom: T has no anatomy to measure; ask for F or L")
    return tuple(one.name for one in MEASURES[view])


def measure_table(view: Modality, seed: int, start: int, n: int) -> Rows:
    """The measures of ``n`` studies of a collection from index ``start``, float32 [n, k].

    Two to three milliseconds a study; no picture is drawn. InputError for T.
    """
    place = list(MEASURES).index(view) if measure_names(view) else 0
    return np.stack([_of_study(seed, start + i)[place] for i in range(n)])


@lru_cache(maxsize=16384)
def _of_study(seed: int, index: int) -> tuple[Rows, Rows]:
    return measures_of(anatomy_of(sample_case(seed, index), seed, index))


def measures_of(a: Anatomy) -> tuple[Rows, Rows]:
    """The frontal and the lateral row of a body, float32 [k] each, by ``MEASURES``."""
    grid = make_grid(_MASKS)
    lungs = [make_lung(a, grid, side) for side in (0, 1)]
    domes = [height - lift for height, lift in zip(a.dome, a.lift, strict=True)]
    heights = [0.5 * (dome - a.apex) for dome in domes]
    sided = (*heights, *map(_place, domes))
    widest = np.array([0.5 * sum(a.dome)], dtype=np.float32)
    half_width, half_depth = (float(r[0]) - WALL for r in cage_radii(a, widest))
    y, x, z, high, wide, deep = heart_box(a)
    heart_f = (_place(x), _place(y), wide, high)
    heart_l = (_place(z), _place(y), deep, high)
    areas = [_area([lung], grid, 2) for lung in lungs]
    spine = float(spine_z(a, np.array([0.0], dtype=np.float32))[0])
    frontal = (
        wide / half_width,
        *sided,
        *areas,
        *heart_f,
        half_width,
        _place(a.shift_x),
        1.0 if a.bubble else 0.0,
    )
    lateral = (
        *sided,
        _area(lungs, grid, 1),
        *heart_l,
        half_depth,
        _place(spine),
        1.0,
        1.0 if a.bubble else 0.0,
    )
    return np.array(frontal, dtype=np.float32), np.array(lateral, dtype=np.float32)


def heart_box(a: Anatomy) -> tuple[float, float, float, float, float, float]:
    """The heart's centre (y, x, z), in half-sides, and its height, width and depth, in sides.

    The box around the tilted ellipsoid of ``anatomy.heart``, to where its shadow begins: half of
    its coverage is reached a tenth of its radius further in.
    """
    size = a.heart
    cos, sin = np.cos(a.heart_tilt), np.sin(a.heart_tilt)
    along, across = 0.40 * size, 0.31 * size
    return (
        0.5 * sum(a.dome) - 0.17 * size**0.5,
        a.shift_x + a.heart_lean + 0.10 * (size - 1),
        a.shift_z - 0.16,
        float(np.hypot(along * sin, across * cos)),
        float(np.hypot(along * cos, across * sin)),
        0.235 * size**0.8 * a.depth,
    )


def move(
    rows: NDArray[np.floating], view: Modality, *, across: float = 0.0, down: float = 0.0,
    scale: float = 1.0, mirrored: bool = False,
) -> NDArray[np.floating]:  # fmt: skip
    """The rows [n, k] of pictures that are mirrored, enlarged about their middle, then moved.

    ``across`` and ``down`` in shares of the side; broadcasts over rows when they are [n].
    """
    found = np.array(rows)
    names = measure_names(view)
    for k, one in enumerate(MEASURES[view]):
        value = rows[:, names.index(one.other)] if mirrored and one.other else rows[:, k]
        if one.kind is Kind.ACROSS:
            value = 0.5 + scale * (0.5 - value if mirrored else value - 0.5) + across
        elif one.kind is Kind.DOWN:
            value = 0.5 + scale * (value - 0.5) + down
        elif one.kind is Kind.LENGTH:
            value = scale * value
        elif one.kind is Kind.AREA:
            value = scale * scale * value
        elif one.kind is Kind.SIGN and mirrored:
            value = -value
        found[:, k] = value
    return found


def _place(at: float) -> float:
    """Half-sides from the middle -> share of the side."""
    return 0.5 * (at + 1.0)


def _area(lungs: list[Lung], grid: Grid, axis: int) -> float:
    """The share of the picture where rays along ``axis`` pass lung; edge pixels count in part."""
    side = grid.size
    volume = np.zeros((side, side, side), dtype=np.float32)
    for lung in lungs:
        np.maximum(volume[lung.box], lung.inside, out=volume[lung.box])
    path = volume.sum(axis=axis) * np.float32(grid.step)
    return float(np.clip(path / (2 * LEAST_PATH), 0.0, 1.0).mean())
