"""The arguments of ``codixr-bench label``, apart: ``--help`` must not load what labels."""

import argparse
from collections.abc import Callable
from pathlib import Path

from codixr_bench.labeler import DEFAULT


def add_arguments(parser: argparse.ArgumentParser, number: Callable[[str], int]) -> None:
    """Add the arguments; ``number`` reads a whole number of 1 or more."""
    parser.add_argument(
        "reports",
        nargs="?",
        metavar="REPORTS",
        help="a CSV as the original takes it (one column, no header), a CSV or Parquet file with "
        "--column, a folder of .txt, a folder that `codixr prepare` made, or - for standard input",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="default: standard output")
    parser.add_argument(
        "--column", metavar="NAME", help="the reports' column, in a file with a header"
    )
    parser.add_argument("--id", metavar="NAME", help="call reports by this column in the output")
    parser.add_argument("--lines", action="store_true", help="plain text, one report a line")
    parser.add_argument(
        "--sections", metavar="A,B", help="read these sections only, e.g. findings,impression"
    )
    parser.add_argument(
        "--text",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the output holds the reports, as the original's does; default: only where "
        "the input has nothing else to call them by",
    )
    parser.add_argument(
        "--workers", type=number, default=1, metavar="N", help="processes (default: 1)"
    )
    parser.add_argument(
        "--labeler",
        default=DEFAULT,
        metavar="NAME",
        help=f"{DEFAULT} (default), original, chexbert, or package.module:Class",
    )
    parser.add_argument("--home", type=Path, metavar="DIR", help="where the original is installed")
    parser.add_argument("--python", type=Path, metavar="FILE", help="what runs the original")
    parser.add_argument(
        "--explain", metavar="TEXT", help="show why a text gets its labels (- reads it from stdin)"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="agreement of two labelers, or of a CSV of labels with one",
    )
    parser.add_argument("--json", action="store_true", help="with --compare: JSON on stdout")
