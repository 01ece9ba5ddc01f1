"""``codixr-bench reconcile``: the paper's printed averages that don't follow from its own cells."""

import argparse
import json
from dataclasses import asdict

from codixr_bench.paper.reconcile import recomputed_cells


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``reconcile``."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of a table")


def main(parsed: argparse.Namespace) -> int:
    """Print the averages that don't follow; exit code 0: the paper is not a test."""
    cells = recomputed_cells()
    wrong = [cell for cell in cells if not cell.follows]
    if parsed.json:
        found = {"recomputed": len(cells), "not_following": [asdict(cell) for cell in wrong]}
        print(json.dumps(found, indent=2))
        return 0
    print(f"{'table':<7}{'row':<24}{'average':<18}{'printed':>8}{'from its cells':>16}")
    for cell in wrong:
        print(
            f"{cell.table:<7}{cell.row:<24}{cell.average:<18}"
            f"{cell.printed:>8.2f}{cell.recomputed:>16.3f}"
        )
    print(
        f"\n{len(wrong)} of {len(cells)} printed averages and sums don't follow from the printed "
        "cells, rounding allowed for"
    )
    return 0
