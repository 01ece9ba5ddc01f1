"""A submission: the results of one model on one track, as ``results/<track>/<model>.json``.

``check_submission`` and ``check_result`` refuse with every problem they find, each with its field.
Nothing here imports torch or opens a study.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.registry import facts_of
from codixr_bench.result import Name, Result, SchemaVersion
from codixr_bench.result_files import (
    WrongFieldsError,
    parse,
    read_bytes,
    read_strict,
    result_file,
)
from codixr_bench.task import GROUPS
from codixr_leaderboard.checks import Problem, looks_like_identifier, result_problems

RESULTS = Path("leaderboard/results")
BEGUN = date(2026, 1, 1)
"""No row is older."""
MOST_PROBLEMS = 12
"""Shown of one file."""
MOST_EARLIER = 48
"""Results of earlier versions in one file; older ones go."""
Owner = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$")]
"""An account's name: letters, digits and hyphens."""
REPRODUCED = "reproduced.json"
"""In a row's folder: who made samples anew, and what came of it."""
GRID_SUFFIX = ".jpg"
BESIDE = frozenset(
    {f"{task.folder}{end}" for task in GROUPS["all"] for end in (".parquet", GRID_SUFFIX)}
    | {REPRODUCED}
)
"""What a row's folder may hold."""
_HUB_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,46}[A-Za-z0-9])?"
_FIELD = re.compile(r"[A-Za-z_]{1,24}|(hyp|ref)_len|(match|total)_\d|ci95|constrained-str|\[key\]")
"""What a schema's field may be called: a word."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Hub(BaseModel):
    """Where a model is: a repository of the Hugging Face hub at one revision, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=f"^{_HUB_PART}/{_HUB_PART}$", max_length=96)]
    """``owner/model``."""
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    """A whole commit: a branch or tag would be another model tomorrow."""


class Submission(BaseModel):
    """What a results file of the leaderboard holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: SchemaVersion = 1
    model: Name
    """As the table shows it; the name in each of the results."""
    submitted: date
    """Breaks ties: who was first."""
    owner: Owner | None = None
    """Whose row it is: the account that may change it. None: the project's."""
    hub: Hub | None = None
    """Where its owner says the model is; nothing is fetched from there."""
    results: tuple[Result, ...] = Field(min_length=1, max_length=24)
    """The newest version's, one a task: what the tables show."""
    earlier: tuple[Result, ...] = Field(default=(), max_length=MOST_EARLIER)
    """Results of earlier versions, oldest first: the curves of the model's page."""

    def to_json(self) -> bytes:
        """UTF-8 JSON; equal submissions give equal bytes."""
        content = self.model_dump(mode="json")
        return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @property
    def track(self) -> str:
        """The name of the track of all results."""
        return self.results[0].track.name

    def merged(self, others: Sequence[Result]) -> Self:
        """With ``others`` in the place of the results of the same task.

        A replaced result of another version is kept in ``earlier``, the last ``MOST_EARLIER`` of
        them; one of the same version is not.
        """
        by_task = {result.task: result for result in self.results}
        kept = [r for r in self.earlier if not any(_same_version(r, new) for new in others)]
        for new in others:
            old = by_task.get(new.task)
            if old is not None and not _same_version(old, new):
                kept.append(old)
            by_task[new.task] = new
        ordered = tuple(by_task[task] for task in sorted(by_task))
        earlier = tuple(kept[-MOST_EARLIER:])
        return self.model_copy(update={"results": ordered, "earlier": earlier})

    def versions(self, task: str) -> tuple[Result, ...]:
        """The results of one task, oldest version first, the newest last."""
        return tuple(r for r in (*self.earlier, *self.results) if r.task == task)


class RefusedError(InputError):
    """A file that fails the check."""

    def __init__(self, what: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [f"\n  {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        if (more := len(self.problems) - MOST_PROBLEMS) > 0:
            shown.append(f"\n  and {more} more")
        super().__init__(f"{what} is refused:{''.join(shown)}")


def slug(name: str) -> str:
    """A model's name as a file's: small letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def read_result(path: Path) -> Result:
    """A run's ``result.json``, or its folder; RefusedError, with every problem, for another."""
    file = result_file(path)
    what = f"'{file}'"
    raw = read_strict(read_bytes(file, what), what)
    with refused(what):
        return parse(Result, raw, what)


def check_result(result: Result, what: str) -> None:
    """RefusedError, with all reasons, when a result may not be submitted."""
    if problems := result_problems(result):
        raise RefusedError(what, problems)


def read_submission(path: Path) -> Submission:
    """Read and check a results file where it lies: ``…/<track>/<model>.json``.

    Raises RefusedError with every problem: its form, its place, and each of its results.
    """
    return submission_of(read_bytes(path, f"'{path}'"), path)


def submission_of(content: bytes, path: Path, *, checked: bool = True) -> Submission:
    """A results file from its content; ``path`` is where it lies, or would lie.

    Raises RefusedError as ``read_submission``; without ``checked`` only for what doesn't fit the
    schema.
    """
    what = f"'{path}'"
    raw = read_strict(content, what)
    with refused(what):
        submission = parse(Submission, raw, what)
    if not checked:
        return submission
    problems = list(problems_of(submission))
    if path.name != f"{slug(submission.model)}.json":
        problems.append(Problem("model", f"the file of it is {slug(submission.model)}.json"))
    if path.absolute().parent.name != submission.track:
        problems.append(Problem("", f"a result of the track belongs into {submission.track}/"))
    if problems:
        raise RefusedError(what, problems)
    return submission


def results_below(path: Path) -> list[Path]:
    """The JSON files at or below ``path``, sorted; InputError when there is nothing to read.

    A link is refused: a pull request could make it lead anywhere.
    """
    if not path.exists():
        raise InputError(f"'{path}' does not exist")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_symlink():
            raise InputError(f"'{file}' is a link; put the file itself there")
        if file.is_file() and file.suffix != ".json" and not _has_row(file):
            raise InputError(
                f"'{file}' is not a results file; only NAME.json belongs here, and NAME/ with the "
                "statistics of its row"
            )
    return [file for file in files if file.is_file() and not _has_row(file)]


def _has_row(file: Path) -> bool:
    """Whether a file lies in the folder of a row: ``NAME/TASK.parquet`` beside ``NAME.json``."""
    return file.name in BESIDE and file.parent.with_name(f"{file.parent.name}.json").is_file()


def problems_of(submission: Submission) -> Iterator[Problem]:
    """What no result shows on its own."""
    tasks = [result.task for result in submission.results]
    if len(set(tasks)) != len(tasks):
        yield Problem("results", "a task more than once")
    if not _SLUG.fullmatch(slug(submission.model)):
        yield Problem("model", "it has no letter or digit of ASCII to name the file by")
    if submission.submitted > date.today() + timedelta(days=1):
        yield Problem("submitted", "a date to come")
    elif submission.submitted < BEGUN:
        yield Problem("submitted", "before there was a leaderboard")
    if submission.hub is not None and looks_like_identifier(submission.hub.name):
        yield Problem("hub.name", "it looks like an identifier or a date")
    if submission.hub is not None and len(set(submission.hub.revision)) == 1:
        yield Problem("hub.revision", "no commit is called so")
    versions = [(result.task, result.model.version) for result in submission.earlier]
    newest = [(result.task, result.model.version) for result in submission.results]
    if len({*versions, *newest}) != len(versions) + len(newest):
        yield Problem("earlier", "a version of a task more than once")
    every = [(f"results.{i}", result) for i, result in enumerate(submission.results)]
    every += [(f"earlier.{i}", result) for i, result in enumerate(submission.earlier)]
    for field, result in every:
        if result.track.name != submission.track:
            yield Problem(f"{field}.track.name", "another track's; one file a track")
        elif result.track != submission.results[0].track:
            yield Problem(f"{field}.track", "of other studies than the first result")
        if result.model.name != submission.model:
            yield Problem(f"{field}.model.name", "not the file's model")
        for problem in result_problems(result):
            yield Problem(f"{field}.{problem.field}", problem.reason)


def _same_version(one: Result, other: Result) -> bool:
    return (one.task, one.model.version) == (other.task, other.model.version)


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turns fields that don't fit the schema into a refusal that lists them all."""
    try:
        yield
    except WrongFieldsError as error:
        problems = [
            _problem(found["loc"], found["msg"].removeprefix("Value error, "))
            for found in error.details
        ]
        raise RefusedError(what, sorted(set(problems), key=str)) from error


def _problem(parts: Sequence[int | str], message: str) -> Problem:
    """The field and the reason; a rule of a whole result names its field in the message."""
    where = _where(parts)
    field, colon, reason = message.partition(": ")
    if colon and re.fullmatch(r"[a-z_0-9.\[\]FL]+", field):
        return Problem(f"{where}.{field}".lstrip("."), reason)
    return Problem(where, message)


def _where(parts: Sequence[int | str]) -> str:
    """A field's dotted path; a key that may be anything, e.g. a sentence, is not repeated."""
    shown = [str(part) if _is_name(part) else "?" for part in parts]
    return ".".join(part for part in shown if part != "constrained-str")


def _is_name(part: int | str) -> bool:
    known = part in OBSERVATIONS or facts_of(str(part)) is not None
    return isinstance(part, int) or known or bool(_FIELD.fullmatch(part))
