"""The tables of a CT collection: which volume has which report, patient and labels.

Notable:
- Comma, semicolon or tab; UTF-8 or UTF-16. ``nan`` is an empty label.
- Columns are known by the names that collections give them (any case); CT-RATE's tables are read
  as they are.
- Labels where the names agree; what a table doesn't label is unknown, never negative.
- Messages name files, columns and rows, never a cell.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codixr.data.labels import OBSERVATIONS
from codixr.data.manifest import SourceFile
from codixr.errors import InputError

VOLUME_COLUMNS = ("volumename", "volume", "filename", "file", "imagename", "image")
REPORT_COLUMNS = (
    "impression", "impressions", "impressions_en", "report", "findings", "findings_en",
)  # fmt: skip
PATIENT_COLUMNS = ("patient", "patient_id", "patientid", "subject_id", "subject")
SAME_AS = {"lung nodule": "Lung Lesion"}
"""Label names of others that mean one of ours; equal names need no entry."""
VOLUME_SUFFIXES = (".nii.gz", ".nii")
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Of projections, in tables and folders."""

CT_RATE = re.compile(r"((?:train|valid)_\d+)_([a-z]+)_\d+")
"""A volume's name in CT-RATE: its patient, and which of the scans."""
_LABEL_OF = {name.lower(): name for name in OBSERVATIONS} | SAME_AS
_VALUES = {"1": 1, "0": 0, "-1": -1, "": None, "nan": None}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_Labels = dict[str, tuple[int | None, ...]]


@dataclass(frozen=True, slots=True)
class CtTables:
    """The reports' table, and what it and the labels' table say of each volume."""

    rows: list[dict[str, str]]
    volume_column: str
    report_column: str
    patient_column: str | None
    labels: _Labels
    """Volume → a label an observation."""
    labelled: frozenset[str]
    """The observations that some column labels."""
    sources: dict[str, SourceFile]


def read_tables(reports: Path, labels: Path | None) -> CtTables:
    """Read the table of reports, and that of labels where there is one.

    InputError: a file that can't be read, without rows, without a column for volumes or reports, or
    with a label that isn't 1, 0, -1 or nothing.
    """
    rows, source = read_rows(reports)
    columns = list(rows[0])
    volume_column = _column(columns, VOLUME_COLUMNS, reports, "the volumes' names")
    report_column = _column(columns, REPORT_COLUMNS, reports, "the reports")
    patient_column = next((c for c in columns if c.lower() in PATIENT_COLUMNS), None)
    sources = {"reports": source}
    known = _labels_of(rows, volume_column, reports)
    labelled = set(_label_columns(rows).values())
    if labels is not None:
        extra, sources["labels"] = read_rows(labels)
        named = _column(list(extra[0]), VOLUME_COLUMNS, labels, "the volumes' names")
        known |= _labels_of(extra, named, labels)
        labelled |= set(_label_columns(extra).values())
    return CtTables(
        rows, volume_column, report_column, patient_column, known, frozenset(labelled), sources
    )


def read_rows(path: Path) -> tuple[list[dict[str, str]], SourceFile]:
    """A table's rows, column -> cell; InputError: unreadable, no table, no rows."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content[:2] in _UTF_16 else "utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(",;\t", key=header.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}; give a CSV table") from None
    except (UnicodeDecodeError, csv.Error) as error:
        kind = type(error).__name__  # the message could quote a report
        raise InputError(f"'{path}' is not a CSV table in UTF-8 or UTF-16 ({kind})") from None
    if not rows:
        raise InputError(f"'{path}' has no rows; give a CSV with a header and a row a volume")
    return rows, SourceFile(sha256=hashlib.sha256(content).hexdigest(), rows=len(rows))


def _column(columns: Sequence[str], known: Iterable[str], path: Path, what: str) -> str:
    by_name = {column.strip().lower(): column for column in columns}
    for name in known:
        if name in by_name:
            return by_name[name]
    raise InputError(f"'{path}' has no column for {what}: name it one of {', '.join(known)}")


def _label_columns(table: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The columns that hold labels -> the observation each means."""
    named = {column: _LABEL_OF.get(column.strip().lower()) for column in table[0]}
    return {column: name for column, name in named.items() if name is not None}


def _labels_of(table: Sequence[Mapping[str, str]], volume_column: str, path: Path) -> _Labels:
    """Volume's name -> a label an observation; empty for a table without label columns."""
    columns = _label_columns(table)
    if not columns:
        return {}
    found: _Labels = {}
    for place, row in enumerate(table, 1):
        known: dict[str, int | None] = dict.fromkeys(OBSERVATIONS)
        for column, name in columns.items():
            text = row[column].strip().lower().removesuffix(".0")
            if text not in _VALUES:
                raise InputError(
                    f"'{path}', row {place}, column '{column}': a label is 1, 0, -1 or nothing"
                )
            known[name] = _VALUES[text]
        labels = tuple(known[name] for name in OBSERVATIONS)
        # As for reports, the first row counts.
        found.setdefault(volume_name(row[volume_column]), labels)
    return found


def scan_name(volume: str) -> str:
    """The scan that a volume is of: CT-RATE has several reconstructions of one."""
    match = CT_RATE.fullmatch(volume)
    return f"{match[1]}_{match[2]}" if match else volume


def volume_name(name: str) -> str:
    """A volume's name as a table and a folder both give it: no path, no suffix."""
    last = name.strip().replace("\\", "/").rstrip("/").rpartition("/")[2]
    for suffix in (*VOLUME_SUFFIXES, *_PICTURE_SUFFIXES):
        if last.endswith(suffix):
            return last.removesuffix(suffix)
    return last
