"""``codixr-bench site RESULTS OUT``: static pages from results files."""

import argparse
import json
from pathlib import Path

from codixr.arguments import add_json
from codixr_leaderboard.site import build
from codixr_leaderboard.submission import RESULTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``site``."""
    parser.add_argument(
        "results", nargs="?", type=Path, default=RESULTS, metavar="RESULTS",
        help=f"a folder TRACK/MODEL.json (default: {RESULTS})",
    )  # fmt: skip
    parser.add_argument(
        "out", nargs="?", type=Path, default=Path("site"), metavar="OUT", help="default: site"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Build the pages and print the first one's path."""
    pages = build(parsed.results, parsed.out)
    first = parsed.out / "index.html"
    if parsed.json:
        print(json.dumps({"index": str(first), "pages": pages}, indent=2))
    else:
        print(f"{first}: {pages} pages")
    return 0
