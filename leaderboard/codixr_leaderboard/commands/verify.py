"""``codixr-bench verify DIR|FILE…``: check results as the leaderboard does; exit code 0 or 1."""

import argparse
from pathlib import Path

from codixr import messages
from codixr.errors import InputError
from codixr_bench.result_files import LARGEST, RESULT_NAME, read_strict
from codixr_leaderboard.printed import is_printed, read_printed
from codixr_leaderboard.submission import (
    RefusedError,
    check_result,
    read_result,
    read_submission,
    results_below,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``verify``."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="DIR|FILE", help="what to check")


def main(parsed: argparse.Namespace) -> int:
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
    messages.say("codixr-bench", f"{len(files)} checked, {refused} refused")
    return 1 if refused else 0


def _files(path: Path) -> list[Path]:
    """A run's folder holds one result among other files; the leaderboard's holds only results."""
    if (path / RESULT_NAME).is_file():
        return [path / RESULT_NAME]
    return results_below(path)


def _verify(file: Path) -> None:
    content = file.read_bytes() if file.stat().st_size < LARGEST else None
    if content is not None:
        raw = read_strict(content, f"'{file}'")
        if isinstance(raw, dict) and "results" not in raw and not is_printed(raw):
            check_result(read_result(file), f"'{file}'")
            return
        if is_printed(raw):
            read_printed(file)
            return
    read_submission(file)
