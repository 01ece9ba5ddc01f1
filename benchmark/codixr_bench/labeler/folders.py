"""Folders and zip archives with a text file a report, as MIMIC-CXR's reports come.

A report is called by its path inside the folder, e.g. ``files/p10/p10000032/s50414267.txt``.
"""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.labeler.tables import Named
from codixr_bench.labeler.text_files import Source, open_bytes, open_source, text_of

_TEXTS = (".txt", ".txt.gz")
_NOT_A_TEXT = "._"
"""What macOS writes beside each file on another system's disk, and into its zip archives."""


def texts_of(folder: Path) -> tuple[list[Path], str]:
    """The text files of a folder and its subfolders, in order; and a note of what is left out."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    for place, subfolders, names in os.walk(folder):
        subfolders.sort()
        for name in names:
            if name.startswith(_NOT_A_TEXT):
                continue
            if name.lower().endswith(_TEXTS):
                found.append(Path(place, name))
            elif not name.startswith("."):
                others[_ending(name)] += 1
    found.sort(key=lambda path: path.relative_to(folder).parts)
    return found, _left_out(others)


def read_texts(folder: Path, paths: Sequence[Path]) -> Iterator[Named]:
    """The reports of text files."""
    for path in paths:
        name = path.relative_to(folder).as_posix()
        yield name, text_of(open_source(path, may_be_blank=True))


def open_zip(source: Source) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo], str]:
    """A zip archive, its text files in order, and a note of what is left out."""
    try:
        archive = zipfile.ZipFile(source.seekable())
    except zipfile.BadZipFile as error:
        raise InputError(f"{source.what} is a damaged zip archive") from error
    members = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not Path(info.filename).name.startswith(_NOT_A_TEXT)
    ]
    if any(info.filename == "[Content_Types].xml" for info in members):
        raise InputError(f"{source.what} is an Office file: save it as CSV (UTF-8)")
    texts = [info for info in members if info.filename.lower().endswith(_TEXTS)]
    others = Counter(
        _ending(info.filename) for info in members if not info.filename.lower().endswith(_TEXTS)
    )
    if not texts:
        raise InputError(
            f"{source.what} is a zip archive without a .txt file"
            + (f" (it holds {_counted(others)}): unpack it" if others else "")
        )
    if any(info.flag_bits & 1 for info in texts):
        raise InputError(f"{source.what} is locked by a password: unpack it")
    texts.sort(key=lambda info: info.filename.split("/"))
    return archive, texts, _left_out(others)


def read_zip(
    source: Source, archive: zipfile.ZipFile, texts: Sequence[zipfile.ZipInfo]
) -> Iterator[Named]:
    """The reports of a zip archive's text files."""
    with archive:
        for info in texts:
            try:
                content = archive.read(info)
            except (zipfile.BadZipFile, NotImplementedError) as error:
                raise InputError(f"{source.what}: '{info.filename}' is damaged") from error
            what = f"{source.what}: '{info.filename}'"
            yield info.filename, text_of(open_bytes(what, content))


def _ending(name: str) -> str:
    return Path(name).suffix.lower() or "no ending"


def _counted(others: Counter[str]) -> str:
    most = sorted(others.items(), key=lambda item: (-item[1], item[0]))[:5]
    return ", ".join(f"{count:,} {ending}" for ending, count in most)


def _left_out(others: Counter[str]) -> str:
    if not others:
        return ""
    files = "file is" if others.total() == 1 else "files are"
    return f"{others.total():,} {files} not read ({_counted(others)}): only .txt files are"
