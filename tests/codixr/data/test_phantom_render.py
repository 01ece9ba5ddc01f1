"""The simulated pictures obey the physics, and each finding changes what it should."""

import numpy as np
import pytest

from codixr.data.phantom.case import Case, Finding, PlacedDevice
from codixr.data.phantom.render import ABSORPTION, build_volume, project, render_case, transmit

INDEX = 123
NORMAL = Case()


def with_finding(name, severity=0.5, side="right", zone="mid"):
    return Case((Finding(name, severity, side, zone),))


def difference(case, index=INDEX):
    """What a case adds to the attenuation volume of the same healthy person."""
    return build_volume(case, 0, index, 64)[0] - build_volume(NORMAL, 0, index, 64)[0]


def test_light_falls_by_the_product_when_paths_add_up():
    a, b = np.float32([0.1, 0.7, 1.3]), np.float32([0.4, 0.0, 0.9])
    assert np.allclose(transmit(a + b), transmit(a) * transmit(b), rtol=1e-6)
    assert transmit(np.float32([1.0]))[0] == pytest.approx(np.exp(-ABSORPTION), rel=1e-6)


def test_both_views_hold_the_same_mass_at_each_height():
    volume, _ = build_volume(with_finding("Consolidation"), 0, INDEX, 64)
    frontal, lateral = project(volume)
    assert np.allclose(frontal.sum(axis=1), lateral.sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("index", range(4))
def test_a_lesion_stands_at_the_same_height_in_both_views(index):
    case = with_finding("Lung Lesion", 0.9, "left", "mid")
    heights = []
    for view in (0, 1):
        ill = render_case(case, 0, index, 64)[view].astype(float)
        well = render_case(NORMAL, 0, index, 64)[view].astype(float)
        gain = np.clip(ill - well - 15, 0, None)
        heights.append((gain.sum(axis=1) * np.arange(64)).sum() / gain.sum())
    assert abs(heights[0] - heights[1]) < 1.5


@pytest.mark.parametrize(
    "name",
    ["Consolidation", "Lung Opacity", "Pneumonia", "Lung Lesion", "Atelectasis"],
)
@pytest.mark.parametrize(("side", "zone"), [("right", "mid"), ("left", "lower")])
def test_a_finding_is_where_the_report_says(name, side, zone):
    change = np.abs(difference(with_finding(name, 0.5, side, zone)))
    by_side = change.sum(axis=(0, 2))
    by_height = change.sum(axis=(1, 2))
    right, left = by_side[:32].sum(), by_side[32:].sum()
    assert (right > 20 * left) if side == "right" else (left > 20 * right)
    centre = (by_height * np.arange(len(by_height))).sum() / by_height.sum()
    assert (24 < centre < 36) if zone == "mid" else (31 < centre < 45)


@pytest.mark.parametrize(
    "name",
    ["Cardiomegaly", "Enlarged Cardiomediastinum", "Edema", "Pleural Effusion", "Consolidation"],
)
def test_a_severer_finding_has_more_mass(name):
    masses = [difference(with_finding(name, s, "right", "mid")).sum() for s in (0.0, 0.5, 1.0)]
    assert 0 < masses[0] < masses[1] < masses[2]


def test_a_pneumothorax_takes_mass_away_and_adds_a_line():
    change = difference(with_finding("Pneumothorax", 0.5, "left"))
    assert change.min() < -0.15
    assert change.max() > 0.3
    assert np.abs(change[:, :30]).max() == 0


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        ("endotracheal tube", None),
        ("nasogastric tube", None),
        ("central line", "left"),
        ("pacemaker", "right"),
    ],
)
def test_devices_are_dense(kind, side):
    assert difference(Case((), (PlacedDevice(kind, side),))).max() > 3.0


def test_the_large_picture_shows_the_same_person():
    case = with_finding("Lung Lesion", 0.9, "left", "mid")
    for small, large in zip(
        render_case(case, 0, INDEX, 64), render_case(case, 0, INDEX, 256), strict=True
    ):
        assert large.shape == (256, 256)
        shrunk = large.reshape(64, 4, 64, 4).mean(axis=(1, 3))
        assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.98


def test_a_hedged_finding_that_is_not_drawn_leaves_the_picture_alone():
    hidden = Case((Finding("Pleural Effusion", 0.2, "left", certain=False, drawn=False),))
    for a, b in zip(
        render_case(hidden, 0, INDEX, 64), render_case(NORMAL, 0, INDEX, 64), strict=True
    ):
        assert np.array_equal(a, b)
