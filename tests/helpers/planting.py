"""What may be done to a picture to hide that it is a copy; and a report's ways."""

import io
from collections.abc import Callable
from dataclasses import dataclass

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


def _bent(x: Pictures, pixels: float, smooth: float = 8.0) -> Pictures:
    """Bent smoothly, each in its own way, by so many pixels (standard deviation)."""
    rng, (yy, xx) = np.random.default_rng(0), np.mgrid[:64, :64]
    found = []
    for picture in x:
        bends = [ndimage.gaussian_filter(rng.normal(size=(64, 64)), smooth) for _ in range(2)]
        down, right = (pixels * bend / bend.std() for bend in bends)
        found.append(
            ndimage.map_coordinates(picture, [yy + down, xx + right], order=1, mode="nearest")
        )
    return np.stack(found)


def _affine(x: Pictures, tall: float, wide: float, lean: float = 0.0) -> Pictures:
    """So many times as tall and as wide, and leaning."""
    matrix = np.array([[1.0, 0, 0], [0, 1 / tall, 0], [0, lean, 1 / wide]])
    centre = np.array([0.0, 31.5, 31.5])
    return ndimage.affine_transform(x, matrix, centre - matrix @ centre, order=1, mode="nearest")


def _halves(x: Pictures, other: Pictures, axis: int, soft: float = 0.01) -> Pictures:
    """One half of one, the other half of another."""
    share = 1 / (1 + np.exp(((np.arange(64) - 31.5) / soft).clip(-50, 50)))
    share = share[:, None] if axis == 0 else share[None, :]
    return x * share + other * (1 - share)


@dataclass(frozen=True)
class Alteration:
    """What was done to pictures [n, 64, 64], with others at hand; and the least that is found."""

    make: Callable[[Pictures, Pictures], Pictures]
    found: float


ALTERED: dict[str, Alteration] = {
    "exact": Alteration(lambda x, _: x, 0.95),
    "stretched 1.06, .95": Alteration(lambda x, _: _affine(x, 1.06, 0.95), 0.93),
    "stretched .95, 1.06": Alteration(lambda x, _: _affine(x, 0.95, 1.06), 0.95),
    "leaning by 6 %": Alteration(lambda x, _: _affine(x, 1, 1, 0.06), 0.95),
    "bent .5": Alteration(lambda x, _: _bent(x, 0.5), 0.95),
    "bent 1": Alteration(lambda x, _: _bent(x, 1.0), 0.9),
    "bent 1, mirrored": Alteration(lambda x, _: _bent(x[:, :, ::-1], 1.0), 0.88),
    "bent 1, gamma .8": Alteration(lambda x, _: _bent(x, 1.0) ** 0.8, 0.6),
    "bent .5, noise .02": Alteration(lambda x, _: _noisy(0.02)(_bent(x, 0.5)), 0.95),
    "halves, left and right": Alteration(lambda x, y: _halves(x, y, 1), 0.95),
    "halves, up and down": Alteration(lambda x, y: _halves(x, y, 0), 0.95),
    "halves, soft over 8 pixels": Alteration(lambda x, y: _halves(x, y, 1, 2.0), 0.95),
}


def altered(name: str, pictures: Pictures, others: Pictures) -> Pictures:
    """The pictures after it, in [0, 1] and 8 bits."""
    changed = np.clip(ALTERED[name].make(pictures, others), 0.0, 1.0)
    return (np.rint(changed * 255) / 255).astype(np.float32)
