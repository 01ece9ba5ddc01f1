"""PNG, JPEG, TIFF, BMP, GIF and NumPy files → grey pixels in [0, 1].

Notable:
- White is the largest value that the file's bits can hold; values of unknown white (32-bit or
  signed integers) are refused, not guessed at.
- Colour becomes luminance (ITU-R 601), with a note; a grey picture stored in colour is exact.
- Alpha, of whatever kind, lies over black. EXIF's orientation is applied.
- Sizes are read from headers first: a picture of billions of pixels is refused before decoding.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError

from codixr.data.radiograph import PictureError, Radiograph, check_size, range_notes

KINDS = "PNG, JPEG, TIFF, BMP, GIF, .npy or DICOM"
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF")
_NPY = b"\x93NUMPY"
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_TINT = 8 / 255
"""Channels that differ by less are grey: JPEG's rounding."""
_IN_COLOUR = "is in colours: its luminance is taken"
_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_FORMAT = 258, 262, 339
_MIN_IS_WHITE, _SIGNED = 0, 2

Pixels = NDArray[np.float32]


def read_plain(path: Path, content: bytes | None = None) -> Radiograph:
    """The picture at ``path`` (or in ``content``), told apart by content, not by name.

    PictureError when it is damaged, of another kind, of several frames, too large, not finite,
    outside 0 to 1 (floating point), or its white isn't known.
    """
    source = io.BytesIO(content) if content is not None else io.BytesIO(path.read_bytes())
    if source.getvalue()[:6] == _NPY:
        return _read_npy(path, source)
    with _no_bomb(path), _open(path, source) as picture:
        frames = getattr(picture, "n_frames", 1)
        if frames != 1:
            raise PictureError(
                f"{path}: {frames} frames or pages; save the one you mean as a PNG",
                "of several frames",
            )
        check_size(path, picture.width, picture.height)
        try:
            return _decode(path, picture, source.getvalue())
        except PictureError:
            raise
        except Exception as error:  # decoders raise anything on damaged files
            raise PictureError(
                f"{path}: truncated or corrupt ({type(error).__name__}); save or copy it again"
            ) from None


@contextmanager
def _no_bomb(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PILImage.DecompressionBombWarning)
            yield
    except PILImage.DecompressionBombError:
        raise PictureError(f"{path}: far too many pixels for a radiograph", "too large") from None


def _open(path: Path, source: io.BytesIO) -> PILImage.Image:
    try:
        return PILImage.open(source, formats=_FORMATS)
    except PILImage.DecompressionBombError:
        raise
    except UnidentifiedImageError:
        head = source.getvalue()[:4]
        if head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise PictureError(
                f"{path}: damaged, or a kind of TIFF that isn't read; "
                "save it as a grey PNG of 8 or 16 bits"
            ) from None
        raise PictureError(
            f"{path}: is damaged, or not a {KINDS} file (DICOM has DICM at byte 128)"
        ) from None
    except Exception as error:
        raise PictureError(
            f"{path}: truncated or corrupt ({type(error).__name__}); save or copy it again"
        ) from None


def _decode(path: Path, picture: PILImage.Image, content: bytes) -> Radiograph:
    """A Pillow picture of one frame and a sane size."""
    if picture.format == "TIFF":
        _check_tiff(path, picture)
    if picture.format == "PNG" and content[24] == 16 and picture.mode in ("RGB", "RGBA", "LA"):
        return _grey(path, _deep_png(picture, content))
    white = _white(picture)
    # Pillow turns 8 bits and fewer itself.
    min_is_white = (picture.mode == "F" or picture.mode.startswith("I;")) and _tag(
        picture, _TIFF_PHOTOMETRIC
    ) == [_MIN_IS_WHITE]
    transparent = picture.info.get("transparency")
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode == "F":
        values = _check_floats(path, np.asarray(picture, np.float32))
        return Radiograph(1 - values if min_is_white else values)
    if mode.startswith("I"):
        values = np.asarray(picture)
        # Pillow reads some 16-bit files as 32-bit ones; true 32-bit ones have no known white.
        if values.min() < 0 or values.max() > white:
            raise _unknown_white(path, "32-bit integers")
        pixels = values.astype(np.float32) / np.float32(white)
        if min_is_white:
            pixels = 1 - pixels
        if isinstance(transparent, int):
            pixels[values == transparent] = 0
        return Radiograph(pixels, range_notes(float(pixels.max()) * white, white))
    if mode in ("PA", "La", "RGBa") or (transparent is not None and mode in ("1", "L", "P", "RGB")):
        picture = picture.convert("RGBA")
    elif mode in ("P", "CMYK", "YCbCr", "HSV", "RGBX"):
        picture = picture.convert("RGB")
    elif mode == "LAB":
        raise PictureError(f"{path}: is in CIELAB; save it in grey or RGB")
    elif mode == "1":
        picture = picture.convert("L")
    return _grey(path, np.asarray(picture).astype(np.float32) / np.float32(255))


def _grey(path: Path, values: Pixels) -> Radiograph:
    """[H, W], or [H, W, C] of grey, grey and alpha, RGB or RGBA in [0, 1] → its luminance."""
    if values.ndim == 2:
        return Radiograph(np.ascontiguousarray(values))
    notes: tuple[str, ...] = ()
    colours = values[..., : 1 if values.shape[2] <= 2 else 3]
    pixels = colours[..., 0]
    if colours.shape[2] == 3 and not (colours == pixels[..., None]).all():
        if float((colours.max(axis=2) - colours.min(axis=2)).max()) > _TINT:
            notes = (_IN_COLOUR,)
        pixels = colours @ _LUMINANCE
    if values.shape[2] in (2, 4):
        pixels = pixels * values[..., -1]
    return Radiograph(np.clip(pixels, 0, 1).astype(np.float32), notes)


def _white(picture: PILImage.Image) -> int:
    """The largest value of a deep picture: 65535, or what a TIFF's bits hold (12: 4095)."""
    bits = _tag(picture, _TIFF_BITS)
    return 2 ** bits[0] - 1 if bits and 8 < bits[0] < 16 else 65535


def _check_tiff(path: Path, picture: PILImage.Image) -> None:
    if _SIGNED in _tag(picture, _TIFF_FORMAT):
        raise _unknown_white(path, "signed integers")
    bits = _tag(picture, _TIFF_BITS)
    if len(bits) > 1 and max(bits) > 8:
        raise PictureError(
            f"{path}: a TIFF in colours or with alpha, of {max(bits)} bits a channel; "
            "save it in grey, or with 8 bits a channel"
        )


def _tag(picture: PILImage.Image, number: int) -> list[int]:
    tags: Any = getattr(picture, "tag_v2", {})
    found = tags.get(number, ())
    return [int(v) for v in found] if isinstance(found, tuple) else [int(found)]


def _deep_png(picture: PILImage.Image, content: bytes) -> Pixels:
    """A 16-bit PNG in colour or with alpha, which Pillow would cut to 8 bits: [H, W, C]."""
    import torch
    from torchvision.io import ImageReadMode, decode_png

    picture.load()  # checks the file
    read = decode_png(
        torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.UNCHANGED
    )
    values: Pixels = read.permute(1, 2, 0).numpy().astype(np.float32) / np.float32(65535)
    return values


def _read_npy(path: Path, source: io.BytesIO) -> Radiograph:
    """An array [H, W], [1, H, W], [H, W, 1] or [H, W, 3 or 4]: uint8, uint16, bool or floats."""
    try:
        major, _ = np.lib.format.read_magic(source)
        read: Any = np.lib.format.read_array_header_1_0 if major == 1 else _header_2
        shape, _, stored = read(source)
        dtype = stored.newbyteorder("=")
        check_size(path, *(max(1, int(n)) for n in (shape[-1], np.prod(shape[:-1], dtype=object))))
        source.seek(0)
        values = np.load(source, allow_pickle=False)
    except PictureError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise PictureError(f"{path}: not a NumPy file that can be read ({kind})") from None
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if 0 in values.shape or not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] <= 4)):
        shown = "×".join(map(str, values.shape))
        raise PictureError(f"{path}: an array of {shown}; a picture is [H, W] or [1, H, W]")
    if dtype == np.bool_:
        return _grey(path, values.astype(np.float32))
    if dtype in (np.uint8, np.uint16):
        white = int(np.iinfo(dtype).max)
        found = _grey(path, values.astype(np.float32) / np.float32(white))
        return Radiograph(found.pixels, found.notes + range_notes(float(values.max()), white))
    if not np.issubdtype(dtype, np.floating):
        raise _unknown_white(path, str(dtype))
    with np.errstate(over="ignore"):
        return _grey(path, _check_floats(path, values.astype(np.float32)))


def _header_2(source: io.BytesIO) -> Any:
    return np.lib.format.read_array_header_2_0(source)


def _check_floats(path: Path, values: Pixels) -> Pixels:
    if not np.isfinite(values).all():
        raise PictureError(
            f"{path}: holds NaN or infinite values; save it with 8 or 16 bits", "NaN or infinite"
        )
    if values.min() < 0 or values.max() > 1:
        raise PictureError(
            f"{path}: floating point values outside 0 to 1; scale them, or save 8 or 16 bits",
            "out of range (not in [0, 1])",
        )
    return values


def _unknown_white(path: Path, what: str) -> PictureError:
    return PictureError(
        f"{path}: {what}, whose white is unknown; save it with 8 or 16 bits", "of unknown white"
    )
