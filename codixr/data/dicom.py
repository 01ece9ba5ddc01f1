"""One DICOM radiograph → pixels in [0, 1], by the paper's steps (section II).

1. decode; 2. resample to 0.139 mm; 3. invert MONOCHROME1; 4. divide by 2^BitsStored − 1.
Padding to a square and resizing follow in ``picture.py``, as for every other kind of file;
``fit_dicom`` does all steps at once, for whole archives.

Notable:
- BitsStored scales, not BitsAllocated, and not the picture's own maximum.
- Signed values are moved up by half the range. A rescale (m = slope·x + intercept) is linear, so it
  takes the range of stored values to a range of output values: after division by that range only
  the slope's sign is left, and a negative slope inverts.
- All steps are linear, so ``fit_dicom`` applies them as two narrow matrices to the stored values:
  the same numbers as step by step (a tenth of a 16-bit level), without the pictures in between.
- Compressed pixels are decoded in another process (``codec.py``): decoders loop and abort.
- Messages hold the path and technical header values, nothing that names a patient. pydicom's own
  messages and warnings can quote any element, so they are never passed on.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from codixr.data.codec import CodecError, decode_apart
from codixr.data.resize import fit_matrix
from codixr.data.study import Image
from codixr.errors import InputError

TARGET_SPACING = 0.139
"""Millimetres a pixel (paper, section II)."""
PLAUSIBLE_SPACING = (0.05, 1.0)
MIN_SIDE = 16
"""Pixels; a smaller picture is an icon or a mistake."""
MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded (a 43 cm film at 0.05 mm: 74 million)."""

_REEXPORT = "export it again from the archive, or give a PNG"


@dataclass(frozen=True, slots=True)
class Radiograph:
    """Pixels, float32 [H, W] in [0, 1], air dark; and what a reader should know about them."""

    pixels: NDArray[np.float32]
    notes: tuple[str, ...] = ()


def is_dicom(path: Path) -> bool:
    """Whether the file has DICOM's mark after its preamble."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path) -> Radiograph:
    """Read one grey single-frame radiograph.

    InputError for a file without pixels, with several frames, in colour, truncated or corrupt.
    """
    found = _read(path, path)
    values = found.stored.astype(np.float32)
    values += np.float32(found.offset)
    (height, width), notes = _target_size(values.shape, found.spacing)
    if (height, width) != values.shape:
        picture = PILImage.fromarray(values)
        resized = picture.resize((width, height), PILImage.Resampling.BILINEAR)
        values = np.asarray(resized, dtype=np.float32)
    largest = np.float32(found.largest)
    if found.inverted:
        values = largest - values
    return Radiograph(np.clip(values / largest, 0, 1), notes)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture as it is kept, float32 [1, S, S] in [0, 1]; and what a reader should know of it."""

    image: Image
    notes: tuple[str, ...] = ()


def fit_dicom(path: Path, size: int, content: bytes | None = None) -> Fitted:
    """``read_dicom`` and ``fit_square`` in one step: several times faster on a large film.

    ``content``: the file's bytes, where they have been read already. InputError as ``read_dicom``,
    and for a picture of one shade, or under 16 pixels wide or high.
    """
    found = _read(path, path if content is None else io.BytesIO(content))
    stored = found.stored
    if min(stored.shape) < MIN_SIDE:
        raise InputError(
            f"{path}: {stored.shape[1]}×{stored.shape[0]} pixels; "
            f"at least {MIN_SIDE}×{MIN_SIDE} are needed"
        )
    if stored.min() == stored.max():
        raise InputError(f"{path}: every pixel has the same value, so it shows nothing")
    target, notes = _target_size(stored.shape, found.spacing)
    down, across = (
        fit_matrix(length, resampled, max(target), size)
        for length, resampled in zip(stored.shape, target, strict=True)
    )
    fitted = across.weights @ np.ascontiguousarray((down.weights @ stored.astype(np.float32)).T)
    # How much of each pixel lies on the film, not on the border: black in every photometry.
    film = np.outer(down.inside, across.inside)
    values = fitted.T + np.float32(found.offset) * film
    if found.inverted:
        values = np.float32(found.largest) * film - values
    image = np.clip(values / np.float32(found.largest), 0, 1)
    return Fitted(image[None].astype(np.float32), notes)


def read_header(path: Path) -> dict[str, str]:
    """Photometry, bits, spacing and compression, in words; no pixel is read.

    InputError for a header that ``read_dicom`` would refuse.
    """
    with _guarded(path):
        dataset = _parse(path, path, without_pixels=True)
        bits, _ = _check_header(dataset, path, without_pixels=True)
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        spacing = _spacing(dataset)
        standard = spacing and all(abs(side - TARGET_SPACING) <= 1e-3 for side in spacing)
        return {
            "photometric": str(dataset.PhotometricInterpretation),
            "bits stored": str(bits),
            "spacing": "unusable" if spacing is None else "0.139" if standard else "other",
            "compression": syntax.name if syntax and syntax.is_transfer_syntax else "unknown",
        }


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored values [H, W]; value + ``offset`` is in 0 … ``largest``."""

    stored: NDArray[np.generic]
    offset: int
    largest: int
    inverted: bool
    spacing: tuple[float, float] | None


def _read(path: Path, source: Path | io.BytesIO) -> _Stored:
    with _guarded(path):
        dataset = _parse(path, source)
        bits, inverted = _check_header(dataset, path)
        stored = _decode(dataset, path, source, bits)
        offset = 2 ** (bits - 1) if dataset.get("PixelRepresentation", 0) == 1 else 0
        return _Stored(stored, offset, 2**bits - 1, inverted, _spacing(dataset))


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """pydicom converts an element when it is asked for: it may raise, and quote, anywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: corrupt DICOM ({type(error).__name__}); {_REEXPORT}") from None


def _parse(path: Path, source: Path | io.BytesIO, *, without_pixels: bool = False) -> Dataset:
    try:
        return dcmread(source, stop_before_pixels=without_pixels)
    except InvalidDicomError:
        raise InputError(f"{path}: not a DICOM file (no DICM mark); {_REEXPORT}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or 'corrupt'})") from None
    except Exception as error:  # pydicom raises anything on broken files, and quotes them
        raise InputError(f"{path}: corrupt DICOM ({type(error).__name__}); {_REEXPORT}") from None


def _check_header(
    dataset: Dataset, path: Path, *, without_pixels: bool = False
) -> tuple[int, bool]:
    """BitsStored, and whether the values have to be inverted."""
    if "PixelData" not in dataset and not without_pixels:
        raise InputError(f"{path}: this DICOM file holds no picture (no Pixel Data)")
    rows, columns = _integer(dataset, "Rows", path), _integer(dataset, "Columns", path)
    if not 0 < rows * columns <= MAX_PIXELS:
        raise InputError(
            f"{path}: {columns}×{rows} pixels; at most {MAX_PIXELS // 10**6} million are read"
        )
    frames = _integer(dataset, "NumberOfFrames", path, default=1)
    if frames != 1:
        raise InputError(f"{path}: {frames} frames; a radiograph has one: export the one you mean")
    photometric = str(dataset.get("PhotometricInterpretation", "missing"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        kind = photometric if photometric in _COLOUR else "unknown"
        raise InputError(
            f"{path}: a colour DICOM (Photometric Interpretation {kind}); "
            "only MONOCHROME1 and MONOCHROME2 are radiographs"
        )
    allocated, bits = (
        _integer(dataset, "BitsAllocated", path),
        _integer(dataset, "BitsStored", path),
    )
    high_bit = _integer(dataset, "HighBit", path, default=bits - 1)
    if not 1 <= bits <= allocated <= 32 or high_bit != bits - 1:
        raise InputError(
            f"{path}: Bits Stored {bits} of {allocated} with High Bit {high_bit} "
            f"cannot be read; {_REEXPORT}"
        )
    return bits, (photometric == "MONOCHROME1") != (_slope(dataset) < 0)


_COLOUR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "missing")


def _integer(dataset: Dataset, keyword: str, path: Path, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        return default if value is None and default is not None else int(value)
    except (TypeError, ValueError, AttributeError):
        raise InputError(
            f"{path}: corrupt DICOM ({keyword} is missing or not a number); {_REEXPORT}"
        ) from None


def _slope(dataset: Dataset) -> float:
    try:
        return float(dataset.get("RescaleSlope", 1.0))
    except (TypeError, ValueError):
        return 1.0


def _decode(
    dataset: Dataset, path: Path, source: Path | io.BytesIO, bits: int
) -> NDArray[np.generic]:
    """Stored values [H, W], unused high bits removed."""
    plain = _plain(dataset, bits)
    if plain is not None:
        return plain
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    try:
        if syntax in _UNCOMPRESSED:
            stored: NDArray[np.generic] = dataset.pixel_array
        else:
            content = source.read_bytes() if isinstance(source, Path) else source.getvalue()
            stored = decode_apart(content, dataset.Rows * dataset.Columns // 10**6 + 1)
    except Exception as error:  # pydicom raises anything on broken files
        kind = str(error) if isinstance(error, CodecError) else type(error).__name__
        how = f", {syntax.name}" if syntax and syntax.name != str(syntax) else ""
        raise InputError(
            f"{path}: its pixels cannot be decoded ({kind}{how}): "
            f"truncated, corrupt or an unknown codec; {_REEXPORT}"
        ) from None
    if stored.shape != (dataset.Rows, dataset.Columns):
        raise InputError(f"{path}: its pixels are not as many as its header says; {_REEXPORT}")
    return stored


def _plain(dataset: Dataset, bits: int) -> NDArray[np.uint16] | None:
    """Uncompressed unsigned 16-bit values without a copy of them, or None for anything else."""
    count = dataset.Rows * dataset.Columns
    if (
        dataset.file_meta.get("TransferSyntaxUID") not in _NATIVE
        or dataset.BitsAllocated != 16
        or dataset.get("PixelRepresentation", 0) != 0
        or len(dataset.PixelData) != 2 * count
    ):
        return None
    stored: NDArray[np.uint16] = np.frombuffer(dataset.PixelData, "<u2", count)
    if bits < 16 and stored.max() >> bits:
        stored = stored & np.uint16(2**bits - 1)
    return stored.reshape(dataset.Rows, dataset.Columns)


_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_UNCOMPRESSED = (*_NATIVE, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """Millimetres between rows and between columns, or None when absent or absurd."""
    low, high = PLAUSIBLE_SPACING
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            row, column = (float(value) for value in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if low <= row <= high and low <= column <= high:
            return row, column
    return None


def _target_size(
    shape: tuple[int, ...], spacing: tuple[float, float] | None
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Height and width at the paper's spacing, and notes for the reader."""
    grid = (shape[0], shape[1])
    if spacing is None:
        return grid, ("no usable pixel spacing: the grid was kept",)
    if all(abs(side - TARGET_SPACING) <= 1e-3 for side in spacing):
        return grid, ()
    height, width = (
        max(1, round(n * side / TARGET_SPACING)) for n, side in zip(grid, spacing, strict=True)
    )
    if height * width > MAX_PIXELS:
        return grid, ("the pixel spacing gives an impossible size: the grid was kept",)
    return (height, width), ()
