"""Two Beer-Lambert projections of one simulated attenuation volume.

I = exp(-k * integral of attenuation), along z for the frontal view and along x for the lateral;
detector blur, then Poisson-like noise (sigma ~ sqrt(I)); shown as -log(I) in a window, as real
displays do: the raw 1 - I is washed out. 8 bits, so that caches are exact. All of it depends on
(seed, index, size) alone.
"""

import numpy as np
from numpy.typing import NDArray

from codixr.data.phantom.anatomy import Anatomy, add_breasts, body, make_lung, sample_anatomy
from codixr.data.phantom.case import (
    STREAM_ANATOMY,
    STREAM_NOISE,
    STREAM_SHAPE,
    Case,
    sample_case,
    study_rng,
)
from codixr.data.phantom.findings import adjust_anatomy, apply_findings, swell_vessels
from codixr.data.phantom.person import magnify_heart, sample_person, shape_person
from codixr.data.phantom.shapes import Array, make_grid
from codixr.data.phantom.skeleton import add_ribs, add_shoulders, add_spine, carve_airways
from codixr.data.phantom.vessels import add_devices, add_vessels

VERSION = "2"
"""Of the simulator: another one draws other pictures or writes other reports of a seed."""
ABSORPTION = 2.2
"""k: a whole trunk (about 1.2 half-sides of soft tissue) lets 7 % through."""
NOISE = 0.012
WINDOWS = {"F": (0.26, 1.50, 0.92), "L": (0.36, 1.85, 0.95)}
"""Line integral shown black, the one shown white, and the display's gamma."""


def anatomy_of(case: Case, seed: int, index: int) -> Anatomy:
    """The body of a study: a healthy one, of its person, as the findings of ``case`` leave it."""
    anatomy = sample_anatomy(study_rng(seed, index, STREAM_ANATOMY))
    person = sample_person(seed, index)
    shape_person(anatomy, person)
    adjust_anatomy(anatomy, case)
    magnify_heart(anatomy, person)
    edema = case.find("Edema")
    if edema is not None:
        swell_vessels(anatomy, edema)
    return anatomy


def build_volume(case: Case, seed: int, index: int, size: int) -> tuple[Array, Anatomy]:
    """The attenuation volume of a study, float32 [y, x, z] in units of soft tissue."""
    grid = make_grid(size)
    anatomy = anatomy_of(case, seed, index)
    rng = study_rng(seed, index, STREAM_SHAPE)
    volume = body(anatomy, grid)
    add_breasts(volume, anatomy, grid)
    lungs = [make_lung(anatomy, grid, side) for side in (0, 1)]
    for lung in lungs:
        add_vessels(lung, anatomy, grid, rng)
    apply_findings(lungs, anatomy, case, grid, rng)
    for lung in lungs:
        lung.density -= np.float32(1.0)
        lung.density *= lung.inside
        volume[lung.box] += lung.density
    carve_airways(volume, anatomy, grid)
    add_spine(volume, anatomy, grid)
    add_ribs(volume, anatomy, grid)
    add_shoulders(volume, anatomy, grid)
    add_devices(volume, case, anatomy, grid)
    return volume, anatomy


def project(volume: Array) -> tuple[Array, Array]:
    """Line integrals of a volume [y, x, z]: frontal [y, x] along z, lateral [y, z] along x."""
    step = np.float32(2.0 / volume.shape[0])
    frontal: Array = volume.sum(axis=2) * step
    lateral: Array = volume.sum(axis=1) * step
    return frontal, lateral


def transmit(path: Array) -> Array:
    """The share of the rays that passes: Beer and Lambert's exp(-k * path)."""
    result: Array = np.exp(np.float32(-ABSORPTION) * path)
    return result


def _blur(image: Array, times: int) -> Array:
    for _ in range(times):
        padded = np.pad(image, 1, mode="edge")
        rows = padded[:-2] + padded[2:]
        rows *= np.float32(0.17)
        rows += np.float32(0.66) * padded[1:-1]
        image = rows[:, :-2] + rows[:, 2:]
        image *= np.float32(0.17)
        image += np.float32(0.66) * rows[:, 1:-1]
    return image


def detect(path: Array, view: str, anatomy: Anatomy, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture that a detector and a display make of line integrals, uint8 [S, S]."""
    size = path.shape[0]
    light = _blur(transmit(path), 1 if size <= 64 else 8)
    light += np.float32(NOISE) * np.sqrt(light) * rng.standard_normal(path.shape, dtype=np.float32)
    np.maximum(light, np.float32(1e-3), out=light)
    shown = np.log(light)
    low, high, gamma = WINDOWS[view]
    shown *= np.float32(-1.0 / ABSORPTION)
    shown -= np.float32(low + anatomy.exposure)
    shown *= np.float32(1.0 / (high - low))
    np.clip(shown, 0.0, 1.0, out=shown)
    np.power(shown, np.float32(gamma), out=shown)
    shown *= np.float32(255.0)
    return np.rint(shown).astype(np.uint8)


def render_case(
    case: Case, seed: int, index: int, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frontal and lateral pictures, uint8 [S, S], of a given case with a study's anatomy."""
    volume, anatomy = build_volume(case, seed, index, size)
    rng = study_rng(seed, index, STREAM_NOISE)
    frontal, lateral = project(volume)
    return detect(frontal, "F", anatomy, rng), detect(lateral, "L", anatomy, rng)


def render_views(seed: int, index: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frontal and lateral pictures, uint8 [S, S], of study ``index`` of ``seed``."""
    return render_case(sample_case(seed, index), seed, index, size)
