"""From a run's results to a row: ``codixr-bench submit``."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.registry import family_of
from codixr_bench.result import Result
from codixr_bench.result_files import LARGEST, STATISTICS_NAME, parse, result_file
from codixr_leaderboard.accepted import track_of
from codixr_leaderboard.grids import grid_path, may_have_grids, smaller_grid
from codixr_leaderboard.ownership import REAL, may_change, taken_name
from codixr_leaderboard.standing import rows_in, standing_of
from codixr_leaderboard.statistics_file import slim, statistics_path
from codixr_leaderboard.studies import Studies
from codixr_leaderboard.submission import (
    Hub,
    RefusedError,
    Submission,
    check_result,
    problems_of,
    read_result,
    read_submission,
    refused,
    results_below,
    slug,
)


def submit(
    files: Sequence[Path],
    root: Path,
    *,
    model: str | None = None,
    owner: str | None = None,
    hub: str | None = None,
    replace: bool = False,
    today: date | None = None,
) -> list[Path]:
    """Check run results and merge them into ``root/<track>/<model>.json``; returns its files.

    On simulated tracks the ``statistics.parquet`` beside each result goes to
    ``root/<track>/<model>/<TASK>.parquet``, without its wide columns.

    Args:
        files: ``result.json`` files, or runs' folders, of one model.
        root: the folder of the leaderboard's results.
        model: the name to show instead of the results' own.
        owner: the account whose row it is.
        hub: where the model is, ``OWNER/NAME@REVISION`` of the Hugging Face hub.
        replace: whether results of the row's tasks may give way.
        today: the date of submission; today by default.

    Raises:
        InputError: another owner's row or name, or a task that would be replaced unasked.
        RefusedError: a result that fails the check. Nothing is written in either case.
    """
    by_track: dict[str, list[Result]] = {}
    statistics: dict[tuple[str, str], bytes | None] = {}
    grids: dict[tuple[str, str], Path] = {}
    for file in files:
        result = read_result(file)
        if model is not None:
            result = _renamed(result, model)
        result = _scored(result)
        check_result(result, f"'{file}'")
        by_track.setdefault(result.track.name, []).append(result)
        studies = Studies(rows_in(root / result.track.name))
        statistics[result.track.name, result.task] = _statistics(file, result, studies)
        grids[result.track.name, result.task] = result_file(file).with_name("grid.png")
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
            owner=owner,
            hub=None if hub is None else _hub(hub),
            results=tuple(sorted(results, key=lambda r: r.task)),
        )
        if path.exists():
            fresh = _merged(path, fresh, replace=replace)
        elif reason := taken_name(names[0], owner, _models(path.parent)):
            raise InputError(f"--model '{names[0]}': {reason}")
        if problems := list(problems_of(fresh)):
            raise RefusedError(f"'{path}'", problems)
        written.append((path, fresh))
    return _written(written, statistics, grids)


def _written(
    rows: Sequence[tuple[Path, Submission]],
    statistics: Mapping[tuple[str, str], bytes | None],
    grids: Mapping[tuple[str, str], Path],
) -> list[Path]:
    """Write rows and what lies beside them; (track, task) -> what there is."""
    made: list[Path] = []
    for path, submission in rows:
        make_folder(path.parent)
        write_atomically(path, submission.to_json())
        made.append(path)
        for (track, task), content in sorted(statistics.items()):
            beside = statistics_path(path, task)
            if track == submission.track and content is not None:
                make_folder(beside.parent)
                write_atomically(beside, content)
                made.append(beside)
            elif track == submission.track:
                # Those of the result that gave way would be another result's.
                beside.unlink(missing_ok=True)
        for (track, task), picture in grids.items():
            if track == submission.track and may_have_grids(submission):
                beside = grid_path(path, task)
                beside.unlink(missing_ok=True)
                if picture.is_file():
                    make_folder(beside.parent)
                    write_atomically(beside, smaller_grid(picture))
                    made.append(beside)
    return made


def _statistics(file: Path, result: Result, studies: Studies) -> bytes | None:
    """What the row carries of a result's statistics; None without any, and for real patients.

    Raises RefusedError for those that don't give the result's scores, or are of other studies.
    """
    beside = result_file(file).with_name(STATISTICS_NAME)
    if not track_of(result).simulated or not beside.is_file():
        return None
    content = slim(beside, others=result.model.name == REAL)
    standing_of(result, content, studies=studies)
    return content


def _merged(path: Path, fresh: Submission, *, replace: bool) -> Submission:
    """A row with new results in it; InputError where that isn't allowed."""
    before = read_submission(path)
    if before.model != fresh.model:
        raise InputError(f"'{path}' holds the model '{before.model}': use another --model")
    if not may_change(before, fresh.owner):
        whose = f"'{before.owner}'" if before.owner else "the project"
        raise InputError(
            f"'{path}' is a row of {whose}: use another --model, or --owner if it is yours"
        )
    there = {result.task for result in before.results}
    again = sorted(result.task for result in fresh.results if result.task in there)
    if again and not replace:
        raise InputError(
            f"'{path}' has results of {', '.join(again)} already: --replace puts yours there"
        )
    merged = before.merged(fresh.results).model_copy(
        update={
            "submitted": fresh.submitted,
            "owner": fresh.owner,
            "hub": fresh.hub or before.hub,
        }
    )
    while merged.earlier and len(merged.to_json()) > LARGEST:
        merged = merged.model_copy(update={"earlier": merged.earlier[1:]})
    return merged


def _hub(text: str) -> Hub:
    """``OWNER/NAME@REVISION``; InputError for anything else, which is not repeated."""
    name, _, revision = text.partition("@")
    try:
        return Hub(name=name, revision=revision)
    except ValidationError:
        raise InputError(
            "--hub: OWNER/NAME@REVISION of the Hugging Face hub, the revision a commit of 40 "
            "hexadecimal digits"
        ) from None


def _models(folder: Path) -> list[str]:
    """The names in a track's folder, by their files where one can't be read."""
    found = []
    for path in results_below(folder) if folder.is_dir() else []:
        try:
            found.append(read_submission(path).model)
        except InputError:
            found.append(path.stem)
    return found


def _renamed(result: Result, name: str) -> Result:
    model = result.model_copy(
        update={"model": result.model.model_copy(update={"name": name})}
    ).model_dump(mode="json")
    what = f"--model '{name}'"
    with refused(what):
        return parse(Result, model, what)


def _scored(result: Result) -> Result:
    """Without scores that are null for a reason of the sender's machine, e.g. absent weights."""
    kept = []
    for score in result.scores:
        family = family_of(score.name)
        if score.value is not None or family is None or family.knows_reason(score.reason or ""):
            kept.append(score)
    return result.model_copy(update={"scores": tuple(kept)})
