"""``codixr-bench show FILE``: a result's scores, settings and signatures."""

import argparse
import json
from pathlib import Path

from codixr.arguments import add_json
from codixr.errors import InputError
from codixr_bench.result import Result, load_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``show``."""
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a result.json, a run's folder, or a file of the leaderboard",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--config",
        action="store_true",
        help="print the YAML of the run instead: `codixr-bench run --config FILE` repeats it",
    )
    add_json(shown)


def main(parsed: argparse.Namespace) -> int:
    """Print a result file as tables or JSON: a run's, or all results of a leaderboard's file."""
    results = load_results(parsed.file)
    if parsed.config:
        if len(results) > 1:
            raise InputError(f"'{parsed.file}' holds {len(results)} results: name a run's folder")
        from codixr_bench.commands.run_config import as_config

        print(as_config(results[0]), end="")
        return 0
    if parsed.json:
        found = [result.content() for result in results]
        print(json.dumps(found if len(found) > 1 else found[0], indent=2))
        return 0
    for number, result in enumerate(results):
        if number:
            print()
        _print(result)
    return 0


def _print(result: Result) -> None:
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
