"""Small DICOM radiographs with any header field, as bytes."""

import io
import zlib
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)


def film(
    values: np.ndarray,
    bits: int = 16,
    *,
    inverted: bool = False,
    mirrored: bool = False,
    upside_down: bool = False,
    transposed: bool = False,
    bare: bool = False,
    no_syntax: bool = False,
    compressed: bool = False,
    bomb: bool = False,
    **elements: Any,
) -> bytes:
    """A CR file of these values, stored in a way that ``elements`` have to undo.

    ``bare``: without preamble and file meta; ``no_syntax``: without Transfer Syntax UID;
    ``bomb``: deflated, and unpacks to 320 MB.
    """
    stored = 2**bits - 1 - values if inverted else values
    stored = stored.T if transposed else stored
    stored = stored[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    stored = np.ascontiguousarray(stored.astype("<u2"))
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = 0
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = stored.tobytes()
    syntax = ExplicitVRLittleEndian
    if compressed:
        dataset.PixelData = encapsulate([stored.tobytes()])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        syntax = RLELossless
    sink = io.BytesIO()
    if bare:
        dataset.save_as(sink, implicit_vr=False, little_endian=True)
        return sink.getvalue()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian if bomb else syntax
    dataset.save_as(sink, enforce_file_format=True)
    content = sink.getvalue()
    if no_syntax:
        return _without_syntax(content)
    return _bomb(content) if bomb else content


def _without_syntax(content: bytes) -> bytes:
    """Take (0002,0010) out, and its length from the group's."""
    at = content.index(b"\x02\0\x10\0UI")
    size = 8 + int.from_bytes(content[at + 6 : at + 8], "little")
    length = int.from_bytes(content[140:144], "little") - size
    return content[:140] + length.to_bytes(4, "little") + content[144:at] + content[at + size :]


def _bomb(content: bytes) -> bytes:
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 24)
    parts = [packer.compress(zeros) for _ in range(20)]
    return content[:start] + b"".join(parts) + packer.flush()
