"""``codixr-bench site RESULTS OUT``: static pages from results files."""

import argparse
import json
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr_leaderboard.site import PROGRAM, build
from codixr_leaderboard.submission import RESULTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``site``."""
    parser.add_argument(
        "results", nargs="?", type=Path, default=RESULTS, metavar="RESULTS",
        help=f"a folder TRACK/MODEL.json (default: {RESULTS})",
    )  # fmt: skip
    parser.add_argument(
        "out",
        nargs="?",
        type=output_folder,
        default=Path("site"),
        metavar="OUT",
        help="default: site",
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Build the pages and print the first one's path."""
    pages = build(parsed.results, parsed.out)
    first = parsed.out / "index.html"
    if parsed.json:
        print(json.dumps({"index": str(first), "pages": pages}, indent=2))
    else:
        print(f"{first}: {pages} page{'s' if pages > 1 else ''}")
    if pages == 1:
        messages.note(PROGRAM, f"no result is below '{parsed.results}': the page lists the tracks")
    return 0
