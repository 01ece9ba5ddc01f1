"""``codixr-bench table II|III|IV|V RESULT…``: a table of the paper, and your results in it."""

import argparse
from pathlib import Path

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
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="terminal",
        help="default: terminal; latex needs the package booktabs",
    )


def main(parsed: argparse.Namespace) -> int:
    """Print the table; InputError for a file that is not a result, or of none of its tasks."""
    results = [Result.load(file) for path in parsed.results for file in result_files(path)]
    print(FORMATS[parsed.format](paper_table(parsed.table, results)))
    return 0
