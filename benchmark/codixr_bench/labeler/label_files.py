"""CSVs of labels: as the original and this labeler write them, and as MIMIC-CXR ships them.

Each has a column an observation, in any order; 1, 0, -1 (``1.0`` too) or nothing in it.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.text_files import open_source, unharmed
from codixr_bench.labeler.writing import TEXT_COLUMN

STUDY = "study_id"
FILE = "file"
"""What the labels of a folder or an archive are called by; MIMIC-CXR's files are named by study."""
_STUDY = re.compile(r"(?:^|/)s?(\d+)(?:\.0|\.txt(?:\.gz)?)?$")
_SEPARATORS = ",;\t|"
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
    separator: str = ","

    def rows(self, name: str | None = None) -> Iterator[tuple[str, Labels]]:
        """Identity (of the column ``name``, or the row's number) and labels.

        InputError names the row that holds no labels.
        """
        places = [self.header.index(observation) for observation in OBSERVATIONS]
        named = None if name is None else self.header.index(self._column(name))
        source = open_source(self.path)
        with source.text() as file, unharmed(source.what):
            rows = csv.reader(file, delimiter=self.separator)
            next(rows)
            for number, row in enumerate(filter(None, rows), 1):
                if len(row) != len(self.header):
                    raise InputError(
                        f"{source.what}, row {number}: {len(row)} columns under a header of "
                        f"{len(self.header)}"
                    )
                identity = str(number) if named is None else row[named]
                if name == STUDY:
                    identity = study_of(identity)
                yield identity, _labels(row, places, source.what, number)

    def _column(self, name: str) -> str:
        return FILE if name == STUDY and STUDY not in self.header else name


def study_of(name: str) -> str:
    """The study of MIMIC-CXR's ``files/p10/p10000032/s50414267.txt``, as its tables call it.

    "s50414267" and "50414267.0", as programs write it, are the same; any other name stays.
    """
    study = _STUDY.search(name)
    return study[1] if study else name


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
        first = file.readline()
    headers = [(tuple(next(csv.reader([first], delimiter=s), [])), s) for s in _SEPARATORS]
    header, separator = next((h for h in headers if OBSERVATIONS[0] in h[0]), headers[0])
    for name in OBSERVATIONS:
        if header.count(name) != 1:
            times = "no column" if name not in header else "more than one column"
            raise InputError(f"'{path}' has {times} '{name}': it holds no CheXpert labels")
    names = tuple(n for n in header if n not in _NOT_NAMES and n.strip())
    return LabelFile(path, names, header, separator)


def shared_name(names: Sequence[str], others: Sequence[str]) -> str | None:
    """The column by which reports are matched; None: by their order."""
    of_studies = {STUDY, FILE}
    if STUDY in (*names, *others) and of_studies & set(names) and of_studies & set(others):
        return STUDY
    both = [name for name in names if name in others and name != "row"]
    return both[0] if len(both) == 1 else None
