"""Faults of pictures that the court shows: of sharpness, grey levels, place, and whose they are."""

from collections.abc import Callable
from typing import Any

import numpy as np

from codixr.data.study import Image
from codixr.modality import Modality
from codixr_bench.comparing.fault import (
    OF_STUDIES,
    SHARES,
    Fault,
    Outputs,
    another_patients,
    on_all,
    on_some,
    one_for_many,
    some_of,
)

Draw = np.random.Generator
_SIDE = 64
"""Lengths are given in 1/64 of a picture's side."""


def blur(picture: Image, grade: float, rng: Draw) -> Image:
    """A Gaussian of ``grade`` 64ths of the side."""
    from scipy.ndimage import gaussian_filter

    sigma = grade * picture.shape[-1] / _SIDE
    return _picture(gaussian_filter(picture, (0.0, sigma, sigma)))


def noise(picture: Image, grade: float, rng: Draw) -> Image:
    """White noise of that standard deviation."""
    return _picture(picture + grade * rng.standard_normal(picture.shape))


def grey_levels(picture: Image, grade: float, rng: Draw) -> Image:
    """Only that many levels of grey."""
    return _picture(np.round(picture * (grade - 1.0)) / (grade - 1.0))


def resolution(picture: Image, grade: float, rng: Draw) -> Image:
    """Averaged over squares of ``grade`` pixels a side, and enlarged again."""
    from skimage.transform import downscale_local_mean

    step = int(grade)
    small = downscale_local_mean(picture[0], (step, step))  # type: ignore[no-untyped-call]
    return _resized(small, picture.shape)


def gamma(picture: Image, grade: float, rng: Draw) -> Image:
    """To the power of ``grade``."""
    return _picture(picture**grade)


def brightness(picture: Image, grade: float, rng: Draw) -> Image:
    """``grade`` brighter."""
    return _picture(picture + grade)


def contrast(picture: Image, grade: float, rng: Draw) -> Image:
    """That share of the contrast, about the picture's mean."""
    mean = picture.mean()
    return _picture(mean + grade * (picture - mean))


def inverted(picture: Image, grade: float, rng: Draw) -> Image:
    """Black for white."""
    return _picture(1.0 - picture)


def mirrored(picture: Image, grade: float, rng: Draw) -> Image:
    """Left for right."""
    return _picture(picture[..., ::-1])


def upside_down(picture: Image, grade: float, rng: Draw) -> Image:
    """Top for bottom."""
    return _picture(picture[:, ::-1])


def crop(picture: Image, grade: float, rng: Draw) -> Image:
    """That share of the side, about the middle, enlarged again."""
    height, width = picture.shape[1:]
    top, left = (round((1.0 - grade) * side / 2) for side in (height, width))
    return _resized(picture[0, top : height - top, left : width - left], picture.shape)


def shift(picture: Image, grade: float, rng: Draw) -> Image:
    """``grade`` 64ths of the side to the right; the edge is repeated."""
    step = max(1, round(grade * picture.shape[-1] / _SIDE))
    return _picture(np.pad(picture, ((0, 0), (0, 0), (step, 0)), "edge")[..., :-step])


def turn(picture: Image, grade: float, rng: Draw) -> Image:
    """``grade`` degrees about the middle; the edge is repeated."""
    from scipy.ndimage import rotate

    return _picture(rotate(picture, grade, (2, 1), reshape=False, order=1, mode="nearest"))


def other_view(outputs: Outputs, grade: float) -> list[Any]:
    """A share of the studies show their other view: the lateral as frontal, or the other way."""
    view = Modality.L if outputs.modality is Modality.F else Modality.F
    others = [study.get(view) for study in outputs.studies]
    chosen = set(some_of([i for i, other in enumerate(others) if other is not None], grade))
    return [others[i] if i in chosen else own for i, own in enumerate(outputs.contents)]


def _resized(picture: Any, shape: tuple[int, ...]) -> Image:
    from skimage.transform import resize

    larger = resize(picture, shape[1:], order=1, anti_aliasing=False)  # type: ignore[no-untyped-call]
    return _picture(larger[None])


def _picture(values: Any) -> Image:
    clipped: Image = np.clip(values, 0.0, 1.0).astype(np.float32)
    return np.ascontiguousarray(clipped)


def _fault(
    name: str,
    grades: tuple[float, ...],
    unit: str,
    make: Callable[[Outputs, float], list[Any]],
) -> Fault:
    return Fault(name, False, grades, unit, make)


PICTURE_FAULTS = (
    _fault("blur", (0.5, 1.0, 2.0), "standard deviation, 64ths of the side", on_all(blur)),
    _fault("noise", (0.02, 0.05, 0.1), "standard deviation", on_all(noise)),
    _fault("few grey levels", (32, 8, 3), "levels", on_all(grey_levels)),
    _fault("low resolution", (2, 4, 8), "pixels averaged a side", on_all(resolution)),
    _fault("gamma", (0.8, 0.6, 0.4), "power", on_all(gamma)),
    _fault("brightness", (0.05, 0.1, 0.2), "added", on_all(brightness)),
    _fault("low contrast", (0.9, 0.7, 0.4), "share left", on_all(contrast)),
    _fault("inverted", SHARES, OF_STUDIES, on_some(inverted)),
    _fault("mirrored", SHARES, OF_STUDIES, on_some(mirrored)),
    _fault("upside down", SHARES, OF_STUDIES, on_some(upside_down)),
    _fault("crop", (0.9, 0.75, 0.5), "share of the side left", on_all(crop)),
    _fault("shift", (2, 4, 8), "64ths of the side", on_all(shift)),
    _fault("turned", (3, 10, 20), "degrees", on_all(turn)),
    _fault("other view", SHARES, OF_STUDIES, other_view),
    _fault("another patient's picture", SHARES, OF_STUDIES, another_patients),
    _fault("one picture for many", SHARES, OF_STUDIES, one_for_many),
)
