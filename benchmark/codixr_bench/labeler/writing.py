"""Labels to a file, row by row, in the original's format: there whole, or not at all."""

import csv
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from codixr.atomic import replacing
from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.labeler.labels import Labels

TEXT_COLUMN = "Reports"
_WRITTEN = {1: "1.0", 0: "0.0", -1: "-1.0", None: ""}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor or hides its text; line breaks and tabs stay."""


class LabelWriter:
    """Writes the header, then a row a report: its name or its text or both, fourteen labels.

    The header waits for the first row, so that a file without a report leaves nothing behind.

    Args:
        file: where to write.
        identity: the head of the names' column, or None for no such column.
        with_text: whether to write the reports.
        safe: make the cells safe to open in a spreadsheet or on a terminal.
    """

    def __init__(
        self, file: IO[str], identity: str | None, *, with_text: bool, safe: bool = False
    ) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._named = identity is not None
        self._with_text = with_text
        self._safe = safe
        head = [safe_cell(identity) if safe else identity] if identity is not None else []
        self._head = [*head, *([TEXT_COLUMN] if with_text else []), *OBSERVATIONS]

    def begin(self) -> None:
        """Write the header, unless it is written."""
        if self._head:
            self._rows.writerow(self._head)
            self._head = []

    def write(self, identity: str, report: str, labels: Labels) -> None:
        """Write one row."""
        self.begin()
        row = [identity] if self._named else []
        if self._with_text:
            row.append(report)
        if self._safe:
            row = [safe_cell(cell) for cell in row]
        self._rows.writerow([*row, *(_WRITTEN[label] for label in labels)])


def safe_cell(text: str) -> str:
    """The text without control characters, and with a "'" before what would be a formula."""
    text = _CONTROL.sub("", text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def keep_reports(output: Path | None, reports: str) -> None:
    """InputError where the labels would take their reports' place."""
    place = Path(reports)
    if output is not None and output.is_file() and place.is_file() and output.samefile(place):
        raise InputError(f"'{output}' holds the reports: name another file for the labels")


@contextmanager
def open_output(path: Path | None, *, at_once: bool = False) -> Iterator[IO[str]]:
    """The file to write to, or standard output; a file appears under its name when it is whole.

    ``at_once``: print nothing before all of it is known to be right.
    """
    if path is not None:
        _remove_leftovers(path)
        with (
            replacing(path) as part,
            part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            yield file
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    if not at_once:
        yield sys.stdout
        return
    with tempfile.TemporaryFile(
        "w+", newline="", encoding="utf-8", errors="surrogateescape"
    ) as held:
        yield held
        held.seek(0)
        shutil.copyfileobj(held, sys.stdout)


def _remove_leftovers(path: Path) -> None:
    """Remove the unfinished file of a run that was killed outright, which nothing can tidy."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        number = part.name.removesuffix(".part").rpartition(".")[2]
        if number.isdigit() and not _runs(int(number)):
            with suppress(OSError):
                part.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
