"""``codixr-bench verify DIR|FILE…``: check results as the leaderboard does; exit code 0 or 1."""

import argparse
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json
from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.own_files import kind_of
from codixr_bench.reproduce.checking import check_bundle
from codixr_bench.reproduce.manifest import is_bundle
from codixr_bench.result import Result, current_code
from codixr_bench.result_files import RESULT_NAME, read_bytes, read_strict
from codixr_leaderboard.checks import word_problems
from codixr_leaderboard.ownership import together_problems
from codixr_leaderboard.printed import is_printed, read_printed
from codixr_leaderboard.request import Request, check_request
from codixr_leaderboard.standing import Standing, rows_in, standings_of
from codixr_leaderboard.studies import Studies
from codixr_leaderboard.submission import (
    RefusedError,
    Submission,
    check_result,
    read_result,
    read_submission,
    results_below,
    slug,
)

PROGRAM = "codixr-bench"
MOST_FAULTS = 30
"""That are listed of a bundle."""
Folders = dict[Path, tuple[list[Submission], Studies]]
"""The rows of each folder, read once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``verify``."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="DIR|FILE",
        help="what to check: results, a leaderboard's folder, a bundle of `reproduce`",
    )
    parser.add_argument(
        "--root", metavar="SHA256", help="of a bundle, as its maker told it: finds every change"
    )
    request = parser.add_argument_group(
        "a pull request", "checked as data, against the branch that it is to be merged into"
    )
    request.add_argument("--request", metavar="BASE..HEAD", help="two revisions of this repository")
    request.add_argument("--author", metavar="ACCOUNT", help="who opened it")
    request.add_argument("--opened", metavar="DATE", help="when it was opened: 2026-11-28, or more")
    request.add_argument(
        "--report", type=Path, metavar="FILE", help="write what changes, and what is wrong, as JSON"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Check every results file at or below a path, or a request; exit code 1 for a refusal."""
    if parsed.request is not None:
        return _request(parsed)
    if not parsed.paths:
        raise InputError("verify what? give a folder, files, or --request BASE..HEAD")
    told: list[dict[str, object]] = []
    folders: Folders = {}
    bundles = [path for path in parsed.paths if is_bundle(path)]
    if parsed.root is not None and len(bundles) != len(parsed.paths):
        raise InputError("--root is of a bundle: a folder with bundle.json, and nothing else")
    for folder in bundles:
        told.append(_bundle(folder, parsed.root))
        if not parsed.json:
            print(told[-1]["says"])
    files = [file for path in parsed.paths if path not in bundles for file in _files(path)]
    if not files and not bundles:
        named = ", ".join(f"'{path}'" for path in parsed.paths)
        raise InputError(f"no result is at or below {named}")
    for file in files:
        try:
            row = _verify(file)
            known = {} if row is None else _known(file, row, folders)
        except InputError as error:
            is_told = isinstance(error, RefusedError)
            text = str(error) if is_told else f"'{file}' is refused:\n  {error}"
            told.append({"file": str(file), "fine": False, "says": _plain(text)})
        else:
            text = "\n  ".join([f"'{file}' is fine", *_lines(known)])
            tasks = [_names(task, standing) for task, standing in known.items()]
            told.append({"file": str(file), "fine": True, "says": _plain(text), "tasks": tasks})
        if not parsed.json:
            print(told[-1]["says"])
    refused = sum(not one["fine"] for one in told)
    if parsed.json:
        print(json.dumps({"checked": len(told), "refused": refused, "files": told}, indent=2))
    messages.say(PROGRAM, f"{len(told)} checked, {refused} refused")
    return 1 if refused else 0


def _bundle(folder: Path, root: str | None) -> dict[str, object]:
    """A bundle's check, with what any result may not hold: prose, paths, identifiers."""
    checked = check_bundle(folder, root)
    faults = list(checked.faults)
    for path, result in checked.results.items():
        faults += [f"{path}: {problem}" for problem in word_problems(result)]
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        lines = [f"'{folder}' is refused:", *faults[:MOST_FAULTS], *more]
        if made_by := sorted({_code(one) for one in checked.results.values()} - {_code(None)}):
            lines.append(
                f"made by {', '.join(made_by)}; this is {_code(None)}: check it by that one"
            )
    else:
        lines = [
            f"'{folder}' is fine: {len(checked.results)} results, {checked.recomputed:,} scores "
            "computed anew",
            f"sha256: {checked.root}",
        ]
        if root is None:
            lines.append("without --root SHA256 a bundle that was sealed anew is not told apart")
    return {
        "file": str(folder),
        "fine": not faults,
        "sha256": checked.root,
        "says": _plain("\n  ".join(lines)),
    }


def _code(result: Result | None) -> str:
    """The program that made a result, or this one."""
    code = current_code() if result is None else result.code
    return f"codixr {code.version}" + (f" ({code.commit[:10]})" if code.commit else "")


def _plain(text: str) -> str:
    """Text in which no file's name is a command to a job's runner, or moves the cursor."""
    kept = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    return kept.replace("::", ": :")


def _files(path: Path) -> list[Path]:
    """A run's folder holds one result among other files; the leaderboard's holds only results."""
    if (path / RESULT_NAME).is_file():
        return [path / RESULT_NAME]
    return results_below(path)


def _verify(file: Path) -> Submission | None:
    """Check one file; its rows, where it holds a submission."""
    kind = kind_of(file)
    if kind is not None and f"{PROGRAM} verify" not in kind.taken_by:
        raise InputError(f"it is {kind.name}, not a result or a row of results")
    raw = read_strict(read_bytes(file, f"'{file}'"), f"'{file}'")
    if is_printed(raw):
        read_printed(file)
        return None
    if isinstance(raw, dict) and "results" not in raw:
        check_result(read_result(file), f"'{file}'")
        return None
    return read_submission(file)


def _known(file: Path, row: Submission, folders: Folders) -> dict[str, Standing]:
    """What is known of each result, by its task.

    RefusedError for a copy of another row of its folder, or a name that looks like another's, and
    for statistics that don't give the row's scores or are of other studies.
    """
    if file.parent not in folders:
        beside = rows_in(file.parent)
        folders[file.parent] = [one for one, _ in beside], Studies(beside)
    rows, studies = folders[file.parent]
    problems = [problem for one, problem in together_problems(rows) if one == row]
    if problems:
        raise RefusedError(f"'{file}'", problems)
    found = standings_of(file, row, studies)
    return {r.task: found[row.track, slug(row.model), r.task] for r in row.results}


def _lines(known: Mapping[str, Standing]) -> list[str]:
    """A badge with its tasks, and below it how far their scores are checked."""
    told: dict[tuple[str, ...], list[str]] = {}
    for task, standing in known.items():
        told.setdefault(tuple(standing.says()), []).append(task)
    lines = []
    for (badge, *more), tasks in told.items():
        lines += [f"{badge}: {', '.join(tasks)}", *(f"  {line}" for line in more)]
    return lines


def _names(task: str, known: Standing) -> dict[str, object]:
    return {
        "task": task,
        "badge": known.badge,
        "recomputed": known.recomputed,
        "bounded": known.bounded,
        "unchecked": known.unchecked,
        "compared_by_a_rerun": known.remade,
        "no_warning_on_its_word": {code: list(names) for code, names in known.silences},
    }


def _request(parsed: argparse.Namespace) -> int:
    base, dots, head = parsed.request.partition("..")
    if not (dots and parsed.author and parsed.opened):
        raise InputError("--request BASE..HEAD needs --author ACCOUNT and --opened DATE too")
    try:
        opened = date.fromisoformat(parsed.opened[:10])
    except ValueError:
        raise InputError("--opened: write a date, e.g. 2026-11-28") from None
    report = check_request(Path.cwd(), Request(base, head, parsed.author, opened))
    problems = [f"{where}: {problem}" for where, problem in report.problems]
    content = {
        "fine": not problems,
        "changes": report.changes,
        "checked": report.checked,
        "problems": problems,
    }
    if parsed.json:
        print(json.dumps(content, indent=2))
    else:
        for line in (*report.changes, *report.checked, *problems):
            print(_plain(line))
    if parsed.report is not None:
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomically(parsed.report, text.encode())
    said = f"changes: {len(report.changes)}, problems: {len(report.problems)}"
    messages.say(PROGRAM, said)
    return 1 if report.problems else 0
