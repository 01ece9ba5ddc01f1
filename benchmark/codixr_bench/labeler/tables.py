"""Tables of reports: CSV with any separator, JSON lines, Parquet.

A CSV without a header is the original's: one column of reports. A first row of names that reports
and their columns usually have is a header, and never a report.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from codixr.errors import InputError
from codixr_bench.labeler.text_files import Source, unharmed
from codixr_bench.labeler.words import word_set

Named = tuple[str, str]
"""Identity and report."""

SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
"""Words for ``--delimiter``; one character stands for itself."""
_TRIED = ",;\t|"
_MAYBE = _TRIED + "^~"
_NAME_WORDS = 3
_REPORTS = frozenset(
    (
        "report", "reports", "text", "texts", "impression", "impressions", "finding", "findings",
        "report text", "report impression", "report findings", "section impression",
        "section findings", "radiology report", "full report", "note", "note text", "full text",
        "findings and impression", "findings impression", "report body", "clean report",
    )
)  # fmt: skip
_NAME = word_set(
    "report text impression finding note conclusion caption narrative transcription sentence "
    "description summary"
)
_OF_A_NAME = _NAME | word_set(
    "radiology section full clean cleaned raw body original generated reference ground truth "
    "predicted prediction candidate hypothesis english free final chest x ray xray cxr and of the"
)
"""A name of such words, one of them of ``_NAME``, is a column of reports too: "cleaned text"."""
_OTHER_COLUMNS = frozenset(
    (
        "study id", "id", "subject id", "dicom id", "image id", "patient id", "report id",
        "note id", "uid", "file", "filename", "file name", "path", "image path", "accession",
        "accession number", "indication", "history", "comparison", "technique", "examination",
        "split",
    )
)  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN = re.compile(r"[_.-]|\d+$")
_LONGEST_NAME = 60
"""Characters."""
_ROWS = 1024


class Columns:
    """Which column holds the reports, and which their names."""

    def __init__(
        self, what: str, names: Sequence[str], column: str | None, identity: str | None
    ) -> None:
        seen = [name for name in names if name.strip()]
        for name in seen:
            if seen.count(name) > 1:
                raise InputError(f"{what} has {seen.count(name)} columns called '{name}'")
        self.report = _only_reports(what, names) if column is None else column
        self.found = column is None
        """Whether the column was found by its name, not asked for."""
        for wanted in (self.report, identity):
            if wanted is not None and wanted not in names:
                raise InputError(f"{what} has no column '{wanted}'; it has: {_listed(names)}")
        self.identity = identity


def _only_reports(what: str, names: Sequence[str]) -> str:
    plain = {name: _plain(name) for name in names}
    likely = [name for name in names if plain[name] in _REPORTS]
    likely = likely or [name for name in names if _names_reports(plain[name])]
    if len(likely) == 1:
        return likely[0]
    why = "more than one column of text" if likely else "no column that is known to hold reports"
    raise InputError(f"{what} has {why}: choose with --column; it has: {_listed(names)}")


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first row names columns."""
    names = map(_plain, cells)
    return any(_names_reports(name) or name in _OTHER_COLUMNS for name in names)


def _names_reports(plain: str) -> bool:
    if plain in _REPORTS:
        return True
    words = {word.removesuffix("s") for word in plain.split()}
    return not words.isdisjoint(_NAME) and words <= _OF_A_NAME


def _plain(name: str) -> str:
    """A column's name in plain words: "Report_Impression", "reportImpression:"."""
    if len(name) > _LONGEST_NAME:
        return name
    words = _HUMP.sub(" ", name.strip()).strip(":").lower()
    return " ".join(_BETWEEN.sub(" ", words).split())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more if names else "none"


# CSV


def separator_of(source: Source, column: str | None) -> str:
    """The separator under which the first row has the column, or a name that reports have."""
    for separator in _TRIED:
        first, second = first_rows(source, separator)
        if column is not None:
            if column in first:
                return separator
        elif len(first) == len(second) > 1 and is_header(first):
            return separator
    return ","


def other_separator(source: Source) -> str:
    """A separator that would make a header of the first row, though none was found or given; ''.

    A report in one column may hold any of these marks; a header's names are short, and the row
    under it is cut as often.
    """
    for separator in _MAYBE:
        first, second = first_rows(source, separator)
        if len(first) != len(second) or len(first) < 2 or not is_header(first):
            continue
        if all(len(name.split()) <= _NAME_WORDS for name in first):
            return separator
    return ""


def first_rows(source: Source, separator: str) -> tuple[list[str], list[str]]:
    """The cells of the first two rows that are not blank."""
    beginning = io.StringIO(source.head, newline="")
    try:
        rows = [*islice(filter(None, csv.reader(beginning, delimiter=separator)), 2), [], []]
    except csv.Error:
        return [], []
    return rows[0], rows[1]


def csv_rows(file: IO[str], what: str, separator: str) -> Iterator[list[str]]:
    """The rows of a CSV, blank ones too; InputError names the row after which it is broken."""
    csv.field_size_limit(1 << 30)
    rows = csv.reader(file, delimiter=separator)
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{what}, after row {number}: broken CSV: {error}") from None
        number += 1
        yield row


def one_column(source: Source, separator: str, *, header: bool) -> Iterator[Named]:
    """Reports of a CSV with one column."""
    number = -1 if header else 0
    for row in _rows(source, separator):
        number += 1
        if len(row) != 1:
            raise InputError(
                f"{source.what}, row {number}: {len(row)} columns where one is expected; quote "
                "reports that hold commas, or name the reports' column with --column, or read one "
                "report a line with --lines"
            )
        if number:
            yield str(number), row[0]


def named_columns(source: Source, separator: str, columns: Columns) -> Iterator[Named]:
    """Reports of a CSV with a header."""
    rows = _rows(source, separator)
    header = next(rows)
    report = header.index(columns.report)
    identity = None if columns.identity is None else header.index(columns.identity)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                f"{source.what}, row {number}: {len(row)} columns under a header of "
                f"{len(header)}; quote reports that hold the separator"
            )
        yield str(number) if identity is None else row[identity], row[report]


def _rows(source: Source, separator: str) -> Iterator[list[str]]:
    with source.text() as file, unharmed(source.what):
        # A blank line is none of the original's rows either.
        yield from filter(None, csv_rows(file, source.what, separator))


# JSON lines and Parquet


def json_lines(source: Source, columns: Columns) -> Iterator[Named]:
    """Reports of JSON objects, one a line."""
    with source.text() as file, unharmed(source.what):
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _object(source.what, number, line)
            missing = {columns.report, columns.identity or columns.report} - row.keys()
            if missing:
                raise InputError(f"{source.what}, line {number}: no field '{min(missing)}'")
            named = str(number) if columns.identity is None else _word(row[columns.identity])
            yield named, _text(source.what, number, row[columns.report])


def json_fields(source: Source) -> list[str]:
    """The fields of the first object."""
    return list(_object(source.what, 1, source.head.lstrip().partition("\n")[0]))


class _TwiceError(ValueError):
    """A field comes twice in one object."""


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _TwiceError
    return fields


def _object(what: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_fields)
    except _TwiceError:
        raise InputError(f"{what}, line {number}: a field comes twice") from None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise InputError(f"{what}, line {number}: not a JSON object; each line must hold one")
    return row


def parquet(what: str, files: Sequence[Path | BinaryIO], columns: Columns) -> Iterator[Named]:
    """Reports of Parquet files."""
    wanted = [name for name in (columns.identity, columns.report) if name is not None]
    number = 0
    for file in files:
        opened = open_parquet(what, file)
        if missing := set(wanted) - set(opened.schema_arrow.names):
            raise InputError(f"'{file}' has no column '{min(missing)}'")
        for batch in opened.iter_batches(_ROWS, columns=wanted):
            rows: Mapping[str, list[Any]] = batch.to_pydict()
            names = rows[columns.identity] if columns.identity is not None else None
            for i, report in enumerate(rows[columns.report]):
                number += 1
                named = str(number) if names is None else _word(names[i])
                yield named, _text(what, number, report)


def open_parquet(what: str, file: Path | BinaryIO) -> Any:
    """A ``pyarrow.parquet.ParquetFile``; InputError where it is broken."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{what} is a broken Parquet file ({type(error).__name__})") from error


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return "" if value is None else str(value)


def _text(what: str, number: int, value: object) -> str:
    """A cell that holds a report; a number is none, but a missing one (NaN) counts as missing."""
    if value is None or isinstance(value, str | bytes) or value != value:
        return _word(value)
    kind = _KINDS.get(type(value), type(value).__name__)
    raise InputError(f"{what}, row {number}: its report is a {kind}, not text")


_KINDS = {dict: "record", list: "list", int: "number", float: "number", bool: "truth value"}
