"""One DICOM radiograph → pixels in [0, 1], by the paper's steps (section II).

1. decode; 2. resample to 0.139 mm; 3. invert what is stored inverted; 4. divide by
2^BitsStored − 1. Padding to a square and resizing follow in ``picture.py``, as for every other kind
of file; ``fit_dicom`` does all steps at once, for whole archives.

Notable:
- BitsStored scales, not BitsAllocated, and not the picture's own maximum. This is the rule that
  recipes call ``paper``.
- Signed values are moved up by half the range. A rescale (m = slope·x + intercept) is linear, so it
  takes the range of stored values to a range of output values: after division by that range only
  the slope's sign is left, and a negative slope inverts. A Modality LUT is applied.
- What else the header says of the pixels is read in ``dicom_header.py``.
- All steps are linear, so ``fit_dicom`` applies them as two narrow matrices to the stored values:
  the same numbers as step by step (a tenth of a 16-bit level), without the pictures in between.
- Compressed pixels are decoded in another process (``codec.py``): decoders loop and abort.
- Messages hold the path and technical header values, nothing that names a patient. pydicom's own
  messages and warnings can quote any element, so they are never passed on.
"""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from codixr.data.dicom_header import REEXPORT, TARGET_SPACING, Meaning, Turn, read_meaning
from codixr.data.dicom_mark import MARK, is_dicom
from codixr.data.radiograph import (
    MAX_PIXELS,
    Fitted,
    PictureError,
    Radiograph,
    check_radiograph,
    range_notes,
)
from codixr.data.resize import fit_matrix

_PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_LARGEST_FILE = 3 * MAX_PIXELS
"""Bytes that a deflated file may unpack to."""
_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_UNCOMPRESSED = (*_NATIVE, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def read_dicom(path: Path, content: bytes | None = None) -> Radiograph:
    """Read one grey single-frame radiograph.

    ``content``: the file's bytes, where they have been read already. PictureError for a file
    without pixels, with several frames, in colour, truncated or corrupt.
    """
    found = _read(path, content)
    values = found.stored.astype(np.float32)
    if found.padded is not None:
        values[found.padded] = found.black
    values += np.float32(found.offset)
    (height, width), notes = _target_size(values.shape, found.meaning)
    if (height, width) != values.shape:
        picture = PILImage.fromarray(values)
        resized = picture.resize((width, height), PILImage.Resampling.BILINEAR)
        values = np.asarray(resized, dtype=np.float32)
    largest = np.float32(found.largest)
    if found.meaning.inverted:
        values = largest - values
    return Radiograph(np.clip(values / largest, 0, 1), notes + found.notes)


def fit_dicom(path: Path, size: int, content: bytes | None = None) -> Fitted:
    """``read_dicom`` and ``fit_square`` in one step: several times faster on a large film.

    PictureError as ``read_dicom``, and for a picture of one shade, or under 16 pixels wide or high.
    """
    found = _read(path, content)
    stored = found.stored
    check_radiograph(path, stored)
    target, notes = _target_size(stored.shape, found.meaning)
    down, across = (
        fit_matrix(length, resampled, max(target), size)
        for length, resampled in zip(stored.shape, target, strict=True)
    )
    values = stored.astype(np.float32)
    if found.padded is not None:
        values[found.padded] = found.black
    fitted = across.weights @ np.ascontiguousarray((down.weights @ values).T)
    # How much of each pixel lies on the film, not on the border: black in every photometry.
    film = np.outer(down.inside, across.inside)
    values = fitted.T + np.float32(found.offset) * film
    if found.meaning.inverted:
        values = np.float32(found.largest) * film - values
    image = np.clip(values / np.float32(found.largest), 0, 1)
    return Fitted(image[None].astype(np.float32), notes + found.notes)


def read_header(path: Path) -> dict[str, str]:
    """Photometry, bits, spacing and compression, in words; no pixel is read.

    PictureError for a header that ``read_dicom`` would refuse.
    """
    with _guarded(path):
        dataset = _parse(path, None, without_pixels=True)
        meaning = read_meaning(dataset, path)
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        spacing = meaning.spacing
        standard = spacing and all(abs(side - TARGET_SPACING) <= 1e-3 for side in spacing)
        return {
            "photometric": str(dataset.PhotometricInterpretation),
            "bits stored": str(meaning.bits),
            "spacing": "unusable" if spacing is None else "0.139" if standard else "other",
            "compression": syntax.name if syntax and syntax.is_transfer_syntax else "unknown",
        }


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored values [H, W], upright; value + ``offset`` is in 0 … ``largest``."""

    stored: NDArray[Any]
    offset: int
    largest: int
    meaning: Meaning
    padded: NDArray[np.bool_] | None
    """Where there is no film, if anywhere."""
    notes: tuple[str, ...]

    @property
    def black(self) -> int:
        """The stored value that becomes black."""
        return self.largest - self.offset if self.meaning.inverted else -self.offset


def _read(path: Path, content: bytes | None) -> _Stored:
    with _guarded(path):
        dataset = _parse(path, content)
        _check_pixel_data(dataset, path, content)
        meaning = read_meaning(dataset, path)
        stored, greatest = _decode(dataset, path, content, meaning)
        padded = None
        if meaning.padding is not None:
            low, high = meaning.padding
            found = (stored >= low) & (stored <= high)
            padded = found if found.any() and not found.all() else None
        if dataset.get("ModalityLUTSequence"):
            stored, meaning = _through_lut(dataset, stored, meaning)
            greatest = int(stored.max())
        offset = 2 ** (meaning.bits - 1) if meaning.signed else 0
        largest = 2**meaning.bits - 1
        notes = meaning.notes + range_notes(greatest + offset, largest)
        if meaning.turn:
            stored = _turned(stored, meaning.turn)
            padded = None if padded is None else _turned(padded, meaning.turn)
        return _Stored(stored, offset, largest, meaning, padded, notes)


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """pydicom converts an element when it is asked for: it may raise, and quote, anywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except Exception as error:
        raise PictureError(f"{path}: corrupt DICOM ({type(error).__name__}); {REEXPORT}") from None


def _parse(path: Path, content: bytes | None, *, without_pixels: bool = False) -> Dataset:
    """The dataset, with a transfer syntax; a file without preamble too."""
    try:
        if content is None:
            with path.open("rb") as file:
                head = file.read(512)
        else:
            head = content[:512]
        _check_inflated(path, content, head)
        bare = head[128:132] != MARK and is_dicom(head)
        source = path if content is None else io.BytesIO(content)
        dataset = dcmread(source, stop_before_pixels=without_pixels, force=bare)
    except PictureError:
        raise
    except InvalidDicomError:
        raise PictureError(f"{path}: not a DICOM file (no DICM mark); {REEXPORT}") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror or 'corrupt'})") from None
    except Exception as error:  # pydicom raises anything on broken files, and quotes them
        raise PictureError(f"{path}: corrupt DICOM ({type(error).__name__}); {REEXPORT}") from None
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian
            if implicit
            else ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        )  # fmt: skip
    return dataset


def _check_inflated(path: Path, content: bytes | None, head: bytes) -> None:
    """PictureError for a deflated file that unpacks to more than any radiograph; pydicom unpacks
    whatever there is."""
    if DeflatedExplicitVRLittleEndian.encode() not in head:
        return
    start = 144 + int.from_bytes(head[140:144], "little")
    packed = (path.read_bytes() if content is None else content)[start:]
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    total = len(unpacker.decompress(packed, 1 << 20))
    while unpacker.unconsumed_tail and total <= _LARGEST_FILE:
        total += len(unpacker.decompress(unpacker.unconsumed_tail, 1 << 20))
    if total > _LARGEST_FILE:
        raise PictureError(f"{path}: unpacks to more than any radiograph holds", "too large")


def _check_pixel_data(dataset: Dataset, path: Path, content: bytes | None) -> None:
    if "PixelData" in dataset:
        return
    if "DirectoryRecordSequence" in dataset:
        raise PictureError(f"{path}: a DICOMDIR, the index of a disc: give the pictures beside it")
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise PictureError(
            f"{path}: floating point pixels, whose white is unknown; {REEXPORT}", "of unknown white"
        )
    whole = path.read_bytes() if content is None else content
    if any(tag in whole for tag in _PIXEL_DATA):
        raise PictureError(f"{path}: truncated inside of its pixels; copy it again")
    raise PictureError(f"{path}: this DICOM file holds no picture (no Pixel Data)")


def _decode(
    dataset: Dataset, path: Path, content: bytes | None, meaning: Meaning
) -> tuple[NDArray[Any], int]:
    """Stored values [H, W], unused high bits removed; and the greatest of them."""
    plain = _plain(dataset)
    if plain is not None:
        greatest = int(plain.max())
        if greatest >> meaning.bits:
            plain = plain & np.uint16(2**meaning.bits - 1)
            greatest = int(plain.max())
        return plain, greatest
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    try:
        if syntax in _UNCOMPRESSED:
            stored: NDArray[Any] = dataset.pixel_array
        else:
            whole = path.read_bytes() if content is None else content
            stored = decode_apart(whole, dataset.Rows * dataset.Columns // 10**6 + 1)
    except Exception as error:  # pydicom raises anything on broken files
        kind = str(error) if isinstance(error, CodecError) else type(error).__name__
        how = f", {syntax.name}" if syntax and syntax.name != str(syntax) else ""
        raise PictureError(
            f"{path}: its pixels cannot be decoded ({kind}{how}): "
            f"truncated, corrupt or an unknown codec; {REEXPORT}"
        ) from None
    if stored.shape != (dataset.Rows, dataset.Columns):
        raise PictureError(f"{path}: its pixels are not as many as its header says; {REEXPORT}")
    return stored, int(stored.max())


def _plain(dataset: Dataset) -> NDArray[np.uint16] | None:
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
    return stored.reshape(dataset.Rows, dataset.Columns)


def _through_lut(
    dataset: Dataset, stored: NDArray[Any], meaning: Meaning
) -> tuple[NDArray[Any], Meaning]:
    """The values after the Modality LUT, which are unsigned and have bits of their own."""
    from pydicom.pixels.processing import apply_modality_lut

    item = dataset.ModalityLUTSequence[0]
    entries, first, bits = item.LUTDescriptor
    # pydicom makes a number type of the bits, and there is none of 12.
    item.LUTDescriptor = [entries, first, 8 if bits <= 8 else 16]
    values: NDArray[Any] = apply_modality_lut(stored, dataset)
    return values, replace(meaning, bits=int(bits), signed=False)


def _turned(values: NDArray[Any], turn: Turn) -> NDArray[Any]:
    if turn.transposed:
        values = values.T
    return values[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1]


def _target_size(
    shape: tuple[int, ...], meaning: Meaning
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Height and width at the paper's spacing, and notes for the reader."""
    grid = (shape[0], shape[1])
    spacing, aspect = meaning.spacing, meaning.aspect
    if meaning.turn.transposed:
        spacing, aspect = (spacing[1], spacing[0]) if spacing else None, 1 / aspect
    if spacing is None:
        if aspect == 1.0:
            return grid, ("no usable pixel spacing: the grid was kept",)
        height, width = round(grid[0] * max(aspect, 1)), round(grid[1] * max(1 / aspect, 1))
        return (height, width), ("no usable pixel spacing: its aspect ratio was applied",)
    if all(abs(side - TARGET_SPACING) <= 1e-3 for side in spacing):
        return grid, ()
    height, width = (
        max(1, round(n * side / TARGET_SPACING)) for n, side in zip(grid, spacing, strict=True)
    )
    if height * width > MAX_PIXELS:
        return grid, ("the pixel spacing gives an impossible size: the grid was kept",)
    return (height, width), ()
