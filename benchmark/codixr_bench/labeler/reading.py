"""Where reports come from: a CSV, a folder of texts, prepared data, a Parquet file, standard input.

Reports are read one after the other, whatever the size of the file. Bytes that are no UTF-8 pass
through unharmed: the labeler ignores what is not ASCII, and writes back what it read. No message
quotes a report; it names the file and the row.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from codixr.errors import InputError

HEADERS = frozenset(("report", "reports", "text", "impression", "findings", "study_id", "id"))
_ROWS = 1024


@dataclass(frozen=True)
class Reports:
    """Reports, and what to call them in the output."""

    read: Callable[[], Iterator[tuple[str, str]]]
    """Gives (identity, report), in order."""
    identity: str
    """The head of the identities' column: ``row``, ``file``, or a column's own name."""
    with_text: bool
    """Whether the output holds the reports themselves, as the original's does."""
    note: str = ""


def open_reports(
    source: str, column: str | None = None, id_column: str | None = None, *, lines: bool = False
) -> Reports:
    """Find out what ``source`` is.

    Args:
        source: a path, or ``-`` for standard input.
        column: the reports' column; without it a CSV is the original's: one column, no header.
        id_column: the column to call reports by in the output.
        lines: the file is plain text, one report a line.

    Raises InputError when it is not there, or is of no kind that can be read.
    """
    if source == "-":
        if column or id_column:
            raise InputError("--column and --id need a file: standard input is read once")
        what = "standard input"
        return Reports(lambda: _rows(_stdin(), what, lines), "row", with_text=True)
    path = Path(source)
    if path.is_dir():
        if (path / "manifest.json").is_file():
            return _prepared(path, column or "report", id_column or "study_id")
        return _texts(path)
    if not path.is_file():
        raise InputError(f"'{path}' does not exist")
    if path.suffix == ".parquet":
        return _parquets([path], column or "report", id_column)
    if column is None and id_column is not None:
        raise InputError("--id names a column of a file with a header: name the reports' --column")
    if column is not None:
        return _named_columns(path, column, id_column)
    first = next(_rows(_open(path), f"'{path}'", lines), ("", ""))[1]
    note = ""
    if first.strip().lower() in HEADERS:
        note = (
            "the first row looks like a header, and is labelled as a report (the original's files "
            f"have none); name the column: --column {first.strip()}"
        )
    return Reports(lambda: _rows(_open(path), f"'{path}'", lines), "row", with_text=True, note=note)


def _open(path: Path) -> IO[str]:
    try:
        return path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error


def _stdin() -> IO[str]:
    stream = sys.stdin
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    return stream


def _rows(file: IO[str], what: str, lines: bool) -> Iterator[tuple[str, str]]:
    """One column without a header, or one report a line."""
    with file:
        if lines:
            for number, line in enumerate(file, 1):
                yield str(number), line.rstrip("\r\n")
            return
        number = 0
        for row in _csv_rows(file, what):
            if not row:
                continue  # a blank line, which the original's reader skips too
            number += 1
            if len(row) != 1:
                raise InputError(
                    f"{what}, row {number}: {len(row)} columns where one is expected; quote "
                    "reports that hold commas, or name the reports' column with --column, or read "
                    "one report a line with --lines"
                )
            yield str(number), row[0]


def _csv_rows(file: IO[str], what: str) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 30)
    rows = csv.reader(file)
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{what}, after row {number}: no CSV: {error}") from None
        number += 1
        yield row


def _named_columns(path: Path, column: str, id_column: str | None) -> Reports:
    with _open(path) as file:
        header = next(_csv_rows(file, f"'{path}'"), [])
    place = _place(path, header, column)
    id_place = None if id_column is None else _place(path, header, id_column)

    def read() -> Iterator[tuple[str, str]]:
        with _open(path) as file:
            rows = _csv_rows(file, f"'{path}'")
            next(rows)
            for number, row in enumerate(rows, 1):
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"'{path}', row {number}: {len(row)} columns under a header of "
                        f"{len(header)}; quote reports that hold commas"
                    )
                yield str(number) if id_place is None else row[id_place], row[place]

    return Reports(read, id_column or "row", with_text=id_column is None)


def _place(path: Path, header: list[str], column: str) -> int:
    if column not in header:
        raise InputError(
            f"'{path}' has no column '{column}'; it has: {', '.join(header[:12]) or 'none'}"
        )
    return header.index(column)


def _texts(folder: Path) -> Reports:
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise InputError(f"'{folder}' holds no .txt file and no prepared data (manifest.json)")

    def read() -> Iterator[tuple[str, str]]:
        for path in paths:
            with _open(path) as file:
                yield path.name, file.read()

    return Reports(read, "file", with_text=False)


def _prepared(folder: Path, column: str, id_column: str) -> Reports:
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise InputError(f"'{folder}' has a manifest.json and no .parquet file")
    return _parquets(paths, column, id_column)


def _parquets(paths: list[Path], column: str, id_column: str | None) -> Reports:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [column] if id_column is None else [id_column, column]

    def open_one(path: Path) -> Any:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"'{path}' is no Parquet file ({type(error).__name__})") from error
        names = file.schema_arrow.names
        for name in wanted:
            if name not in names:
                raise InputError(f"'{path}' has no column '{name}'; it has: {', '.join(names)}")
        return file

    def read() -> Iterator[tuple[str, str]]:
        number = 0
        for path in paths:
            for batch in open_one(path).iter_batches(_ROWS, columns=wanted):
                columns: Mapping[str, list[Any]] = batch.to_pydict()
                ids = columns[id_column] if id_column is not None else None
                for i, report in enumerate(columns[column]):
                    number += 1
                    text = "" if report is None else str(report)
                    yield str(ids[i]) if ids is not None else str(number), text

    open_one(paths[0])
    return Reports(read, id_column or "row", with_text=False)
