"""``codixr-bench submit FILE…``: check results, and put them where the leaderboard reads them."""

import argparse
from pathlib import Path

from codixr import messages
from codixr_leaderboard.submission import RESULTS, submit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``submit``."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a result.json, or a run's folder"
    )
    parser.add_argument("--model", metavar="NAME", help="the name to show; default: the results'")
    parser.add_argument(
        "--to", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}"
    )


def main(parsed: argparse.Namespace) -> int:
    """Check and merge results; prints the files that hold them now."""
    for path in submit(parsed.files, parsed.to, model=parsed.model):
        print(path)
    messages.say("codixr-bench", "checked and written; commit it and open a pull request")
    return 0
