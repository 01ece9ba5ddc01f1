"""``codixr-bench submit``, ``verify``, ``show``: from parsed arguments to an exit code."""

import argparse
import sys
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.result import Result
from codixr_bench.result_files import read_strict
from codixr_leaderboard.printed import is_printed, read_printed
from codixr_leaderboard.submission import (
    RefusedError,
    check_result,
    read_result,
    read_submission,
    results_below,
    submit,
)


def submit_command(parsed: argparse.Namespace) -> int:
    """Check and merge results; prints the files that hold them now."""
    for path in submit(parsed.files, parsed.to, model=parsed.model):
        print(path)
    print("codixr-bench: checked and written; commit it and open a pull request", file=sys.stderr)
    return 0


def verify_command(parsed: argparse.Namespace) -> int:
    """Check every results file at or below a path; exit code 1 when one is refused."""
    refused = 0
    files = [file for path in parsed.paths for file in _files(path)]
    for file in files:
        try:
            _verify(file)
        except InputError as error:
            refused += 1
            text = (
                str(error)
                if isinstance(error, RefusedError)
                else f"'{file}' is refused:\n  {error}"
            )
            print(text)
        else:
            print(f"'{file}' is fine")
    print(f"codixr-bench: {len(files)} checked, {refused} refused", file=sys.stderr)
    return 1 if refused else 0


def _files(path: Path) -> list[Path]:
    """A run's folder holds one result among other files; the leaderboard's holds only results."""
    if (path / "result.json").is_file():
        return [path / "result.json"]
    return results_below(path)


def _verify(file: Path) -> None:
    content = file.read_bytes() if file.stat().st_size < 1_000_000 else None
    if content is not None:
        raw = read_strict(content, f"'{file}'")
        if isinstance(raw, dict) and "results" not in raw and not is_printed(raw):
            check_result(read_result(file), f"'{file}'")
            return
        if is_printed(raw):
            read_printed(file)
            return
    read_submission(file)


def show_command(parsed: argparse.Namespace) -> int:
    """Print a result file as tables: a run's, or a submission's."""
    for number, result in enumerate(_results(parsed.file)):
        if number:
            print()
        _print_result(result)
    return 0


def _results(path: Path) -> list[Result]:
    file = path / "result.json" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"'{file}' does not exist; make a result with `codixr-bench run`")
    raw = read_strict(file.read_bytes(), f"'{file}'")
    if isinstance(raw, dict) and "results" in raw:
        return list(read_submission(file).results)
    return [read_result(file)]


def _print_result(result: Result) -> None:
    """The table of a run, then what made it."""
    from codixr_bench.show.table import print_table

    print_table(result)
    checkpoint = result.model.checkpoint_sha256
    settings = ", ".join(f"{key} {value}" for key, value in result.generation.items())
    print(f"model      {result.model.name} {result.model.version}"
          f"{f', checkpoint {checkpoint[:10]}…' if checkpoint else ''}")  # fmt: skip
    print(f"studies    {result.track.name} {result.track.version} {result.track.split}, "
          f"n {result.track.n:,}, fingerprint {result.track.fingerprint[:10]}…")  # fmt: skip
    print(f"settings   {settings or '–'}")
    print(f"code       {result.code.version} {(result.code.commit or '')[:10]}".rstrip())
    for score in result.scores:
        print(f"signature  {score.name}: {score.signature}")
