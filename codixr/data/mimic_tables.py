"""The tables and reports of a MIMIC-CXR download, read as they are; nothing is decided here.

The metadata, split and label tables come with MIMIC-CXR-JPG only, so users of the DICOM release
need both. Reports are one text file a study, in a folder or in ``mimic-cxr-reports.zip``.
Messages name files and columns, never a cell.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import SourceFile
from codixr.errors import InputError

METADATA_COLUMNS = ("dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate", "StudyTime")
SPLIT_COLUMNS = ("dicom_id", "study_id", "subject_id", "split")
LABEL_COLUMNS = ("subject_id", "study_id", *OBSERVATIONS)
VIEW_HINTS = ("ViewCodeSequence_CodeMeaning", "PerformedProcedureStepDescription")
MAX_REPORT_BYTES = 1 << 20

SUBJECT = re.compile(r"\d{8}")
STUDY = re.compile(r"\d{8}")
PICTURE = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as strings, its file's name, and what the manifest says about it."""

    rows: pd.DataFrame
    name: str
    source: SourceFile


def read_table(folder: Path, kind: str, columns: Sequence[str]) -> Table:
    """``mimic-cxr-*-KIND.csv.gz`` (or .csv) in ``folder``, every cell a string.

    InputError when there is none, or several; when it can't be read, lacks a column, or differs
    from the SHA256SUMS.txt beside it.
    """
    pattern = f"mimic-cxr-*-{kind}.csv"
    found = sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.gz")})
    if not found:
        raise InputError(
            f"'{folder}' has no table {pattern}.gz: it comes with MIMIC-CXR-JPG (not with the "
            "DICOM release); name its folder with --tables"
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"'{folder}' has {len(found)} tables of one kind ({names}); keep one")
    path = found[0]
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, EOFError, ValueError, pd.errors.ParserError) as error:
        kind_of_error = type(error).__name__  # the message itself could quote a cell
        raise InputError(f"'{path}' cannot be read ({kind_of_error}); download it again") from None
    if missing := [name for name in columns if name not in rows.columns]:
        raise InputError(
            f"'{path}' lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            "is it MIMIC-CXR's table?"
        )
    expected = _checksums(folder).get(path.name, digest)
    if expected != digest:
        raise InputError(f"'{path}' differs from its SHA256SUMS.txt; download it again")
    return Table(rows, path.name, SourceFile(sha256=digest, rows=len(rows)))


def _checksums(folder: Path) -> Mapping[str, str]:
    try:
        lines = (folder / "SHA256SUMS.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1].lstrip("*"): pair[0].lower() for pair in pairs if len(pair) == 2}


class ReportStore:
    """The report files, in a folder or a zip archive; safe to read from several threads.

    InputError when ``place`` is neither.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._zip: zipfile.ZipFile | None = None
        self._names: frozenset[str] = frozenset()
        if place.is_file():
            try:
                self._zip = zipfile.ZipFile(place)
            except (zipfile.BadZipFile, OSError):
                raise InputError(
                    f"--reports: '{place}' is not a zip archive; give the reports' zip or a folder"
                ) from None
            self._names = frozenset(self._zip.namelist())
        elif not place.is_dir():
            raise InputError(f"--reports: '{place}' does not exist")

    def read(self, subject: str, study: str) -> bytes | None:
        """The file's bytes, or None where there is no such file; ValueError: it can't be read."""
        name = f"files/p{subject[:2]}/p{subject}/s{study}.txt"
        try:
            if self._zip is not None:
                if name not in self._names:
                    return None
                if self._zip.getinfo(name).file_size > MAX_REPORT_BYTES:
                    raise ValueError("far too large for a report")
                return self._zip.read(name)
            path = self.place / name
            if not path.is_file():
                return None
            if path.stat().st_size > MAX_REPORT_BYTES:
                raise ValueError("far too large for a report")
            return path.read_bytes()
        except (OSError, zipfile.BadZipFile, RuntimeError):
            raise ValueError("the report file cannot be read") from None


def report_text(content: bytes) -> str:
    """A report's text with plain line ends; ValueError when it isn't text."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the report file is not UTF-8 text") from None
    if "\0" in text:
        raise ValueError("the report file is not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
