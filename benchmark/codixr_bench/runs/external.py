"""Samples that another program made: a folder of pictures, and a CSV of reports.

Layouts, both accepted, per output modality F or L; the number is the study's position in the split,
0-based, with or without leading zeros::

    DIR/F/00000.png   DIR/L/00000.png      DIR/00000_F.png   DIR/00000_L.png      DIR/reports.csv

Other names are told by a CSV (``names``) with the columns ``position`` and F or L, or both: a
picture's path under DIR. Pictures are read by the rules of ``codixr.data.picture``, as everywhere.
``reports.csv`` has the columns ``position,report``. Nothing is dropped or replaced, and nothing
resized unless asked for: whatever is wrong is counted, named by its position, and refused.
"""

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from codixr.data.picture import SUFFIXES, fit_square, read_pixels
from codixr.data.radiograph import PictureError
from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Content, Sample
from codixr_bench.task import Task

REPORTS_NAME = "reports.csv"
_SHOWN = 5
_BATCH = 64
_CURE = (
    "score needs every sample of the split, by its position (0-based): F/00000.png or "
    "00000_F.png, and reports.csv with the columns position,report"
)


class _Problems:
    """What is wrong with a folder: kind -> positions, in order of discovery."""

    def __init__(self) -> None:
        self._found: dict[str, list[int | None]] = defaultdict(list)

    def add(self, kind: str, position: int | None) -> None:
        """One problem; ``position`` None where the sample has none."""
        self._found[kind].append(position)

    def raise_if_any(self, folder: Path, n: int) -> None:
        """InputError that counts each kind and names the first positions of each."""
        if not self._found:
            return
        parts = []
        for kind, positions in self._found.items():
            named = sorted({p for p in positions if p is not None})
            shown = ", ".join(map(str, named[:_SHOWN])) + (", …" if len(named) > _SHOWN else "")
            where = f" (position{'s' if len(named) > 1 else ''} {shown})" if named else ""
            parts.append(f"{len(positions)} {kind}{where}")
        raise InputError(f"samples in '{folder}', {n} expected: {'; '.join(parts)}. {_CURE}")


class ExternalSamples:
    """A folder of samples, checked whole before anything is scored.

    Args:
        folder: see the module's docstring.
        task: its outputs have to be there.
        n: studies evaluated: positions 0 to n - 1.
        image_size: side of the track's square pictures.
        resize: pad pictures of another size to a square and resize them, as ``prepare`` does.
        names: CSV of the pictures' names, where they aren't positions.

    Raises:
        InputError: one line with the count and first positions of each kind: missing, extra,
            broken link, corrupt, of several frames, wrong-sized, all-black, with NaN or infinite
            values, outside [0, 1].
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        n: int,
        image_size: int | None,
        *,
        resize: bool = False,
        names: Path | None = None,
    ) -> None:
        if not folder.is_dir():
            raise InputError(f"--samples: '{folder}' is not a folder")
        self.folder = folder
        self.task = task
        self._n = n
        self._size = image_size
        self._resize = resize
        self.notes: Counter[str] = Counter()
        """What the reader noted -> how many pictures."""
        problems = _Problems()
        self._paths: dict[Modality, dict[int, Path]] = {}
        self._reports: dict[int, str] = {}
        for modality in task.outputs:
            if modality.is_image:
                self._paths[modality] = (
                    self._find(modality, problems)
                    if names is None
                    else self._named(names, modality, problems)
                )
                self._check_pictures(modality, problems)
            else:
                self._reports = self._read_reports(problems)
        problems.raise_if_any(folder, n)

    def __len__(self) -> int:
        return self._n

    def batches(self, rank: int = 0, size: int = 1) -> Iterator[tuple[range, list[Sample]]]:
        """(positions, samples) in order, 64 at a time, read from the disk as they are asked for.

        Of ``size`` processes, the share of number ``rank``.
        """
        for start in range(rank * _BATCH, self._n, size * _BATCH):
            positions = range(start, min(start + _BATCH, self._n))
            yield positions, [self._sample(position) for position in positions]

    def _sample(self, position: int) -> Sample:
        sample: dict[Modality, Content] = {}
        for modality in self.task.outputs:
            if modality.is_image:
                sample[modality], _ = self._read(self._paths[modality][position])
            else:
                sample[modality] = self._reports[position]
        return sample

    def _find(self, modality: Modality, problems: _Problems) -> dict[int, Path]:
        nested = self.folder / modality.value
        inside, pattern = (
            (nested, r"(\d+)") if nested.is_dir() else (self.folder, rf"(\d+)_{modality.value}")
        )
        paths: dict[int, Path] = {}
        for path in sorted(inside.iterdir()):
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            match = re.fullmatch(pattern, path.stem)
            if match is None:
                # In the flat layout, a name may belong to the other view.
                if inside == nested or not re.fullmatch(r"\d+_[FL]", path.stem):
                    problems.add(f"{modality} whose names hold no position", None)
                continue
            position = int(match[1])
            if position >= self._n or position in paths:
                problems.add(f"extra {modality}", position)
            else:
                paths[position] = path
        for position in range(self._n):
            if position not in paths:
                problems.add(f"missing {modality}", position)
        return paths

    def _named(self, table: Path, modality: Modality, problems: _Problems) -> dict[int, Path]:
        """Position → the path that the CSV of names gives."""
        paths: dict[int, Path] = {}
        for row in _rows(table, {"position", modality.value}):
            digits, name = (row["position"] or "").strip(), (row[modality.value] or "").strip()
            if not (digits.isascii() and digits.isdigit()):
                problems.add(f"{modality} whose position is not a number", None)
            elif int(digits) >= self._n or int(digits) in paths:
                problems.add(f"extra {modality}", int(digits))
            elif name:
                paths[int(digits)] = self.folder / name
        for position in range(self._n):
            if position not in paths:
                problems.add(f"missing {modality}", position)
        return paths

    def _check_pictures(self, modality: Modality, problems: _Problems) -> None:
        for position, path in sorted(self._paths[modality].items()):
            try:
                picture, notes = self._read(path)
            except PictureError as error:
                problems.add(f"{error.fault} {modality}", position)
                continue
            self.notes.update(notes)
            if fault := self._fault(picture):
                problems.add(f"{fault} {modality}", position)

    def _read(self, path: Path) -> tuple[Image, tuple[str, ...]]:
        """One picture, float32 [1, S, S], and the reader's notes."""
        found = read_pixels(path)
        if self._resize and self._size is not None:
            return fit_square(found.pixels, self._size), found.notes
        return found.pixels[None], found.notes

    def _fault(self, picture: Image) -> str | None:
        _, height, width = picture.shape
        side = self._size or height
        if (height, width) != (side, side):
            return f"wrong-sized (not {side}×{side}; `score --resize` makes them so)"
        return "all-black" if picture.max() == 0 else None

    def _read_reports(self, problems: _Problems) -> dict[int, str]:
        path = self.folder / REPORTS_NAME
        if not path.is_file():
            raise InputError(f"'{path}' is missing. {_CURE}")
        reports: dict[int, str] = {}
        for row in _rows(path, {"position", "report"}):
            self._take_report(row, reports, problems)
        for position in range(self._n):
            if position not in reports:
                problems.add("missing T", position)
        return reports

    def _take_report(
        self, row: dict[str, str | None], reports: dict[int, str], problems: _Problems
    ) -> None:
        digits, report = (row["position"] or "").strip(), row["report"]
        if not (digits.isascii() and digits.isdigit()):
            problems.add("T whose position is not a number", None)
        elif int(digits) >= self._n or int(digits) in reports:
            problems.add("extra T", int(digits))
        elif report is None:
            problems.add("corrupt T", int(digits))
            reports[int(digits)] = ""
        else:
            # An empty report is a report: it scores as empty, never skipped.
            reports[int(digits)] = report


def _rows(path: Path, columns: set[str]) -> Iterator[dict[str, str | None]]:
    """The rows of a UTF-8 CSV that has ``columns``; InputError where it can't be read."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not columns <= set(rows.fieldnames or ()):
                raise InputError(f"'{path}' lacks the columns {','.join(sorted(columns))}")
            yield from rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        kind = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise InputError(f"'{path}' cannot be read as a UTF-8 CSV: {kind}") from error
