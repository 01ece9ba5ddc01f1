"""A simulated picture as a real DICOM file: any bit depth, photometry, spacing and compression."""

import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SYNTAXES: tuple[UID, ...] = (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    ImplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
)
_ENCODED = (JPEG2000Lossless, JPEGLSLossless, RLELossless)
_ENLARGED = 1.5
_ROOT = "1.2.826.0.1.3680043.8.498."
"""pydicom's own prefix for made-up identifiers."""


@dataclass(frozen=True, slots=True)
class Film:
    """How a simulated picture, uint8 [S, S], is stored.

    ``crop``: rows and columns cut away in all, so that the film is no square. ``spacing`` in
    millimetres; 0 is written as [0, 0], as real files do. ``imager``: as ImagerPixelSpacing.
    """

    pixels: NDArray[np.uint8]
    bits: int
    inverted: bool
    spacing: float
    crop: tuple[int, int]
    syntax: UID
    signed: bool = False
    imager: bool = False

    def shown(self) -> NDArray[np.uint8]:
        """The simulated picture within the film's borders, air dark."""
        rows, columns = self.crop
        height, width = self.pixels.shape
        top, left = rows // 2, columns // 2
        return self.pixels[top : height - (rows - top), left : width - (columns - left)]

    def flat(self) -> "Film":
        """The same film, unexposed: one shade."""
        return replace(self, pixels=np.full_like(self.pixels, 90))

    def stored(self) -> NDArray[Any]:
        """The values that the file stores, uint16 or int16 [H, W]."""
        shown = PILImage.fromarray(self.shown().astype(np.float32))
        side = (round(shown.width * _ENLARGED), round(shown.height * _ENLARGED))
        large = np.asarray(shown.resize(side, PILImage.Resampling.BILINEAR)) / 255.0
        largest = 2**self.bits - 1
        values = np.rint(np.clip(large, 0, 1) * largest).astype(np.int64)
        if self.inverted:
            values = largest - values
        stored: NDArray[Any] = values.astype(np.uint16)
        if self.signed:
            stored = (values - 2 ** (self.bits - 1)).astype(np.int16)
        return stored

    def written_syntax(self) -> UID:
        """The transfer syntax, or the uncompressed one where its encoder is missing."""
        if self.signed or not can_encode(self.syntax):
            return ExplicitVRLittleEndian
        return self.syntax


@lru_cache(maxsize=16)
def can_encode(syntax: UID) -> bool:
    """Whether this installation can write the transfer syntax."""
    if syntax == JPEGLosslessSV1:
        return importlib.util.find_spec("imagecodecs") is not None
    return syntax not in _ENCODED or bool(get_encoder(syntax).is_available)


def film_bytes(film: Film, name: str, elements: Mapping[str, Any] | None = None) -> bytes:
    """A DICOM file; ``elements`` replace the header's own, or remove them where None."""
    stored = film.stored()
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = UID(_ROOT + str(int(name.replace("-", "")[:24], 16)))
    dataset.Modality = "CR"
    dataset.PatientName = dataset.PatientID = "SIMULATED"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if film.inverted else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, film.bits, film.bits - 1
    dataset.PixelRepresentation = int(film.signed)
    spacing = [f"{film.spacing:.3f}"] * 2
    setattr(dataset, "ImagerPixelSpacing" if film.imager else "PixelSpacing", spacing)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    syntax = film.written_syntax()
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    if syntax in _ENCODED:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax == JPEGLosslessSV1:
        dataset.PixelData = encapsulate([_jpeg_lossless(stored, film.bits)])
        dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in (elements or {}).items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def _jpeg_lossless(stored: NDArray[Any], bits: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.ljpeg_encode(stored, bitspersample=bits))
