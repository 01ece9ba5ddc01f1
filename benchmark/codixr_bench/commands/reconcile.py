"""``codixr-bench reconcile``: the paper's printed averages that don't follow from its own cells."""

import argparse
import json
from dataclasses import asdict

from codixr.arguments import add_json
from codixr_bench.paper.reconcile import exchanged_cells, recomputed_cells

NOT_CHECKED = (
    "micro averages: they can't be computed from printed cells",
    "Table V's weighted averages: the support of No Finding is not printed",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``reconcile``."""
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the averages that don't follow; exit code 0: the paper is not a test."""
    cells = recomputed_cells()
    wrong = [cell for cell in cells if not cell.follows]
    if parsed.json:
        found = {
            "recomputed": len(cells),
            "not_following": [asdict(cell) for cell in wrong],
            "inferred": [asdict(one) for one in exchanged_cells()],
            "cannot_be_checked": NOT_CHECKED,
        }
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
    macro = [cell for cell in cells if cell.table == "V"]
    fitting = ", ".join(f"{cell.recomputed:.3f}" for cell in macro if cell.follows and cell.printed)
    others = ", ".join(f"{cell.recomputed:.3f}" for cell in macro if not cell.follows)
    print(f"Table V, macro over the ten pathologies: {fitting} rounds to its cell; {others} don't")
    for one in exchanged_cells():
        print(
            f"Table {one.table}, {one.row}: {' and '.join(one.cells)} look exchanged (an inference "
            "from the row's own pattern: tasks of one output"
        )
        apart = "; ".join(f"{before:.2f}, exchanged {after:.2f}" for before, after in one.spread)
        print(f"  lie apart by up to {apart})")
    for text in NOT_CHECKED:
        print(f"not checked: {text}")
    return 0
