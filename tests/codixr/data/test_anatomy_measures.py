"""The truth of a simulated body's measures: that of the shapes its pictures are drawn of."""

from dataclasses import replace

import numpy as np
import pytest

from codixr.data.phantom import anatomy as shapes
from codixr.data.phantom.case import sample_case
from codixr.data.phantom.measures import (
    MEASURES,
    heart_box,
    measure_names,
    measure_table,
    measures_of,
    move,
)
from codixr.data.phantom.render import anatomy_of
from codixr.data.phantom.shapes import make_grid
from codixr.errors import InputError
from codixr.modality import Modality

PIXEL = 1 / 64
F, L = Modality.F, Modality.L


def body(index=8500):
    return anatomy_of(sample_case(0, index), 0, index)


def named(view, row):
    return dict(zip(measure_names(view), row.tolist(), strict=True))


def extent(mask, axis):
    """First and last of a mask [y, x, z] along an axis, in shares of the side."""
    others = tuple(i for i in range(3) if i != axis)
    found = np.flatnonzero(mask.any(axis=others))
    return found[0] / mask.shape[axis], (found[-1] + 1) / mask.shape[axis]


@pytest.mark.parametrize("index", [8500, 8507, 8523])
def test_the_heart_is_where_its_own_mask_says(index):
    a, grid = body(index), make_grid(128)
    whole = (slice(0, 128),) * 3
    mask = shapes.heart(a, grid, whole) > 0.0
    y, x, z, high, wide, deep = heart_box(a)
    for axis, middle, length in ((0, y, high), (1, x, wide), (2, z, deep)):
        low, top = extent(mask, axis)
        assert top - low == pytest.approx(length, abs=PIXEL)
        assert 0.5 * (low + top) == pytest.approx(0.5 * (middle + 1), abs=PIXEL)


@pytest.mark.parametrize("index", [8500, 8507])
def test_lungs_reach_from_apex_to_diaphragm_and_have_the_area_of_their_shadow(index):
    a, grid = body(index), make_grid(64)
    frontal = named(F, measures_of(a)[0])
    for number, side in enumerate(("right", "left")):
        lung = shapes.make_lung(a, grid, number)
        whole = np.zeros((64, 64, 64), dtype=np.float32)
        whole[lung.box] = lung.inside
        top, _ = extent(whole > 0.5, 0)
        assert top == pytest.approx(0.5 * (a.apex + 1), abs=1.5 * PIXEL)
        apex = frontal[f"diaphragm_{side}"] - frontal[f"lung_height_{side}"]
        assert apex == pytest.approx(0.5 * (a.apex + 1), abs=1e-6)
        shadow = (whole.sum(axis=2) * grid.step > 0.12).mean()
        assert frontal[f"lung_area_{side}"] == pytest.approx(shadow, rel=0.05)


def test_each_parameter_changes_what_it_should_and_nothing_else():
    a = body()
    before = [named(v, r) for v, r in zip((F, L), measures_of(a), strict=True)]
    larger = [named(v, r) for v, r in zip((F, L), measures_of(replace(a, heart=1.1 * a.heart)),
                                          strict=True)]  # fmt: skip
    assert larger[0]["heart_width"] == pytest.approx(1.1 * before[0]["heart_width"])
    assert larger[0]["cardiothoracic_ratio"] == pytest.approx(
        1.1 * before[0]["cardiothoracic_ratio"]
    )
    assert larger[1]["heart_height"] == pytest.approx(larger[0]["heart_height"])
    raised = replace(a, lift=[a.lift[0] + 0.1, a.lift[1]])
    after = [named(v, r) for v, r in zip((F, L), measures_of(raised), strict=True)]
    for one, other in zip(after, before, strict=True):
        assert other["diaphragm_right"] - one["diaphragm_right"] == pytest.approx(0.05)
        assert other["lung_height_right"] - one["lung_height_right"] == pytest.approx(0.05)
        assert one["diaphragm_left"] == other["diaphragm_left"]
        assert one["heart_width"] == other["heart_width"]
    # The heart shadow reaches farther to the patient's left: to the right of a frontal view.
    assert before[0]["heart_across"] > before[0]["spine_across"]


def test_the_table_is_of_the_studies_asked_for_and_the_same_each_time():
    table = measure_table(F, 0, 8500, 3)
    assert table.shape == (3, len(measure_names(F)))
    assert table.dtype == np.float32
    assert np.array_equal(table[2], measures_of(body(8502))[0])
    with pytest.raises(InputError, match="T has no anatomy"):
        measure_table(Modality.T, 0, 8500, 1)


@pytest.mark.parametrize("view", [F, L])
def test_a_picture_that_is_mirrored_twice_or_moved_there_and_back_measures_the_same(view):
    rows = measure_table(view, 0, 8500, 4)
    assert np.allclose(move(move(rows, view, mirrored=True), view, mirrored=True), rows)
    there = move(rows, view, across=0.05, down=-0.02)
    assert np.allclose(move(there, view, across=-0.05, down=0.02), rows)
    larger = move(rows, view, scale=1.25)
    assert np.allclose(move(larger, view, scale=0.8), rows, atol=1e-6)
    names = measure_names(view)
    assert there[0, names.index("heart_down")] == pytest.approx(
        rows[0, names.index("heart_down")] - 0.02
    )


def test_sides_change_places_in_a_mirrored_frontal_view_only():
    for view, same in ((F, False), (L, True)):
        rows = measure_table(view, 0, 8500, 1)
        names = measure_names(view)
        right, left = names.index("diaphragm_right"), names.index("diaphragm_left")
        other = move(rows, view, mirrored=True)
        assert other[0, right] == rows[0, right if same else left]
    assert {one.other for one in MEASURES[L]} == {""}
