"""What is known of a row's result: self-reported, statistics checked, or reproduced.

On simulated tracks only results with checked statistics are ranked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from codixr.errors import InputError
from codixr_bench.comparing.reproduction import Reproduction, digest
from codixr_bench.result import Result
from codixr_bench.result_files import parse, read_bytes, read_strict
from codixr_bench.score import ResultWarning
from codixr_leaderboard.accepted import track_of
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.doubts import doubts_of
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.grids import check_grid, grid_path, may_have_grids
from codixr_leaderboard.judging import judging_problems
from codixr_leaderboard.ownership import MAINTAINERS
from codixr_leaderboard.report_evidence import reports_evidence
from codixr_leaderboard.stated import Silence, remade, silences
from codixr_leaderboard.statistics_file import LARGEST, Table, read_table, statistics_path
from codixr_leaderboard.studies import Read, Studies, in_order
from codixr_leaderboard.submission import (
    BEGUN,
    GRID_SUFFIX,
    REPRODUCED,
    RefusedError,
    Submission,
    refused,
    slug,
    submission_of,
)


class Badge(StrEnum):
    """How much of a result somebody else has seen."""

    SELF_REPORTED = "self-reported"
    """The file's own arithmetic is checked."""
    CHECKED = "statistics checked"
    """Scores were computed anew from what each study gave."""
    REPRODUCED = "reproduced"
    """Somebody else made samples anew, and they gave the same statistics.

    Another's attempt that differs stands beside the badge and doesn't take it away: an attempt can
    fail for reasons of its own, and anybody can open an account.
    """


class Reproductions(BaseModel):
    """What ``reproduced.json`` of a row holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reproductions: tuple[Reproduction, ...] = Field(max_length=200)


@dataclass(frozen=True)
class Standing:
    """What is known of one result."""

    badge: Badge = Badge.SELF_REPORTED
    recomputed: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()
    """Scores of answers that can't be asked again, and are of a kind that there can be."""
    unchecked: tuple[str, ...] = ()
    """Scores that only fit the influences that the file states."""
    attempts: tuple[Reproduction, ...] = ()
    """Of this version and these statistics, by others than the owner; newest first."""
    remade: tuple[str, ...] = ()
    """Of the bounded and unchecked ones, those that an equal rerun compared study by study."""
    silences: tuple[Silence, ...] = ()
    """Warnings that take a rank, and that are absent on the submitter's word."""
    same_as: tuple[str, ...] = ()
    """Other tasks of its row with the same samples."""
    table: Table | None = None
    warnings: tuple[ResultWarning, ...] = ()
    """Why a reader should doubt it."""
    fault: str = ""
    """Why statistics that are there show nothing: they don't give the scores, or are damaged."""

    @property
    def stated(self) -> tuple[str, ...]:
        """Scores that are the submitter's word: neither computed anew nor compared by a rerun."""
        return tuple(n for n in (*self.bounded, *self.unchecked) if n not in self.remade)

    def says(self) -> list[str]:
        """Lines for whoever checks a row: its badge, how many scores are checked how far."""
        badge = str(self.badge)
        if self.differing:
            badge += "; somebody's own samples gave other statistics"
        if self.badge is Badge.SELF_REPORTED:
            return [badge]
        counts = [f"{len(self.recomputed)} scores recomputed"]
        for kind, names in (("bounded", self.bounded), ("unchecked", self.unchecked)):
            if left := [name for name in names if name not in self.remade]:
                counts.append(f"{len(left)} {kind}")
        if self.remade:
            counts.append(f"{len(self.remade)} bounded and compared by a rerun")
        lines = [badge, ", ".join(counts)]
        if self.same_as:
            lines.append(f"the same samples as at {', '.join(self.same_as)}")
        if self.silences:
            codes = ", ".join(code for code, _ in self.silences)
            lines.append(f"self-reported: that there is no warning of {codes}")
        return lines

    @property
    def differing(self) -> tuple[Reproduction, ...]:
        """Attempts that came to other statistics."""
        return tuple(one for one in self.attempts if not one.is_equal)


Standings = Mapping[tuple[str, str, str], Standing]
"""(track, the model's file name, task) -> what is known."""


def standing_of(
    result: Result,
    statistics: bytes | None,
    attempts: tuple[Reproduction, ...] = (),
    owner: str | None = None,
    studies: Studies | None = None,
) -> Standing:
    """Check a result's statistics, where there are any.

    Args:
        result: what they have to give.
        statistics: the content of the row's file.
        attempts: to reproduce it.
        owner: whose own attempts don't count.
        studies: other rows, for what the statistics say of the studies themselves.

    Raises RefusedError for statistics that don't give the result's scores or are of other studies,
    InputError for a file that is none, and for one of a track of patients.
    """
    if statistics is None:
        return Standing(warnings=doubts_of(result))
    what = f"the statistics of {result.task}"
    if not track_of(result).simulated:
        raise InputError(f"{what}: those of a track of patients stay on the machine that made them")
    table = read_table(statistics, result.track.n, what)
    of_reports = reports_evidence(result, table, statistics, what)
    studies = studies or Studies()
    name = result.model.name
    real = studies.real(name, result, table)
    try:
        found = evidence_of(result, table, real, of_reports.counted)
        others = studies.problems(name, result, table)
        judged = judging_problems(result, table)
        problems = [*found.problems, *of_reports.problems, *judged, *others]
        warnings = doubts_of(result, table, real)
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what}: columns of a form that no run writes") from error
    if problems:
        raise RefusedError(what, problems)
    sha256 = digest(statistics)
    ours = [
        one
        for one in attempts
        if (one.task, one.model_version, one.statistics_sha256)
        == (result.task, result.model.version, sha256)
        and one.studies <= result.track.n
        and one.by.casefold() != (owner or MAINTAINERS).casefold()
    ]
    ours.sort(key=lambda one: (one.on, one.by), reverse=True)
    known = Standing(
        Badge.REPRODUCED if any(one.counts for one in ours) else Badge.CHECKED,
        recomputed=found.recomputed,
        bounded=found.bounded,
        unchecked=found.unchecked,
        attempts=tuple(ours),
        same_as=studies.same_as(name, result, table),
        table=table,
        warnings=warnings,
    )
    if known.badge is Badge.REPRODUCED:
        known = replace(known, remade=remade((*known.bounded, *known.unchecked), table))
    silent = silences(result, known.stated, beside_real=real is not None)
    return replace(known, silences=silent)


def read_reproductions(content: bytes, what: str) -> tuple[Reproduction, ...]:
    """The attempts that a ``reproduced.json`` tells of; RefusedError for another file."""
    raw = read_strict(content, what)
    with refused(what):
        found = parse(Reproductions, raw, what).reproductions
    if len(set(found)) != len(found):
        raise RefusedError(what, [Problem("reproductions", "the same attempt twice")])
    wrong = [one for one in found if one.equal > one.studies]
    if wrong:
        raise RefusedError(what, [Problem("equal", "more than the studies that were made")])
    if any(not BEGUN <= one.on <= date.today() + timedelta(days=1) for one in found):
        raise RefusedError(what, [Problem("on", "to come, or before there was a leaderboard")])
    return found


def standings_of(
    path: Path, submission: Submission, studies: Studies | None = None, *, strict: bool = True
) -> dict[tuple[str, str, str], Standing]:
    """What is known of each result of the row in ``path``, by the files beside it.

    Statistics that ``standing_of`` refuses raise, or, unless ``strict``, leave their result
    self-reported, with the ``fault``.

    Raises InputError for another file in the row's folder.
    """
    _check_folder(path, submission)
    attempts: tuple[Reproduction, ...] = ()
    if (file := path.with_suffix("") / REPRODUCED).is_file():
        attempts = read_reproductions(read_bytes(file, f"'{file}'"), f"'{file}'")
    read, found = reader_of(path), {}
    for result in submission.results:
        key = (submission.track, slug(submission.model), result.task)
        try:
            content = read(result.task)
            found[key] = standing_of(result, content, attempts, submission.owner, studies)
        except InputError as error:
            if strict:
                raise
            found[key] = Standing(fault=str(error), warnings=doubts_of(result))
    return found


def reader_of(path: Path) -> Read:
    """Reads the statistics of the row in ``path``, by their task."""

    def read(task: str) -> bytes | None:
        file = statistics_path(path, task)
        return read_bytes(file, f"'{file}'", largest=LARGEST) if file.is_file() else None

    return read


def rows_in(folder: Path) -> list[tuple[Submission, Read]]:
    """The rows of a folder, whether they pass the check or not, in the order of ``Studies``."""
    rows = []
    for file in sorted(folder.glob("*.json")):
        if not file.is_symlink():
            try:
                content = read_bytes(file, f"'{file}'")
                rows.append((submission_of(content, file, checked=False), reader_of(file)))
            except InputError:
                continue
    return in_order(rows)


def _check_folder(path: Path, submission: Submission) -> None:
    folder, tasks = path.with_suffix(""), {result.task for result in submission.results}
    expected = {statistics_path(path, task).name for task in tasks} | {REPRODUCED}
    if may_have_grids(submission):
        expected |= {grid_path(path, task).name for task in tasks}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.is_symlink() or not file.is_file():
            raise InputError(f"'{file}' is no plain file; put the file itself there")
        if file.name not in expected:
            raise InputError(f"'{file}': the row has no result that this is of")
        if file.suffix == GRID_SUFFIX:
            check_grid(read_bytes(file, f"'{file}'"), f"'{file}'")
