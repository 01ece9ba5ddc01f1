"""Grey PNG, 16 bits or 8, whose bytes depend on the pixels alone, and that reads back at once.

Notable:
- The scan lines are stored, not deflated: the low bytes of a radiograph are noise, deflating saves
  a fifth of the space and costs ten times the reading. Any program reads these files.
- No library's compressor takes part, so the same pixels are the same bytes on every machine.

Source: PNG specification (third edition), sections 5 and 9; RFC 1950 and 1951 (stored blocks).
"""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from codixr.data.study import Image

LEVELS = 65535
"""The level of white."""

_MARK = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_BLOCK = 65535
_MAX_SIDE = 16_384


def to_levels(image: Image) -> NDArray[np.uint16]:
    """float32 [1, H, W] in [0, 1] → uint16 [H, W], rounded to the nearest level."""
    levels: NDArray[np.uint16] = np.rint(image[0] * np.float32(LEVELS)).astype(np.uint16)
    return levels


def from_levels(levels: NDArray[np.uint16]) -> Image:
    """uint16 [H, W] → float32 [1, H, W] in [0, 1]."""
    return (levels.astype(np.float32) / np.float32(LEVELS))[None]


def encode_levels(levels: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    """uint16 or uint8 [H, W] → a PNG file of that depth."""
    height, width = levels.shape
    size = levels.dtype.itemsize
    lines = np.zeros((height, 1 + size * width), np.uint8)  # each begins with filter type 0: none
    lines[:, 1:] = levels.astype(f">u{size}").view(np.uint8).reshape(height, size * width)
    header = _HEADER.pack(width, height, 8 * size, 0, 0, 0, 0)
    body = _store(lines.tobytes())
    return b"".join([_MARK, _chunk(b"IHDR", header), _chunk(b"IDAT", body), _chunk(b"IEND", b"")])


def decode_levels(content: bytes | memoryview) -> NDArray[np.uint16]:
    """A 16-bit grey PNG → uint16 [H, W]; ValueError when it is damaged or of another kind."""
    levels = _decode_stored(content)
    if levels is not None:
        return levels
    try:
        with PILImage.open(io.BytesIO(content), formats=("PNG",)) as picture:
            decoded = np.asarray(picture)
    except Exception:  # Pillow raises anything on damaged files
        raise ValueError("a picture cannot be decoded") from None
    if decoded.dtype != np.uint16 or decoded.ndim != 2:
        raise ValueError("a picture is not 16-bit grey")
    return decoded


def _decode_stored(content: bytes | memoryview) -> NDArray[np.uint16] | None:
    """The pixels of a file that ``encode_levels`` wrote, else None. Its checksum is verified."""
    if len(content) < 57 or content[:8] != _MARK or content[12:16] != b"IHDR":
        return None
    width, height, *kind = _HEADER.unpack_from(content, 16)
    (length,) = struct.unpack_from(">I", content, 33)
    if kind != [16, 0, 0, 0, 0] or content[37:41] != b"IDAT" or len(content) != 57 + length:
        return None
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        return None
    size = height * (1 + 2 * width)
    try:
        unpacker = zlib.decompressobj()
        lines = unpacker.decompress(memoryview(content)[41 : 41 + length], size)
    except zlib.error:
        return None
    if len(lines) != size or not unpacker.eof:
        return None
    grid = np.frombuffer(lines, np.uint8).reshape(height, 1 + 2 * width)
    if grid[:, 0].any():
        return None
    return np.ascontiguousarray(grid[:, 1:]).view(">u2").astype(np.uint16)


def _store(data: bytes) -> bytes:
    """A zlib stream of stored blocks."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        last = start + _BLOCK >= len(data)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    parts.append(struct.pack(">I", zlib.adler32(data)))
    return b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
