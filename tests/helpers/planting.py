"""What may be done to a picture to hide that it is a copy; and a report's ways."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from scipy import ndimage

Pictures = NDArray[np.float32]
RNG = np.random.default_rng(0)


def _noisy(sigma: float) -> Callable[[Pictures], Pictures]:
    return lambda x: x + RNG.normal(0, sigma, x.shape)


def _turned(degrees: float) -> Callable[[Pictures], Pictures]:
    return lambda x: ndimage.rotate(x, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")


def _zoomed(factor: float) -> Callable[[Pictures], Pictures]:
    centre = 31.5

    def zoom(x: Pictures) -> Pictures:
        matrix = np.array([1.0, 1.0 / factor, 1.0 / factor])
        offset = np.array([0.0, *(2 * [centre - centre / factor])])
        return ndimage.affine_transform(x, matrix, offset, order=1, mode="nearest")

    return zoom


def _jpeg(x: Pictures) -> Pictures:
    found = []
    for picture in x:
        file = io.BytesIO()
        PILImage.fromarray((picture * 255).round().astype(np.uint8)).save(file, "JPEG", quality=50)
        found.append(np.asarray(PILImage.open(file), dtype=np.float32) / 255)
    return np.stack(found)


def blurred(x: Pictures) -> Pictures:
    """As smooth as what codixr makes."""
    return np.asarray(ndimage.gaussian_filter(x, (0, 1, 1)))


def _half(x: Pictures) -> Pictures:
    half = x.reshape(len(x), 32, 2, 32, 2).mean(axis=(2, 4))
    return ndimage.zoom(half, (1, 2, 2), order=1)


def _shifted(down: float, right: float) -> Callable[[Pictures], Pictures]:
    return lambda x: ndimage.shift(x, (0, down, right), order=1, mode="nearest")


HIDING: dict[str, Callable[[Pictures], Pictures]] = {
    "exact": lambda x: x,
    "noise .025": _noisy(0.025),
    "noise .05": _noisy(0.05),
    "turned 5°": _turned(5),
    "turned -5°": _turned(-5),
    "mirrored": lambda x: x[:, :, ::-1],
    "JPEG 50": _jpeg,
    "shifted 1, 1": _shifted(1, 1),
    "zoomed 1.06": _zoomed(1.06),
    "zoomed .95": _zoomed(0.95),
    "gamma .8": lambda x: x**0.8,
    "gamma 1.25": lambda x: x**1.25,
    "contrast .8": lambda x: 0.5 + 0.8 * (x - 0.5),
    "brighter .08": lambda x: x + 0.08,
    "blurred 1": blurred,
    "half resolution": _half,
    "sharpened": lambda x: x + 0.7 * (x - blurred(x)),
    "inverted": lambda x: 1 - x,
    "mirrored, turned 3°, noise .02": lambda x: _noisy(0.02)(_turned(3)(x[:, :, ::-1])),
}
"""What was done -> how, to pictures [n, 64, 64]."""


def hidden(name: str, pictures: Pictures) -> Pictures:
    """The pictures after it, in [0, 1] and 8 bits."""
    changed = np.clip(HIDING[name](pictures), 0.0, 1.0)
    return (np.rint(changed * 255) / 255).astype(np.float32)
