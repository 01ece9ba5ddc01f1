"""What a pull request puts beside rows: their statistics, and who made samples anew.

Read as data with ``git show``, after a look at mode and size. A row's statistics are its owner's;
an attempt to reproduce it is of the account that opened the request, and not the owner's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.comparing.reproduction import Reproduction
from codixr_bench.task import Task
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.ownership import MAINTAINERS, may_change
from codixr_leaderboard.repository import PLAIN_FILE, Repository
from codixr_leaderboard.standing import Standing, read_reproductions, standing_of
from codixr_leaderboard.statistics_file import LARGEST, statistics_path
from codixr_leaderboard.studies import Read, Studies
from codixr_leaderboard.submission import (
    BESIDE,
    GRID_SUFFIX,
    REPRODUCED,
    RESULTS,
    RefusedError,
    Submission,
)

_BESIDE = re.compile(
    rf"({RESULTS.as_posix()}/[a-z0-9-]{{1,40}}/[a-z0-9-]{{1,80}})/([A-Za-z+-]{{1,20}}\.[a-z]{{3,7}})"
)
WEEK = timedelta(days=7)
"""Between what a request's files say of their day and its opening."""
Opened = tuple[str, date]
"""The account that opened a request, and the day."""
Told = Iterator[tuple[str, Problem]]
"""(where, problem)"""


def row_of(path: str) -> str | None:
    """The row that a file lies beside; None for a file that is no such one."""
    found = _BESIDE.fullmatch(path)
    return f"{found[1]}.json" if found and found[2] in BESIDE else None


def beside_problems(
    trees: Repository,
    fork: str,
    head: str,
    changed: Sequence[str],
    rows: Mapping[str, Submission],
    request: Opened,
) -> Told:
    """Files of no row, of another owner's, or of a kind that doesn't belong there."""
    author, _ = request
    for path in changed:
        row = rows.get(row_of(path) or "")
        if row is None:
            yield path, Problem("", "statistics of no row that is accepted")
        elif path.endswith(f"/{REPRODUCED}"):
            yield from _attempt_problems(trees, (fork, head), path, row, request)
        elif path.endswith(GRID_SUFFIX) and author != MAINTAINERS:
            yield path, Problem("", "pictures stand beside the project's own rows only")
        elif not may_change(row, author) and author != MAINTAINERS:
            yield path, Problem("owner", "the statistics of another owner's row")
        elif path not in trees.files(head, path):
            continue  # Removed, by the row's owner.
        elif not any(Path(path).stem == Task.parse(r.task).folder for r in row.results):
            yield path, Problem("", "the row has no result that these are of")


def statistics_reader(trees: Repository, revision: str, path: str) -> Read:
    """Reads the statistics of the row in ``path`` at a revision, by their task."""

    def read(task: str) -> bytes | None:
        name = statistics_path(Path(path), task).as_posix()
        about = trees.files(revision, name).get(name)
        return None if about is None else _read(trees, revision, name, about)

    return read


def standings_in(
    trees: Repository,
    head: str,
    path: str,
    row: Submission,
    studies: Studies,
    problems: list[tuple[str, Problem]],
) -> Iterator[tuple[str, Standing]]:
    """What is known of each result of a row at ``head``, by its task.

    What its statistics don't give is added to ``problems``.
    """
    read = statistics_reader(trees, head, path)
    try:
        attempts = _attempts(trees, head, f"{path.removesuffix('.json')}/{REPRODUCED}")
    except InputError:
        attempts = ()  # Said where that file is checked.
    for result in row.results:
        name = statistics_path(Path(path), result.task).as_posix()
        try:
            content = read(result.task)
            yield result.task, standing_of(result, content, attempts, row.owner, studies)
        except RefusedError as error:
            problems += [(name, problem) for problem in error.problems]
        except InputError as error:
            problems.append((name, Problem("", str(error))))


def _attempt_problems(
    trees: Repository, between: tuple[str, str], path: str, row: Submission, request: Opened
) -> Told:
    """Attempts are added, each by the account that opened the request; none is changed."""
    author, opened = request
    try:
        before, after = (_attempts(trees, revision, path) for revision in between)
    except RefusedError as error:
        for problem in error.problems:
            yield path, problem
        return
    except InputError as error:
        yield path, Problem("", str(error))
        return
    if author == MAINTAINERS:
        return
    if any(one not in after for one in before):
        yield path, Problem("", "an attempt is removed or changed by the maintainers only")
    fresh = [one for one in after if one not in before]
    if any(one.by != author for one in fresh):
        yield path, Problem("by", "not the account that opened the request")
    if any(abs(one.on - opened) > WEEK for one in fresh):
        yield path, Problem("on", "not within a week of the request")
    if any(one.studies > row.results[0].track.n for one in fresh):
        yield path, Problem("studies", f"more than the {row.results[0].track.n:,} of the split")
    if author.casefold() == (row.owner or MAINTAINERS).casefold():
        yield path, Problem("by", "the row's owner; somebody else has to make the samples")


def _attempts(trees: Repository, revision: str, path: str) -> tuple[Reproduction, ...]:
    about = trees.files(revision, path).get(path)
    if about is None:
        return ()
    return read_reproductions(_read(trees, revision, path, about), "it")


def _read(trees: Repository, revision: str, path: str, about: tuple[str, int]) -> bytes:
    mode, size = about
    if mode != PLAIN_FILE:
        raise InputError("a link, or a file that can be run")
    if size > LARGEST:
        raise InputError(f"{size:,} bytes; at most {LARGEST:,}")
    return trees.read(revision, path)
