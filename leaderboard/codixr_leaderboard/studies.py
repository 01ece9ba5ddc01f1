"""Are a row's statistics of the track's own studies? The row that comes first says what they are.

What the columns say of the studies themselves (labels, references, real pictures) is equal for
every model. The row that the others are held against is the real outputs' where there is one, then
another reference point's, then the oldest.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from codixr.errors import InputError
from codixr_bench.comparing.influences import columns_about_studies
from codixr_bench.metric import INFLUENCE
from codixr_bench.metrics.stored_features import FEATURES
from codixr_bench.registry import family_of
from codixr_bench.result import Result
from codixr_bench.score import Score, Unrelated
from codixr_bench.statistics.influence import PSEUDOVALUE
from codixr_bench.task import Task
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.mixtures import mixture_problems
from codixr_leaderboard.ownership import REAL, is_reserved
from codixr_leaderboard.statistics_file import First, Table, read_table
from codixr_leaderboard.submission import Submission, slug
from codixr_leaderboard.truths import deciding_parts

SAME_STUDY = 0.1
"""What two machines may differ by in what they read of the same real picture (logits)."""
SAME_UNRELATED = 0.01
"""What two machines may differ by in a distance of unrelated real pictures, relative above 1."""
SAME_SCALE = 0.01
"""And in the scores of ``constant`` and of the ceiling, relative above 1."""
SAME_PICTURE = 0.01
"""Of the judge's features: what float16 and two machines make of one picture."""
NEAR = 0.25
"""Of the distance from a real picture to the next real one, in the judge's features (median): a
picture nearer than that to one of the test split was made from it."""
COPIED = 0.5
"""Share of the studies."""
COPIED_REPORTS = 0.9
"""Of the reports: honest ones are short and often alike. Of the reference points and codixr, F->T,
at most 0.35 are another's."""
_OF_REPORTS = ("bleu.", "report_labels.")
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
            if first[0].model.name == REAL:
                yield from column_problems(result, table, first)
        taken = np.zeros(result.track.n, dtype=np.bool_)
        before = list(self._before(model, result))
        real = first if first is not None and first[0].model.name == REAL else None
        if model != REAL:
            yield from mixture_problems(table, real, [o for o in before if o[0].model.name != REAL])
        for other in before:
            found = list(copy_problems(table, other))
            yield from found
            yield from report_copy_problems(result, table, other)
            if not found:
                taken |= copied(table, other)
        if taken.mean() >= COPIED:
            said = f"{taken.mean():.0%} of the pictures are those of other rows, taken together"
            yield Problem("statistics", said)
        yield from self._of_other_tasks(model, result, table)

    def _of_other_tasks(self, model: str, result: Result, table: Table) -> Iterator[Problem]:
        """Samples of another row that were made with other inputs, e.g. with the report too."""
        if is_reserved(model):
            return
        for is_own, row, other, beside in self._other_tasks(model, result):
            share = 0.0 if is_own else same_samples(result, table, beside)
            if share >= COPIED:
                said = f"{share:.0%} of the samples are those of '{row.model}' at {other.task}"
                yield Problem("statistics", said)

    def same_as(self, model: str, result: Result, table: Table) -> tuple[str, ...]:
        """The row's own other tasks with the same samples: of what is read of inputs nothing else.

        An honest model that reads less than it is given has such ones; so has a row that was given
        more than its task gives.
        """
        return tuple(
            other.task
            for is_own, _, other, beside in self._other_tasks(model, result)
            if is_own and same_samples(result, table, beside) >= COPIED
        )

    def _other_tasks(
        self, model: str, result: Result
    ) -> Iterator[tuple[bool, Submission, Result, Table]]:
        """(is it the row's own, row, result, statistics) of other tasks with the same outputs."""
        outputs = Task.parse(result.task).outputs
        for row, read in self._rows:
            is_own = (row.track, slug(row.model)) == (result.track.name, slug(model))
            for other in row.results:
                if other.track != result.track or other.task == result.task:
                    continue
                if Task.parse(other.task).outputs != outputs:
                    continue
                table = self._table(row, other, read)
                if table is not None:
                    yield is_own, row, other, table

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
    for score in result.scores:
        twin = other.score(score.name)
        if score.name in same and twin is not None and _apart(score.unrelated, twin.unrelated):
            where = f"scores.{score.name}.unrelated"
            yield Problem(where, f"not that of '{other.model.name}', of the same studies")
        if twin is not None and twin.signature == score.signature and _other_scale(score, twin):
            said = f"of another scale than that of '{other.model.name}', of the same studies"
            yield Problem(f"scores.{score.name}.skill", said)
    others = columns_about_studies(columns, same)
    for name, column in columns_about_studies(table, same).items():
        if name in others and not _same(column, others[name]):
            yield Problem("statistics", f"'{name}' is not that of these studies")


def _apart(one: Unrelated | None, other: Unrelated | None) -> bool:
    """Whether distances of unrelated real pictures differ, which no model has a part in."""
    if one is None or other is None:
        return (one is None) != (other is None)
    return abs(one.value - other.value) > SAME_UNRELATED * max(1.0, abs(other.value))


def _other_scale(one: Score, other: Score) -> bool:
    """Whether two skills are between other ends: the constant's score and the ceiling's."""
    if one.skill is None or other.skill is None:
        return False
    ends = [(skill.constant, skill.ceiling) for skill in (one.skill, other.skill)]
    return one.skill.of != other.skill.of or any(
        mine is not None and (its is None or abs(mine - its) > SAME_SCALE * max(1.0, abs(its)))
        for mine, its in zip(*ends, strict=True)
    )


def column_problems(result: Result, table: Table, first: First) -> Iterator[Problem]:
    """Columns that no statistics of this task have: numbers that nothing here reads.

    A score that the first row has no value of may bring columns of its own.
    """
    named = {score.name for score in result.scores}
    named |= {family.name for name in named if (family := family_of(name)) is not None}
    kinds = named - {_kind(column) for column in first[1]}
    more = sum(c not in first[1] and _kind(c) not in kinds for c in table)
    if more:
        said = f"{more} columns that '{first[0].model.name}' doesn't have: score again without"
        yield Problem("statistics", f"{said} plug-ins")


def copy_problems(table: Table, other: First) -> Iterator[Problem]:
    """Pictures that are another row's, by their features, study by study or in another order.

    Of the real pictures near ones count too: nobody makes them without having seen them.
    """
    result, columns = other
    is_real = result.model.name == REAL
    for ours, others in _features(table, columns):
        nearest = nearest_of(ours, others)
        by_study = float((np.abs(ours - others).max(axis=1) <= SAME_PICTURE).mean())
        anywhere = float(_same_pictures(ours, others, nearest).mean())
        near = _near_share(ours, others, nearest) if is_real else 0.0
        named = f"of the pictures are those of '{result.model.name}'"
        if by_study >= COPIED:
            yield Problem("statistics", f"{by_study:.0%} {named}, study by study")
        elif anywhere >= COPIED:
            yield Problem("statistics", f"{anywhere:.0%} {named}, in another order")
        elif near >= COPIED:
            yield Problem("statistics", f"{near:.0%} {named}, with a little noise")
    same = same_answers(table, columns)
    if same >= COPIED:
        said = f"{same:.0%} of what the judges say is what they say of '{result.model.name}'"
        yield Problem("statistics", said)


def copied(table: Table, other: First) -> np.ndarray:
    """[n]: which pictures are one of another row's, by every judge whose features both carry."""
    found = [
        _same_pictures(ours, others, nearest_of(ours, others))
        for ours, others in _features(table, other[1])
    ]
    return np.all(found, axis=0) if found else np.zeros(1, dtype=np.bool_)


def same_answers(table: Table, other: Table) -> float:
    """The share of studies whose probabilities are those of another row's study, to the last bit.

    Two pictures that differ never have ten equal ones; features that were moved a little do.
    """
    shares = [0.0]
    for kind in ("classification", "second_classification"):
        own = [
            name
            for name, column in sorted(table.items())
            if name.startswith(f"{kind}[") or name.startswith(f"{kind}.")
            if ".probability." in name and column.dtype.kind == "f" and name in other
        ]
        views = {name.partition(".")[0] for name in own}
        for view in views:
            names = [name for name in own if name.partition(".")[0] == view]
            mine, theirs = (
                Counter(map(tuple, np.column_stack([side[name] for name in names]).tolist()))
                for side in (table, other)
            )
            shares.append((mine & theirs).total() / max(1, mine.total()))
    return max(shares)


def _features(table: Table, other: Table) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both rows' features of a judge, view by view, [n, d] each."""
    for name, mine in table.items():
        theirs = other.get(name)
        is_judges = name.startswith("fid_phantom") and name.endswith(FEATURES)
        if is_judges and theirs is not None and theirs.shape == mine.shape:
            yield mine.astype(np.float32), theirs.astype(np.float32)


def _same_pictures(ours: np.ndarray, others: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(ours - others[nearest]).max(axis=1) <= SAME_PICTURE)


def _kind(column: str) -> str:
    """Whose a column is: a score's with its view, or a family's without."""
    owner = column.partition(".")[0]
    return owner if column.endswith((PSEUDOVALUE, INFLUENCE)) else owner.partition("[")[0]


def same_samples(result: Result, table: Table, other: Table) -> float:
    """The share of samples that are another result's of the same outputs; reports in any order.

    Of reports alone only where nearly all are: honest ones are short and often alike.
    """
    shares = [same_answers(table, other)]
    for ours, others in _features(table, other):
        shares.append(float((np.abs(ours - others).max(axis=1) <= SAME_PICTURE).mean()))
    if len(shares) == 1 and (reports := _report_share(result, table, other)) >= COPIED_REPORTS:
        shares.append(reports)
    return max(shares)


def report_copy_problems(result: Result, table: Table, other: First) -> Iterator[Problem]:
    """Reports that are another row's: what counts of their words and labels show, in any order."""
    share = _report_share(result, table, other[1])
    if share >= COPIED_REPORTS:
        said = f"{share:.0%} of the reports are those of '{other[0].model.name}'"
        yield Problem("statistics", said)


def _report_share(result: Result, table: Table, columns: Table) -> float:
    about = columns_about_studies(table, [score.name for score in result.scores])
    own = [
        name
        for name, column in sorted(table.items())
        if name.startswith(_OF_REPORTS) and name not in about and column.dtype.kind in "iub"
    ]
    if not own or any(name not in columns for name in own):
        return 0.0
    mine, theirs = (
        Counter(map(tuple, np.column_stack([side[name] for name in own]).tolist()))
        for side in (table, columns)
    )
    return (mine & theirs).total() / max(1, mine.total())


def nearest_of(mine: np.ndarray, theirs: np.ndarray, *, apart: bool = False) -> np.ndarray:
    """[n]: for each row of ``mine`` the nearest of ``theirs``; ``apart``: not the one of its place.

    Args:
        mine: [n, d] features.
        theirs: [m, d] features.
    """
    squared = (theirs**2).sum(axis=1)[None, :] - 2.0 * (mine @ theirs.T)
    if apart:
        np.fill_diagonal(squared, np.inf)
    return np.asarray(squared.argmin(axis=1))


def _near_share(mine: np.ndarray, real: np.ndarray, nearest: np.ndarray) -> float:
    """The share of pictures far nearer to a real one than real ones are to each other."""
    usual = np.linalg.norm(real - real[nearest_of(real, real, apart=True)], axis=1)
    away = np.linalg.norm(mine - real[nearest], axis=1)
    return float((away <= NEAR * np.median(usual)).mean())


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, atol=SAME_STUDY, rtol=0.0))
