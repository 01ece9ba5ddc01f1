"""``codixr-bench table II|III|IV|V RESULT…``: a table of the paper, and your results in it."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from codixr.arguments import add_json
from codixr_bench.paper.formats import FORMATS
from codixr_bench.paper.tables import NAMES, paper_table
from codixr_bench.result import Result
from codixr_bench.result_files import result_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``table``."""
    parser.add_argument("table", choices=NAMES, metavar="II|III|IV|V")
    parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT", help="a result.json, or a folder of runs"
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="terminal",
        help="default: terminal; latex needs the package booktabs",
    )
    add_json(shown)
    parser.add_argument(
        "--own", action="store_true", help="leave out the rows that the paper prints"
    )
    parser.add_argument(
        "--intervals", action="store_true", help="write 95 %% intervals behind your values"
    )
    parser.add_argument("--caption", default="", metavar="TEXT", help="what stands above the table")


def main(parsed: argparse.Namespace) -> int:
    """Print the table; InputError for a file that is not a result, or of none of its tasks."""
    results = [Result.load(file) for path in parsed.results for file in result_files(path)]
    blocks = paper_table(parsed.table, results, own=parsed.own, intervals=parsed.intervals)
    if parsed.json:
        print(json.dumps([asdict(block) for block in blocks], indent=2))
    else:
        print(FORMATS[parsed.format](blocks, parsed.caption))
    return 0
