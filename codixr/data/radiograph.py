"""What a file gives: grey pixels in [0, 1], what a reader should know of them, or why not."""

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Image
from codixr.errors import InputError

MIN_SIDE = 16
"""Pixels; a smaller picture is an icon or a mistake."""
MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded (a 43 cm film at 0.05 mm: 74 million)."""

Fault = Literal[
    "missing",
    "broken-link",
    "corrupt",
    "too large",
    "of several frames",
    "NaN or infinite",
    "out of range (not in [0, 1])",
    "of unknown white",
]


class PictureError(InputError):
    """A picture that can't be read; ``fault`` is its kind, for those who count them."""

    def __init__(self, message: str, fault: Fault = "corrupt") -> None:
        super().__init__(message)
        self.fault: Fault = fault


@dataclass(frozen=True, slots=True)
class Radiograph:
    """Pixels, float32 [H, W] in [0, 1], air dark; and what a reader should know about them."""

    pixels: NDArray[np.float32]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture as it is kept, float32 [1, S, S] in [0, 1]; and what a reader should know of it."""

    image: Image
    notes: tuple[str, ...] = ()


def range_notes(largest: float, white: int) -> tuple[str, ...]:
    """A note where deep values use a quarter of their range or less: 12 bits in 16, mostly."""
    if white <= 255 or largest <= 0 or 4 * largest > white + 3:
        return ()
    percent = max(1, round(100 * largest / white))
    return (f"uses {percent} % of its range: save it with its true number of bits if it is dark",)


def check_size(path: Path, width: int, height: int) -> None:
    """PictureError for a picture with too many pixels, before it is decoded."""
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{path}: {width}×{height} pixels; at most {MAX_PIXELS // 10**6} million are read",
            "too large",
        )


def check_radiograph(path: Path, pixels: NDArray[np.generic]) -> None:
    """PictureError for a picture that is too small, or of one shade: it can't be a radiograph."""
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise PictureError(
            f"{path}: {width}×{height} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed"
        )
    if pixels.min() == pixels.max():
        raise PictureError(f"{path}: every pixel has the same value, so it shows nothing")


def check_file(path: Path, kinds: str) -> None:
    """PictureError unless ``path`` is a regular file with something in it; nothing is opened.

    A pipe or a device would never end.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise PictureError(
                f"{path}: is a broken link: '{path.readlink()}' does not exist", "broken-link"
            ) from None
        raise PictureError(
            f"{path}: cannot be read: No such file or directory", "missing"
        ) from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}", "missing") from None
    if stat.S_ISDIR(found.st_mode):
        raise PictureError(f"{path}: is a folder; give one {kinds} file")
    if not stat.S_ISREG(found.st_mode):
        raise PictureError(f"{path}: is a pipe or a device; give one {kinds} file")
    if found.st_size == 0:
        raise PictureError(f"{path}: is empty (0 bytes); give one {kinds} file")
