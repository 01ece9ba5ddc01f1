"""A file from the user → one view as the models take it: float32 [1, S, S] in [0, 1].

PNG, JPEG and TIFF (8 or 16 bits, grey, colour, palette) and DICOM. Told apart by content, not by
name. Colour becomes luminance; alpha lies over black. Anything that can't be a radiograph is an
InputError that names the file and the cure: it is never guessed at, and never passed on.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageOps

from codixr.data.dicom import (
    MAX_PIXELS,
    MIN_SIDE,
    Fitted,
    Radiograph,
    fit_dicom,
    is_dicom,
    read_dicom,
)
from codixr.data.study import Image
from codixr.errors import InputError

_FORMATS = ("PNG", "JPEG", "TIFF")
_KINDS = "PNG, JPEG, TIFF or DICOM"
_MIN_IS_WHITE = 0
_PHOTOMETRIC_TAG = 262


def read_picture(path: Path, size: int = 64) -> Image:
    """The picture in ``path``, padded with black to a square and resized with antialiasing.

    Returns float32 [1, size, size] in [0, 1]. InputError as ``read_radiograph``.
    """
    return fit_square(read_radiograph(path).pixels, size)


def fit_file(path: Path, size: int, content: bytes) -> Fitted:
    """As ``read_picture``, from the file's bytes, with the reader's notes; faster for DICOM.

    InputError as ``read_radiograph``.
    """
    if content[128:132] == b"DICM":
        return fit_dicom(path, size, content)
    if not content:
        raise InputError(f"{path}: is empty (0 bytes); give one {_KINDS} file")
    pixels = _check(Radiograph(_read_plain(path, io.BytesIO(content))), path).pixels
    return Fitted(fit_square(pixels, size))


def read_radiograph(path: Path) -> Radiograph:
    """The picture in ``path`` at its own size, with notes for the user.

    InputError when the file is missing, empty, corrupt, truncated, no picture, several frames, too
    small, too large, not finite, or of one shade only.
    """
    try:
        radiograph = _read(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or 'unknown reason'}") from None
    return _check(radiograph, path)


def _check(radiograph: Radiograph, path: Path) -> Radiograph:
    pixels = radiograph.pixels
    height, width = pixels.shape
    if min(height, width) < MIN_SIDE:
        raise InputError(
            f"{path}: {width}×{height} pixels; at least {MIN_SIDE}×{MIN_SIDE} are needed"
        )
    if pixels.min() == pixels.max():
        raise InputError(f"{path}: every pixel has the same value, so it shows nothing")
    return radiograph


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


def _read(path: Path) -> Radiograph:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give one {_KINDS} file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty (0 bytes); give one {_KINDS} file")
    return read_dicom(path) if is_dicom(path) else Radiograph(_read_plain(path))


def _read_plain(path: Path, content: io.BytesIO | None = None) -> NDArray[np.float32]:
    """PNG, JPEG or TIFF → [H, W] in [0, 1]."""
    try:
        opened = PILImage.open(content or path, formats=_FORMATS)
    except Exception:
        raise InputError(
            f"{path}: is damaged, or not a {_KINDS} file (DICOM has DICM at byte 128)"
        ) from None
    with opened as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames != 1:
            raise InputError(f"{path}: {frames} frames or pages; save the one you mean as a PNG")
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(
                f"{path}: {picture.width}×{picture.height} pixels; "
                f"at most {MAX_PIXELS // 10**6} million are read"
            )
        try:
            picture.load()
            min_is_white = (
                picture.mode.startswith("I;16")
                and picture.format == "TIFF"
                and getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == _MIN_IS_WHITE
            )
            pixels = _grey(ImageOps.exif_transpose(picture), path)
        except InputError:
            raise
        except Exception as error:  # decoders raise anything on damaged files
            kind = type(error).__name__
            raise InputError(
                f"{path}: truncated or corrupt ({kind}); save or copy it again"
            ) from None
    return 1.0 - pixels if min_is_white else pixels


def _grey(picture: PILImage.Image, path: Path) -> NDArray[np.float32]:
    """Any mode of Pillow's → luminance [H, W] in [0, 1]."""
    mode = picture.mode
    if mode == "F":
        return _check_floats(np.asarray(picture, dtype=np.float32), path)
    if mode.startswith("I"):
        values = np.asarray(picture)
        # Pillow reads some 16-bit files as 32-bit ones; true 32-bit ones have no known white.
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"{path}: 32-bit integers, whose white is unknown; save it with 8 or 16 bits"
            )
        return values.astype(np.float32) / np.float32(65535)
    if mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        colour = picture.convert("RGBA")
        black = PILImage.new("RGBA", colour.size, (0, 0, 0, 255))
        picture = PILImage.alpha_composite(black, colour)
    elif mode in ("P", "CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)


def _check_floats(values: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise InputError(f"{path}: holds NaN or infinite values; save it with 8 or 16 bits")
    if values.min() < 0 or values.max() > 1:
        raise InputError(
            f"{path}: floating point values outside 0 to 1; scale them, or save 8 or 16 bits"
        )
    return values
