"""CSVs of labels: as the original and this labeler write them, and as MIMIC-CXR ships them.

Each has a column an observation, in any order; 1, 0, -1 (``1.0`` too) or nothing in it.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.text_files import open_source, unharmed
from codixr_bench.labeler.writing import TEXT_COLUMN

STUDY = "study_id"
_VALUES: dict[str, int | None] = {
    "": None, "1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1,
}  # fmt: skip
_NOT_NAMES = {TEXT_COLUMN, "subject_id", *OBSERVATIONS}


@dataclass(frozen=True)
class LabelFile:
    """The labels of a file, in order."""

    path: Path
    names: tuple[str, ...]
    """Columns that can name a report."""
    header: tuple[str, ...]

    def rows(self, name: str | None = None) -> Iterator[tuple[str, Labels]]:
        """Identity (of the column ``name``, or the row's number) and labels.

        InputError names the row that holds no labels.
        """
        places = [self.header.index(observation) for observation in OBSERVATIONS]
        named = None if name is None else self.header.index(name)
        source = open_source(self.path)
        with source.text() as file, unharmed(source.what):
            rows = csv.reader(file)
            next(rows)
            for number, row in enumerate(filter(None, rows), 1):
                if len(row) != len(self.header):
                    raise InputError(
                        f"{source.what}, row {number}: {len(row)} columns under a header of "
                        f"{len(self.header)}"
                    )
                identity = str(number) if named is None else row[named]
                yield identity, _labels(row, places, source.what, number)


def _labels(row: Sequence[str], places: Sequence[int], what: str, number: int) -> Labels:
    try:
        return tuple(_VALUES[row[place].strip()] for place in places)
    except KeyError as error:
        raise InputError(f"{what}, row {number}: a label is not 1, 0, -1 or blank") from error


def open_labels(path: Path) -> LabelFile:
    """A CSV of labels, packed or not; InputError when it is not one."""
    if not path.is_file():
        raise InputError(f"'{path}' does not exist")
    csv.field_size_limit(1 << 30)
    source = open_source(path)
    if source.kind != "text":
        raise InputError(f"{source.what} is a {source.kind} file, not a CSV of labels")
    with source.text() as file, unharmed(source.what):
        header = tuple(next(csv.reader(file), []))
    for name in OBSERVATIONS:
        if header.count(name) != 1:
            times = "no column" if name not in header else "more than one column"
            raise InputError(f"'{path}' has {times} '{name}': it holds no CheXpert labels")
    return LabelFile(path, tuple(n for n in header if n not in _NOT_NAMES and n.strip()), header)


def shared_name(one: LabelFile, other: LabelFile) -> str | None:
    """The column by which two files' reports are matched; None: by their order."""
    if STUDY in one.names and STUDY in other.names:
        return STUDY
    both = [name for name in one.names if name in other.names and name != "row"]
    return both[0] if len(both) == 1 else None
