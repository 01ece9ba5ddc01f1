"""Which results stand in one table, in which order, with which rank.

One table holds results of the same studies (track, version, fingerprint, split, n), the same task
and the same signatures of every score it shows; anything else is another table. The first score
ranks. A result's rank is one more than the number of results that are better beyond doubt: whose
interval lies wholly on the better side of its own. So results whose intervals overlap tie, and the
order inside a tie is by value, then the narrower interval, then the date, then the name. Built-in
reference points (``REFERENCES``) stand in their place without a rank.

On simulated tracks only results with checked statistics are ranked, and nowhere one with a warning
of ``score.UNRANKED``; the others stand in their place without a rank. Overlap is that of unpaired
intervals, which is cautious; how sure a rank is, paired resamples of the statistics say
(``resampling``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from codixr_bench.result import Result, TrackInfo
from codixr_bench.score import ResultWarning, Score
from codixr_bench.task import GROUPS, Task
from codixr_leaderboard.accepted import columns, track_of, tracks
from codixr_leaderboard.doubts import takes_rank
from codixr_leaderboard.ownership import REFERENCES
from codixr_leaderboard.resampling import Sureness, sureness_of
from codixr_leaderboard.standing import Badge, Standing, Standings
from codixr_leaderboard.submission import Submission, slug

_ORDER = [task.name for task in GROUPS["all"]]


@dataclass(frozen=True, slots=True)
class Row:
    """One result in its table."""

    rank: int | None
    """None for a reference point, for one in doubt, and without statistics on a simulated track."""
    tied: bool
    """Whether another result has the same rank."""
    result: Result
    submitted: date
    scores: tuple[Score | None, ...]
    """In the order of the table's columns."""
    standing: Standing = field(default=Standing(), compare=False)
    sureness: Sureness | None = None
    """Of the rank; None without one."""

    @property
    def is_reference(self) -> bool:
        """Whether it is one of the built-in models that show the scale."""
        return self.result.model.name in REFERENCES

    @property
    def warnings(self) -> tuple[ResultWarning, ...]:
        """Why a reader should doubt it, one a code."""
        both = (*self.standing.warnings, *self.result.warnings)
        return tuple({warning.code: warning for warning in both}.values())

    @property
    def slug(self) -> str:
        """The model's file name, without its ending."""
        return slug(self.result.model.name)

    @property
    def is_self_reported(self) -> bool:
        """Whether nothing of it was computed anew."""
        return self.standing.badge == Badge.SELF_REPORTED

    def is_stated(self, score: str) -> bool:
        """Whether a score is the submitter's word, in a table of some that are not."""
        simulated = track_of(self.result).simulated
        return (self.is_self_reported and simulated) or score in self.standing.stated

    def states(self, names: Sequence[str]) -> bool:
        """Whether it has a value of one of these scores on its submitter's word."""
        scores = (s for s in self.result.scores if s.name in names and s.value is not None)
        return any(self.is_stated(score.name) for score in scores)


@dataclass(frozen=True, slots=True)
class Board:
    """One table."""

    track: TrackInfo
    task: str
    columns: tuple[str, ...]
    """Names of scores; the first ranks."""
    signatures: tuple[str, ...]
    rows: tuple[Row, ...]
    number: int = 1
    """Of the tables of this track and task: the one with most rows is the first."""
    of: int = 1

    @property
    def racing(self) -> tuple[Row, ...]:
        """The rows that have a rank."""
        return tuple(row for row in self.rows if row.rank is not None)

    def states(self, names: Sequence[str]) -> bool:
        """Whether a row's value of one of these scores is its submitter's word."""
        return any(row.states(names) for row in self.rows)

    @property
    def silences(self) -> tuple[str, ...]:
        """Warnings that rows haven't on their submitters' word; reference points aside."""
        rows = [row for row in self.rows if not row.is_reference]
        return tuple(dict.fromkeys(code for row in rows for code, _ in row.standing.silences))

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the scores that its rows have beside ``columns``."""
        named = dict.fromkeys(s.name for row in self.rows for s in row.result.scores)
        return tuple(name for name in named if name not in self.columns)

    @property
    def stem(self) -> str:
        """Its page's file name, without ending."""
        stem = f"{self.track.name}-{Task.parse(self.task).folder.lower().replace('+', '')}"
        return stem if self.number == 1 else f"{stem}-{self.number}"


Entry = tuple[Result, date, Standing]
"""A result, the day it was submitted, and what is known of it."""


def boards(submissions: Sequence[Submission], standings: Standings | None = None) -> list[Board]:
    """All tables, in the order of tracks, tasks, and rows they have.

    ``standings`` says what is known of each result; where it says nothing, it is self-reported.
    """
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for submission in submissions:
        for result in submission.results:
            key = (result.track, result.task, measured(result))
            name = (submission.track, slug(submission.model), result.task)
            known = (standings or {}).get(name, Standing())
            groups.setdefault(key, []).append((result, submission.submitted, known))
    tables: dict[tuple[str, str], list[Board]] = {}
    for found in groups.values():
        first = found[0][0]
        board = Board(first.track, first.task, columns(first), measured(first), ranked(found))
        tables.setdefault((first.track.name, first.task), []).append(board)
    ordered = []
    for _, same in sorted(tables.items(), key=lambda item: _place(*item[0])):
        same.sort(key=lambda b: (-len(b.rows), b.track.fingerprint, b.track.n, b.signatures))
        ordered += [
            Board(b.track, b.task, b.columns, b.signatures, b.rows, number, len(same))
            for number, b in enumerate(same, start=1)
        ]
    return ordered


def measured(result: Result) -> tuple[str, ...]:
    """The signatures of the scores that its table shows."""
    found = (result.score(name) for name in columns(result))
    return tuple(score.signature if score else "" for score in found)


def ranked(results: Sequence[Entry]) -> tuple[Row, ...]:
    """Rows of one table in order; all need a value of the first column."""
    if not results:
        return ()
    names = columns(results[0][0])
    sign = -1.0 if _score(results[0][0], names[0]).higher_is_better else 1.0

    def order(entry: Entry) -> tuple[float, float, date, str]:
        score = _score(entry[0], names[0])
        low, high = _interval(score, 1.0)
        return (sign * _number(score), high - low, entry[1], entry[0].model.name)

    ordered = sorted(results, key=order)
    # Smaller is better from here on: both ends are turned round for the other direction.
    intervals = [_interval(_score(result, names[0]), sign) for result, _, _ in ordered]
    races = [_races(result, known, names[0]) for result, _, known in ordered]
    ranks = [
        1 + sum(other[1] < own[0] for other, r in zip(intervals, races, strict=True) if r)
        if runs
        else None
        for own, runs in zip(intervals, races, strict=True)
    ]
    racing = [entry for entry, runs in zip(ordered, races, strict=True) if runs]
    tables = [(_score(result, names[0]), known.table) for result, _, known in racing]
    sure = iter(sureness_of(tables, results[0][0].track.n))
    return tuple(
        Row(
            rank=rank,
            tied=rank is not None and ranks.count(rank) > 1,
            result=result,
            submitted=day,
            scores=tuple(result.score(name) for name in names),
            standing=known,
            sureness=next(sure) if rank is not None else None,
        )
        for rank, (result, day, known) in zip(ranks, ordered, strict=True)
    )


def _races(result: Result, known: Standing, first: str) -> bool:
    """Whether a result takes part: its statistics have to give the score that ranks."""
    stated = (*known.bounded, *known.unchecked)
    is_checked = known.badge != Badge.SELF_REPORTED and first not in stated
    is_shown = not track_of(result).simulated or is_checked
    is_doubted = takes_rank((*result.warnings, *known.warnings))
    return is_shown and not is_doubted and result.model.name not in REFERENCES


def _score(result: Result, name: str) -> Score:
    score = result.score(name)
    if score is None or score.value is None:
        raise ValueError(f"a result without {name} has no rank")
    return score


def _number(score: Score) -> float:
    return score.value if score.value is not None else 0.0


def _interval(score: Score, sign: float) -> tuple[float, float]:
    value = _number(score)
    low, high = score.ci95 or (value, value)
    return (sign * low, sign * high) if sign > 0 else (sign * high, sign * low)


def _place(track: str, task: str) -> tuple[int, int]:
    return (list(tracks()).index(track), _ORDER.index(task) if task in _ORDER else len(_ORDER))
