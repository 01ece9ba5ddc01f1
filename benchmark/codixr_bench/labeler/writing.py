"""Labels to a file, row by row, in the original's format: there whole, or not at all."""

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.atomic import disk_full, is_disk_full
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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(path.parent) from error
        if error.filename not in (str(part), str(path)):
            raise
        raise InputError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
