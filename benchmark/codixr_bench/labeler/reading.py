"""Where reports come from: a table, a folder or an archive of texts, prepared data, or a pipe.

Reports are read one after the other, whatever the size of the file. No message quotes a report; it
names the file and the row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codixr.errors import InputError
from codixr.user_paths import is_folder, is_there
from codixr_bench.labeler import folders, tables
from codixr_bench.labeler.tables import Columns, Named
from codixr_bench.labeler.text_files import Source, open_source, unharmed


@dataclass(frozen=True)
class Reading:
    """How to read: the arguments of ``codixr-bench label`` that say so."""

    column: str | None = None
    """The reports' column; without it one is known by its name, or there is one column only."""
    identity: str | None = None
    """The column to call reports by in the output."""
    delimiter: str | None = None
    """A CSV's separator; without it the first row tells."""
    lines: bool = False
    """Plain text, one report a line."""


@dataclass(frozen=True)
class Reports:
    """Reports, and what to call them in the output."""

    rows: Iterator[Named]
    """Identity and report, in order; to be read once."""
    identity: str
    """The head of the identities' column: ``row``, ``file``, or a column's own name."""
    with_text: bool
    """Whether the output holds the reports themselves, as the original's does."""
    notes: tuple[str, ...] = ()


def open_reports(place: str, reading: Reading | None = None) -> Reports:
    """Find out what ``place`` is: a path, or ``-`` for standard input.

    Raises InputError when it is not there, cannot be read, or an argument doesn't go with it.
    """
    reading = reading or Reading()
    if place == "-":
        return _file(open_source(None), reading)
    path = Path(place)
    if is_folder(path):
        return _folder(path, reading)
    if not is_there(path):
        raise InputError(f"'{path}' does not exist")
    return _file(open_source(path), reading)


def _folder(path: Path, reading: Reading) -> Reports:
    if (path / "manifest.json").is_file():
        _refuse(reading, "prepared data", "lines", "delimiter")
        files = sorted(path.glob("*.parquet"))
        if not files:
            raise InputError(f"'{path}' has a manifest.json and no .parquet file")
        names = tables.open_parquet(f"'{files[0]}'", files[0]).schema_arrow.names
        columns = Columns(
            f"'{files[0]}'", names, reading.column or "report", reading.identity or "study_id"
        )
        return Reports(
            tables.parquet(f"'{path}'", files, columns), str(columns.identity), with_text=False
        )
    _refuse(reading, "a folder of texts", "lines", "delimiter", "column", "identity")
    texts, left_out = folders.texts_of(path)
    if not texts:
        raise InputError(
            f"'{path}' holds no .txt file and no prepared data (manifest.json)"
            + (f"; {left_out}" if left_out else "")
        )
    notes = (left_out,) if left_out else ()
    return Reports(folders.read_texts(path, texts), "file", with_text=False, notes=notes)


def _file(source: Source, reading: Reading) -> Reports:
    if source.kind == "zip":
        _refuse(reading, "a zip archive", "lines", "delimiter", "column", "identity")
        archive, texts, left_out = folders.open_zip(source)
        notes = (left_out,) if left_out else ()
        return Reports(
            folders.read_zip(source, archive, texts), "file", with_text=False, notes=notes
        )
    if source.kind == "parquet":
        _refuse(reading, "a Parquet file", "lines", "delimiter")
        file = source.seekable()
        names = tables.open_parquet(source.what, file).schema_arrow.names
        columns = Columns(source.what, names, reading.column, reading.identity)
        return _of_columns(tables.parquet(source.what, [file], columns), columns)
    if reading.lines:
        _refuse(reading, "a file of lines", "delimiter", "column", "identity")
        return Reports(_lines(source), "row", with_text=True)
    if source.kind == "jsonl":
        _refuse(reading, "a file of JSON lines", "delimiter")
        columns = Columns(source.what, tables.json_fields(source), reading.column, reading.identity)
        return _of_columns(tables.json_lines(source, columns), columns)
    return _csv(source, reading)


def _csv(source: Source, reading: Reading) -> Reports:
    separator = reading.delimiter or tables.separator_of(source, reading.column)
    cells, _ = tables.first_rows(source, separator)
    named = reading.column is not None or reading.identity is not None
    if not named and len(cells) == 1:
        if other := tables.other_separator(source):
            raise InputError(
                f"{source.what}: its first row is a header with the separator {other!r}: "
                f"--delimiter {other!r}"
            )
        header = tables.is_header(cells)
        if header:
            Columns(source.what, cells, None, None)
        notes = (
            (f"the first row, '{cells[0].strip()}', is a header, not a report",) if header else ()
        )
        rows = tables.one_column(source, separator, header=header)
        return Reports(rows, "row", with_text=True, notes=notes)
    if not named and not tables.is_header(cells):
        # Refused at its first row, which has too many columns.
        rows = tables.one_column(source, separator, header=False)
        return Reports(rows, "row", with_text=True)
    columns = Columns(source.what, cells, reading.column, reading.identity)
    rows = tables.named_columns(source, separator, columns)
    return _of_columns(rows, columns, with_text=columns.identity is None)


def _of_columns(rows: Iterator[Named], columns: Columns, *, with_text: bool = False) -> Reports:
    notes = (f"reports are read from the column '{columns.report}'",) if columns.found else ()
    return Reports(rows, columns.identity or "row", with_text=with_text, notes=notes)


def _lines(source: Source) -> Iterator[Named]:
    with source.text() as file, unharmed(source.what):
        for number, line in enumerate(file, 1):
            yield str(number), line.rstrip("\r\n")


_OPTIONS = {
    "lines": "--lines",
    "delimiter": "--delimiter",
    "column": "--column",
    "identity": "--id",
}


def _refuse(reading: Reading, what: str, *names: str) -> None:
    for name in names:
        if getattr(reading, name):
            raise InputError(f"{_OPTIONS[name]} doesn't go with {what}")
