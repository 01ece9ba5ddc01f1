"""What a file is, by its content, and its text: compressed, in UTF-16 or from a pipe.

Nothing is told by a file's name. Bytes that are not UTF-8 pass through unharmed: the labeler
ignores what is not ASCII, and writes back what it read.
"""

import bz2
import gzip
import io
import lzma
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from codixr.errors import InputError

_HEAD = 1 << 16
"""Bytes that are looked at."""
_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
_OTHERS = {
    b"%PDF": "a PDF: save its text",
    b"\xd0\xcf\x11\xe0": "an old Office file: save it as CSV",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"SQLite format 3": "a database: export the table as CSV",
    b"\x89HDF": "an HDF5 file: export the reports as CSV",
    b"PK\x05\x06": "an empty zip archive",
}
_WRITTEN = {
    r"\{\\rtf": "a Rich Text file: save it as plain text",
    r"<\?xml": "XML: save the reports as CSV or text",
    r"<(?i:html|!doctype)": "HTML: save the reports as CSV or text",
    r"\[\s*[{\"]": "a JSON array: write one JSON object a line",
    r"\{\s*[\r\n]": "a JSON object over several lines: write one object a line",
}
"""How other text begins."""


@dataclass(frozen=True)
class Source:
    """An open file: its bytes unpacked, and what its beginning says."""

    what: str
    """What to call it in a message."""
    kind: str
    """``text``, ``jsonl``, ``parquet`` or ``zip``."""
    file: BinaryIO
    head: str
    """The beginning of a text."""
    encoding: str = "utf-8"

    def text(self) -> IO[str]:
        """All of its text, from the beginning."""
        errors = "surrogateescape" if self.encoding.startswith("utf-8") else "strict"
        return io.TextIOWrapper(self.file, self.encoding, errors, newline="")

    def seekable(self) -> BinaryIO:
        """Its bytes, for what reads from the end; a copy without a name where they only stream."""
        if self.file.seekable():
            return self.file
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by what reads it
        while block := self.file.read(1 << 20):
            copy.write(block)
        copy.seek(0)
        return copy


def open_bytes(what: str, content: bytes) -> Source:
    """The same for a file's content, e.g. of an archive's member; it may be blank."""
    return _source(what, io.BytesIO(content), may_be_blank=True)


def open_source(path: Path | None, *, may_be_blank: bool = False) -> Source:
    """Open a file, or standard input for None; ``may_be_blank``: one without a word will do.

    Raises InputError when it cannot be read, is empty, or is nothing that holds reports.
    """
    if path is None:
        what, raw = "standard input", _standard_input()
    else:
        what = f"'{path}'"
        try:
            raw = path.open("rb")
        except OSError as error:
            raise InputError(f"{what} cannot be read: {error.strerror or error}") from error
    return _source(what, raw, may_be_blank=may_be_blank)


def _source(what: str, raw: BinaryIO, *, may_be_blank: bool) -> Source:
    head, file = _begin(raw, rewind=raw.seekable())
    for mark, unpack in _PACKED.items():
        if head.startswith(mark):
            with unharmed(what):
                head, file = _begin(unpack(file), rewind=False)
            break
    if not (may_be_blank or _holds_something(head)):
        raise InputError(f"{what} is empty: it holds no report")
    if head.startswith(b"PAR1"):
        return Source(what, "parquet", file, "")
    if head.startswith(b"PK\x03\x04"):
        return Source(what, "zip", file, "")
    return _text_source(what, head, file)


@contextmanager
def unharmed(what: str) -> Iterator[None]:
    """InputError for a packed file that is damaged, or text that is not in its encoding."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, not of the archive
        raise InputError(f"{what} is damaged or cut off ({type(error).__name__})") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} is not whole {error.encoding} text (byte {error.start:,} of a block); save it "
            "as UTF-8"
        ) from error


def text_of(source: Source) -> str:
    """All the text of a file that holds one report; InputError where it is none."""
    if source.kind not in ("text", "jsonl"):
        raise InputError(f"{source.what} is not a text but a {source.kind} file")
    with source.text() as file, unharmed(source.what):
        return file.read()


def _holds_something(head: bytes) -> bool:
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    return bool(head[len(mark) :].strip(b"\0 \t\r\n\f\v"))


def _text_source(what: str, head: bytes, file: BinaryIO) -> Source:
    encoding = _encoding(head)
    text = head.decode(encoding, "ignore")
    other = next((name for mark, name in _OTHERS.items() if head.startswith(mark)), None)
    if head[128:132] == b"DICM":
        other = "a DICOM file"
    elif head[257:262] == b"ustar":
        other = "a tar archive: unpack it and name the folder"
    elif other is None and encoding == "utf-8" and b"\0" in head:
        other = "a binary file"
    else:
        other = other or next((n for m, n in _WRITTEN.items() if re.match(rf"\s*{m}", text)), None)
    if other is not None:
        raise InputError(f"{what} is not a file of reports but {other}")
    kind = "jsonl" if text.lstrip().startswith(('{"', "{ ")) else "text"
    return Source(what, kind, file, text, encoding)


def _encoding(head: bytes) -> str:
    """The text's encoding, by its mark, or by where its zero bytes are."""
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    even, odd = head[0::2], head[1::2]
    if len(odd) > 1 and odd.count(0) > 0.7 * len(odd) and not even.count(0):
        return "utf-16-le"
    if len(even) > 1 and even.count(0) > 0.7 * len(even) and not odd.count(0):
        return "utf-16-be"
    return "utf-8"


def _standard_input() -> BinaryIO:
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:  # a program has put text in its place
        return io.BytesIO(sys.stdin.read().encode("utf-8", "surrogateescape"))
    binary: BinaryIO = buffer
    return binary


def _begin(file: BinaryIO, *, rewind: bool) -> tuple[bytes, BinaryIO]:
    """The file's beginning, and the file with its beginning in it again."""
    head = file.read(_HEAD)
    if rewind:
        file.seek(-len(head), io.SEEK_CUR)
        return head, file
    return head, io.BufferedReader(_Rejoined(head, file))  # type: ignore[type-var]


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        block = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(block) :]
        buffer[: len(block)] = block
        return len(block)
