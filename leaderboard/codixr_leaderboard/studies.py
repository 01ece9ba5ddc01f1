"""Are a row's statistics of the track's own studies? The row that comes first says what they are.

What the columns say of the studies themselves (labels, references, real pictures) is equal for
every model. The row that the others are held against is the real outputs' where there is one, then
another reference point's, then the oldest.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from codixr.errors import InputError
from codixr_bench.comparing.influences import columns_about_studies
from codixr_bench.metrics.stored_features import FEATURES
from codixr_bench.result import Result
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.ownership import REAL, is_reserved
from codixr_leaderboard.statistics_file import First, Table, read_table
from codixr_leaderboard.submission import Submission, slug
from codixr_leaderboard.truths import deciding_parts

SAME_STUDY = 0.1
"""What two machines may differ by in what they read of the same real picture (logits)."""
SAME_PICTURE = 0.01
"""Of the judge's features: what float16 and two machines make of one picture."""
COPIED = 0.5
"""Share of the studies."""
Read = Callable[[str], bytes | None]
"""Task -> the content of a row's statistics; None without any."""


def in_order(rows: Sequence[tuple[Submission, Read]]) -> list[tuple[Submission, Read]]:
    """Rows in the order in which the others are held against them."""

    def place(row: tuple[Submission, Read]) -> tuple[bool, bool, str, str]:
        one = row[0]
        return one.model != REAL, not is_reserved(one.model), str(one.submitted), one.model

    return sorted(rows, key=place)


class Studies:
    """What rows say of their studies.

    Args:
        rows: each with the reader of its statistics; the first that has a task's speaks for it.
    """

    def __init__(self, rows: Sequence[tuple[Submission, Read]] = ()) -> None:
        self._rows = list(rows)
        self._read: dict[tuple[str, str, str], Table | None] = {}

    def problems(self, model: str, result: Result, table: Table) -> Iterator[Problem]:
        """What the statistics of a model's result say otherwise than the first other row's."""
        first = self.first(model, result)
        if first is not None:
            yield from study_problems(result, table, first)
        for other in self._before(model, result):
            yield from copy_problems(table, other)

    def real(self, model: str, result: Result, table: Table) -> First | None:
        """The real outputs of the same studies, which distances are measured from; None without."""
        if model == REAL:
            return result, table
        first = self.first(model, result)
        return first if first is not None and first[0].model.name == REAL else None

    def first(self, model: str, result: Result) -> First | None:
        """The result that ``model``'s is held against; None where no other row has statistics."""
        return next(self._before(model, result, whole=True), None)

    def _before(self, model: str, result: Result, *, whole: bool = False) -> Iterator[First]:
        """Other rows' results of the same studies, to its own place or the ``whole`` list."""
        for row, read in self._rows:
            if (row.track, slug(row.model)) == (result.track.name, slug(model)):
                if not whole:
                    return
                continue
            other = next((one for one in row.results if one.task == result.task), None)
            if other is None or other.track != result.track:
                continue
            table = self._table(row, other, read)
            if table is not None:
                yield other, table

    def _table(self, row: Submission, result: Result, read: Read) -> Table | None:
        key = (row.track, slug(row.model), result.task)
        if key not in self._read:
            try:
                content = read(result.task)
                found = content and read_table(content, result.track.n, "it")
            except InputError:
                # Said where that row itself is checked.
                found = None
            self._read[key] = found or None
        return self._read[key]


def study_problems(result: Result, table: Table, first: First) -> Iterator[Problem]:
    """What the statistics say of the studies themselves, held against another row's.

    Labels of reports are compared where both results name the same labeler.
    """
    other, columns = first
    same = [
        score.name
        for score in result.scores
        if (twin := other.score(score.name)) is not None
        and deciding_parts(score) == deciding_parts(twin)
    ]
    others = columns_about_studies(columns, same)
    for name, column in columns_about_studies(table, same).items():
        if name in others and not _same(column, others[name]):
            yield Problem("statistics", f"'{name}' is not that of these studies")


def copy_problems(table: Table, other: First) -> Iterator[Problem]:
    """Pictures that are another row's, study by study, by their features."""
    result, columns = other
    for name, mine in table.items():
        theirs = columns.get(name)
        is_judges = name.startswith("fid_phantom") and name.endswith(FEATURES)
        if not is_judges or theirs is None or theirs.shape != mine.shape:
            continue
        apart = np.abs(mine.astype(np.float32) - theirs.astype(np.float32)).max(axis=1)
        share = float((apart <= SAME_PICTURE).mean())
        if share >= COPIED:
            said = f"{share:.0%} of the pictures are those of '{result.model.name}', study by study"
            yield Problem("statistics", said)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, atol=SAME_STUDY, rtol=0.0))
