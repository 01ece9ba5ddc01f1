"""A submission: the results of one model on one track, as ``results/<track>/<model>.json``.

``check_submission`` and ``check_result`` refuse with every problem they find, each with its field.
Nothing here imports torch or opens a study.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.registry import family_of
from codixr_bench.result import Name, Result
from codixr_bench.result_files import (
    LARGEST,
    WrongFieldsError,
    parse,
    read_bytes,
    read_strict,
    result_file,
)
from codixr_leaderboard.checks import Problem, result_problems

RESULTS = Path("leaderboard/results")
MOST_PROBLEMS = 12
"""Shown of one file."""
MOST_EARLIER = 48
"""Results of earlier versions in one file; older ones go."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Submission(BaseModel):
    """What a results file of the leaderboard holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    model: Name
    """As the table shows it; the name in each of the results."""
    submitted: date
    """Breaks ties: who was first."""
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
    with _refused(what):
        return parse(Result, raw, what)


def check_result(result: Result, what: str) -> None:
    """RefusedError, with all reasons, when a result may not be submitted."""
    if problems := result_problems(result):
        raise RefusedError(what, problems)


def read_submission(path: Path) -> Submission:
    """Read and check a results file where it lies: ``…/<track>/<model>.json``.

    Raises RefusedError with every problem: its form, its place, and each of its results.
    """
    what = f"'{path}'"
    raw = read_strict(read_bytes(path, what), what)
    with _refused(what):
        submission = parse(Submission, raw, what)
    problems = list(_whole(submission))
    if path.name != f"{slug(submission.model)}.json":
        problems.append(Problem("model", f"the file of it is {slug(submission.model)}.json"))
    if path.absolute().parent.name != submission.track:
        problems.append(Problem("", f"a result of the track belongs into {submission.track}/"))
    if problems:
        raise RefusedError(what, problems)
    return submission


def submit(
    files: Sequence[Path], root: Path, *, model: str | None = None, today: date | None = None
) -> list[Path]:
    """Check run results and merge them into ``root/<track>/<model>.json``; returns those files.

    Args:
        files: ``result.json`` files, or runs' folders, of one model.
        root: the folder of the leaderboard's results.
        model: the name to show instead of the results' own.
        today: the date of submission; today by default.

    Raises:
        RefusedError: nothing is written then.
    """
    by_track: dict[str, list[Result]] = {}
    for file in files:
        result = read_result(file)
        if model is not None:
            result = _renamed(result, model)
        result = _scored(result)
        check_result(result, f"'{file}'")
        by_track.setdefault(result.track.name, []).append(result)
    names = sorted({result.model.name for results in by_track.values() for result in results})
    if len(names) > 1:
        raise InputError(f"results of several models: {', '.join(names)}; give one name: --model")
    written: list[tuple[Path, Submission]] = []
    for track, results in sorted(by_track.items()):
        if twice := sorted(
            {r.task for r in results if [x.task for x in results].count(r.task) > 1}
        ):
            raise InputError(f"two results of {', '.join(twice)}: submit one a task")
        path = root / track / f"{slug(names[0])}.json"
        fresh = Submission(
            model=names[0],
            submitted=today or date.today(),
            results=tuple(sorted(results, key=lambda r: r.task)),
        )
        if path.exists():
            before = read_submission(path)
            if before.model != names[0]:
                raise InputError(f"'{path}' holds the model '{before.model}': use another --model")
            fresh = before.merged(results).model_copy(update={"submitted": fresh.submitted})
            while fresh.earlier and len(fresh.to_json()) > LARGEST:
                fresh = fresh.model_copy(update={"earlier": fresh.earlier[1:]})
        if problems := list(_whole(fresh)):
            raise RefusedError(f"'{path}'", problems)
        written.append((path, fresh))
    for path, submission in written:
        make_folder(path.parent)
        write_atomically(path, submission.to_json())
    return [path for path, _ in written]


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
        if file.is_file() and file.suffix != ".json":
            raise InputError(f"'{file}' is not a results file; only NAME.json belongs here")
    return [file for file in files if file.is_file()]


def _whole(submission: Submission) -> Iterator[Problem]:
    """What no result shows on its own."""
    tasks = [result.task for result in submission.results]
    if len(set(tasks)) != len(tasks):
        yield Problem("results", "a task more than once")
    if not _SLUG.fullmatch(slug(submission.model)):
        yield Problem("model", "it has no letter or digit of ASCII to name the file by")
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


def _renamed(result: Result, name: str) -> Result:
    model = result.model_copy(
        update={"model": result.model.model_copy(update={"name": name})}
    ).model_dump(mode="json")
    what = f"--model '{name}'"
    with _refused(what):
        return parse(Result, model, what)


def _scored(result: Result) -> Result:
    """Without scores that are null for a reason of the sender's machine, e.g. absent weights."""
    kept = []
    for score in result.scores:
        family = family_of(score.name)
        if score.value is not None or family is None or family.knows_reason(score.reason or ""):
            kept.append(score)
    return result.model_copy(update={"scores": tuple(kept)})


@contextmanager
def _refused(what: str) -> Iterator[None]:
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
    """A field's dotted path; a key that may be anything is not repeated."""
    shown = [str(p) if re.fullmatch(r"[A-Za-z0-9_.\[\] +>-]{1,40}", str(p)) else "?" for p in parts]
    return ".".join(part for part in shown if part != "constrained-str")
