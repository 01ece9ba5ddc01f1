"""The check of a pull request: it reads the request as data and compares it with the base branch.

Nothing of the request is checked out, imported or run: its files are read with ``git show``, their
size looked at first. ``codixr-bench verify --request BASE..HEAD`` calls it from the base branch.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.result_files import LARGEST
from codixr_bench.show.number import number
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.ownership import (
    MAINTAINERS,
    is_reserved,
    may_change,
    taken_name,
    together_problems,
)
from codixr_leaderboard.repository import PLAIN_FILE, Repository
from codixr_leaderboard.request_files import (
    WEEK,
    beside_problems,
    row_of,
    standings_in,
    statistics_reader,
)
from codixr_leaderboard.standing import Standing
from codixr_leaderboard.studies import Studies, in_order
from codixr_leaderboard.submission import RESULTS, RefusedError, Submission, submission_of

_FILE = re.compile(rf"{RESULTS.as_posix()}/([a-z0-9-]{{1,40}})/([a-z0-9-]{{1,80}})\.json")
_MOST_FILES = 200


@dataclass(frozen=True)
class Request:
    """A pull request, as the platform's event tells it."""

    base: str
    """The revision that it is to be merged into."""
    head: str
    author: str
    """The account that opened it: what a row's owner has to be."""
    opened: date


@dataclass
class Report:
    """What a request changes, and why it is refused where it is."""

    problems: list[tuple[str, Problem]] = field(default_factory=list)
    """(file or ``request``, problem); a file's name is never printed as it was sent."""
    changes: list[str] = field(default_factory=list)
    """A line a result that is added or replaced."""
    checked: list[str] = field(default_factory=list)
    """A line a result of the rows that it touches: how far its scores are checked."""

    def refuse(self, where: str, name: str, reason: str) -> None:
        """Add a problem."""
        self.problems.append((where, Problem(name, reason)))


def check_request(repository: Path, request: Request) -> Report:
    """Everything that is wrong with a request, and what it would change.

    A request that touches no result is none of this check's business.

    Raises InputError for a revision that isn't there.
    """
    trees, report = Repository(repository), Report()
    base, head = trees.commit(request.base), trees.commit(request.head)
    fork = trees.git("merge-base", base, head).decode().strip()
    changed = _changed(trees, fork, head)
    touched = [path for path, _ in changed if path.startswith(f"{RESULTS.as_posix()}/")]
    if not touched:
        return report
    if len(changed) > _MOST_FILES:
        report.refuse("request", "", f"more than {_MOST_FILES} files")
        return report
    if len(touched) < len(changed):
        said = "it changes other files too: results come in a request of their own"
        report.refuse("request", "", said)
    there = dict(_all_rows(trees, base))
    sent: dict[str, Submission] = {}
    beside: list[str] = []
    for number_, (path, status) in enumerate(changed):
        if row_of(path) is not None:
            beside.append(path)
        elif path in touched:
            submission = _one(trees, head, path, status, f"file {number_ + 1}", report)
            if submission is not None:
                sent[path] = submission
    for path, submission in sent.items():
        _against_base(path, submission, there, request, report)
    refused = {path for path in touched if path not in sent and row_of(path) is None}
    rows = {path: row for path, row in {**there, **sent}.items() if path not in refused}
    report.problems += beside_problems(
        trees, fork, head, beside, rows, (request.author, request.opened)
    )
    touched_rows = {*sent, *(row for one in beside if (row := row_of(one)))}
    studies = _studies(trees, (base, head), there, {p: rows[p] for p in touched_rows if p in rows})
    for path in sorted(touched_rows & rows.keys()):
        known = dict(standings_in(trees, head, path, rows[path], studies, report.problems))
        report.checked += _checked(rows[path], known)
    kept = [one for path, one in there.items() if path not in sent]
    for one, problem in together_problems(list(sent.values()), kept):
        report.problems.append((_name(one), problem))
    return report


def _studies(
    trees: Repository,
    between: tuple[str, str],
    there: dict[str, Submission],
    changed: dict[str, Submission],
) -> Studies:
    """Every row, those of the base before the ones that the request changes.

    A changed row comes last, whatever day it names: an old row could become a copy of a newer one.
    The project's reference points keep their place, because they say what the studies are.
    """
    base, head = between
    kept = [
        (one, statistics_reader(trees, base, path))
        for path, one in there.items()
        if path not in changed or is_reserved(one.model)
    ]
    fresh = [(one, statistics_reader(trees, head, path)) for path, one in changed.items()]
    return Studies([*in_order(kept), *in_order(fresh)])


def _changed(trees: Repository, fork: str, head: str) -> list[tuple[str, str]]:
    """(path, status letter) of every file that a request changes."""
    text = trees.git("diff", "--name-status", "--no-renames", "-z", fork, head)
    parts = [part.decode("utf-8", "replace") for part in text.split(b"\0") if part]
    return list(zip(parts[1::2], parts[::2], strict=True))


def _all_rows(trees: Repository, revision: str) -> Iterator[tuple[str, Submission]]:
    """The submissions of a revision that pass the check; the paper's rows are no submissions."""
    for path, (_, size) in trees.files(revision, RESULTS.as_posix()).items():
        if _FILE.fullmatch(path) and size <= LARGEST and not Path(path).name.startswith("paper-"):
            try:
                yield path, submission_of(trees.read(revision, path), Path(path), checked=False)
            except InputError:
                continue


def _one(
    trees: Repository, head: str, path: str, status: str, where: str, report: Report
) -> Submission | None:
    """A file of the request, read and checked; None, and a problem, for one that is refused."""
    found = _FILE.fullmatch(path)
    if found is None:
        report.refuse(where, "", f"only {RESULTS.as_posix()}/TRACK/MODEL.json belongs there")
        return None
    if status not in ("A", "M"):
        report.refuse(path, "", "a row is removed by the maintainers only")
        return None
    mode, size = trees.files(head, path).get(path, ("", 0))
    if mode != PLAIN_FILE:
        report.refuse(path, "", "a link, or a file that can be run")
        return None
    if size > LARGEST:
        report.refuse(path, "", f"{size:,} bytes; a results file has at most {LARGEST:,}")
        return None
    try:
        return submission_of(trees.read(head, path), Path(path))
    except RefusedError as error:
        report.problems += [(path, problem) for problem in error.problems]
    except InputError as error:
        report.refuse(path, "", str(error).replace(f"'{path}' ", ""))
    return None


def _against_base(
    path: str,
    submission: Submission,
    there: dict[str, Submission],
    request: Request,
    report: Report,
) -> None:
    """Ownership, dates, versions; and what changes."""
    where, before = _name(submission), there.get(path)
    owner = submission.owner
    if abs(submission.submitted - request.opened) > WEEK:
        report.refuse(where, "submitted", "not within a week of the request")
    if owner is None:
        report.refuse(where, "owner", "missing: `codixr-bench submit --owner ACCOUNT`")
    elif owner != request.author and request.author != MAINTAINERS:
        report.refuse(where, "owner", "not the account that opened the request")
    if before is None:
        others = [s.model for s in there.values() if s.track == submission.track]
        if reason := taken_name(submission.model, owner, others):
            report.refuse(where, "model", reason)
        if submission.earlier:
            report.refuse(where, "earlier", "a new row has no earlier versions")
    else:
        if not may_change(before, owner):
            report.refuse(where, "owner", "the row is another owner's")
        elif before.model != submission.model:
            report.refuse(where, "model", f"the row is called '{before.model}'")
        known = {result.model_dump_json() for result in (*before.results, *before.earlier)}
        if any(result.model_dump_json() not in known for result in submission.earlier):
            report.refuse(where, "earlier", "a version that never stood in the table")
        if before.results and submission.results[0].track != before.results[0].track:
            report.refuse(where, "track", "of other studies than the row before")
    report.changes += _changes(submission, before)


def _changes(submission: Submission, before: Submission | None) -> Iterator[str]:
    """A Markdown line a result; names have passed the check, so they hold no markup."""
    from codixr_leaderboard.accepted import columns

    old = {result.task: result for result in before.results} if before else {}
    for result in submission.results:
        name = next(iter(columns(result)), "")
        new, was = result.score(name), None
        if result.task in old:
            if old[result.task] == result:
                continue
            was = old[result.task].score(name)
        shown = number(name, new.value if new else None)
        task = result.task.replace("->", "→")
        change = f"{number(name, was.value)} → {shown}" if was else f"new, {shown}"
        yield f"{_name(submission)}, {task}: {name} {change}"


def _checked(row: Submission, known: Mapping[str, Standing]) -> Iterator[str]:
    """How far the scores of each result are checked."""
    for task, standing in known.items():
        yield f"{_name(row)}, {task.replace('->', '→')}: {'; '.join(standing.says())}"


def _name(submission: Submission) -> str:
    return f"{submission.track}/{submission.model}"
