"""Labels to a file, row by row, in the original's format: there whole, or not at all."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from codixr.atomic import replacing
from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.labels import Labels

TEXT_COLUMN = "Reports"
_WRITTEN = {1: "1.0", 0: "0.0", -1: "-1.0", None: ""}


class LabelWriter:
    """Writes the header, then a row a report: its name or its text or both, fourteen labels."""

    def __init__(self, file: IO[str], identity: str | None, *, with_text: bool) -> None:
        self._rows = csv.writer(file, lineterminator="\n")
        self._named = identity is not None
        self._with_text = with_text
        head = [identity] if identity is not None else []
        self._rows.writerow([*head, *([TEXT_COLUMN] if with_text else []), *OBSERVATIONS])

    def write(self, identity: str, report: str, labels: Labels) -> None:
        """Write one row."""
        row = [identity] if self._named else []
        if self._with_text:
            row.append(report)
        self._rows.writerow([*row, *(_WRITTEN[label] for label in labels)])


@contextmanager
def open_output(path: Path | None) -> Iterator[IO[str]]:
    """The file to write to, or standard output; a file appears under its name when it is whole."""
    if path is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
        yield sys.stdout
        return
    with (
        replacing(path) as part,
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield file
