"""THE reader of pictures: a file from the user → grey pixels in [0, 1], for every command.

PNG, JPEG, TIFF, BMP and GIF of one frame, NumPy files (``plain_picture.py``) and DICOM
(``dicom.py``), told apart by content, not by name. ``generate``, ``prepare``, ``score`` and ``fid``
all read by these rules, so a picture means the same everywhere.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from codixr.data.dicom_mark import is_dicom
from codixr.data.plain_picture import KINDS, read_plain
from codixr.data.radiograph import (
    Fitted,
    PictureError,
    Radiograph,
    check_file,
    check_radiograph,
)
from codixr.data.study import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".npy", ".dcm", ".dicom")
"""Of files that hold pictures, where a folder holds others too; DICOM often has none."""


def read_pixels(path: Path) -> Radiograph:
    """The picture in ``path`` at its own size, with notes: a chest or not.

    PictureError when the file is missing, empty, corrupt, truncated, no picture, several frames,
    too large, not finite, or its white isn't known.
    """
    check_file(path, KINDS)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}", "missing") from None
    if not is_dicom(content):
        return read_plain(path, content)
    from codixr.data.dicom import read_dicom

    return read_dicom(path, content)


def read_radiograph(path: Path) -> Radiograph:
    """As ``read_pixels``; PictureError also where it is too small, or of one shade only."""
    found = read_pixels(path)
    check_radiograph(path, found.pixels)
    return found


def read_picture(path: Path, size: int = 64) -> Image:
    """The picture in ``path``, padded with black to a square and resized with antialiasing.

    Returns float32 [1, size, size] in [0, 1]. PictureError as ``read_radiograph``.
    """
    return fit_square(read_radiograph(path).pixels, size)


def fit_file(path: Path, size: int, content: bytes) -> Fitted:
    """As ``read_picture``, from the file's bytes, with the reader's notes; faster for DICOM.

    PictureError as ``read_radiograph``.
    """
    if is_dicom(content):
        from codixr.data.dicom import fit_dicom

        return fit_dicom(path, size, content)
    if not content:
        raise PictureError(f"{path}: is empty (0 bytes); give one {KINDS} file")
    found = read_plain(path, content)
    check_radiograph(path, found.pixels)
    return Fitted(fit_square(found.pixels, size), found.notes)


def fit_square(pixels: NDArray[np.float32], size: int) -> Image:
    """[H, W] in [0, 1] → [1, size, size]: black borders (centred), then an antialiased resize."""
    height, width = pixels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = np.pad(pixels, ((top, side - height - top), (left, side - width - left)))
    if side != size:
        picture = PILImage.fromarray(padded)
        padded = np.asarray(picture.resize((size, size), PILImage.Resampling.BILINEAR))
    return np.clip(padded, 0.0, 1.0)[None].astype(np.float32)
