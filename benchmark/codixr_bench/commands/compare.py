"""``codixr-bench compare A B``: every score's paired difference, interval and corrected p-value."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json
from codixr_bench.comparing.comparison import Comparison, Difference, compare_all
from codixr_bench.comparing.side import load_sides
from codixr_bench.show.number import chance, number, together
from codixr_bench.statistics.significance import holm

PROGRAM = "codixr-bench"
RESULT_HELP = "a run's folder, its result.json, or a task group's folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``compare``."""
    for side in ("a", "b"):
        parser.add_argument(side, type=Path, metavar=side.upper(), help=RESULT_HELP)
    parser.add_argument("--scores", metavar="A,B", help="only these scores; default: all")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the differences as a page, too"
    )
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Compare two results, or two folders of them; exit code 0, whatever differs."""
    only = names_of(parsed.scores)
    found = compare_all(load_sides(parsed.a), load_sides(parsed.b), only)
    differences = [one for comparison in found for one in comparison.differences]
    corrected = dict(zip(differences, holm([d.p_value for d in differences]), strict=True))
    if parsed.html is not None:
        from codixr_bench.comparing.page import save_comparison

        save_comparison(parsed.html, found, corrected, only)
        messages.say(PROGRAM, f"page in {parsed.html}")
    if parsed.json:
        print(json.dumps([_as_json(comparison, corrected) for comparison in found], indent=2))
        return 0
    for comparison in found:
        print(heading(comparison))
        print_columns(_rows(comparison, corrected))
        print_notes(comparison)
        print()
    print(f"p: two-sided; Holm: corrected for all {len(differences)} scores.")
    print("A difference above 0 is in A's favour where the arrow points up.")
    return 0


def heading(comparison: Comparison) -> str:
    """What is compared, on what."""
    result = comparison.first.result
    names = [
        f"{side.result.model.name} {side.result.model.version}"
        for side in (comparison.first, comparison.second)
    ]
    track = result.track
    return (
        f"{result.task} · {names[0]} against {names[1]} · "
        f"{track.name} {track.split}, {track.n:,} studies"
    )


def print_notes(comparison: Comparison) -> None:
    """On standard error: what is not paired, and what a reader should know."""
    reasons: dict[str, list[str]] = {}
    for one in comparison.differences:
        if not one.paired:
            reasons.setdefault(one.reason, []).append(one.name)
    for reason, names in reasons.items():
        said = f"unpaired, by intervals only, hence weaker: {', '.join(names)} ({reason})"
        messages.note(PROGRAM, said)
    for note in comparison.notes:
        messages.note(PROGRAM, note)


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their head, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def names_of(text: str | None) -> tuple[str, ...]:
    """``a,b`` -> ("a", "b")."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _rows(comparison: Comparison, corrected: dict[Difference, float]) -> list[list[str]]:
    rows = [["score", "", "A", "B", "A − B", "95 % interval", "p", "Holm"]]
    for one in comparison.differences:
        low, high = one.interval()
        places = together(one.name, (one.first, one.second, one.value))
        rows.append(
            [
                one.name if one.paired else f"{one.name} (unpaired)",
                "↑" if one.higher_is_better else "↓",
                number(one.name, one.first, places=places),
                number(one.name, one.second, places=places),
                number(one.name, one.value, places=places, sign=True),
                " to ".join(number(one.name, v, places=places, sign=True) for v in (low, high)),
                chance(one.p_value),
                chance(corrected[one]),
            ]
        )
    return rows


def _as_json(comparison: Comparison, corrected: dict[Difference, float]) -> dict[str, object]:
    result = comparison.first.result
    return {
        "task": result.task,
        "track": result.track.model_dump(mode="json"),
        "a": comparison.first.result.model.model_dump(mode="json"),
        "b": comparison.second.result.model.model_dump(mode="json"),
        "differences": [
            {
                "name": one.name,
                "a": one.first,
                "b": one.second,
                "difference": one.value,
                "ci95": list(one.interval()),
                "p": one.p_value,
                "p_holm": corrected[one],
                "paired": one.paired,
                "reason": one.reason or None,
                "higher_is_better": one.higher_is_better,
                "n": one.n,
            }
            for one in comparison.differences
        ],
        "notes": list(comparison.notes),
    }
