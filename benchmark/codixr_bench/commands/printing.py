"""Scored runs on standard output: tables, or JSON."""

import json
from collections.abc import Sequence

from codixr import messages
from codixr_bench.result import Result
from codixr_bench.runs.finish import ScoredRun
from codixr_bench.show.number import MISSING, number
from codixr_bench.show.table import print_summary, print_table


def print_runs(
    runs: Sequence[ScoredRun], *, as_json: bool, whole: bool = True, group: bool = False
) -> int:
    """A table a task, and a summary of a group; or JSON: one object, a list of them for a group.

    Without ``whole``, a long table has the primary scores only; JSON has all, always.

    The exit code: 1 when no score of any run has a value, as when the weights are absent; else 0.
    """
    scored = any(score.value is not None for run in runs for score in run.result.scores)
    if not scored:
        messages.failure(
            "codixr-bench", "no score has a value: each one's reason stands in the result"
        )
    if as_json:
        found = [run.result.content() for run in runs]
        print(json.dumps(found if group else found[0], indent=2))
        return int(not scored)
    for run in runs:
        print_table(run.result, run.scale, folder=None if whole else run.folder)
        if run.result.spread:
            print_spread(run.result)
    if group:
        print_summary([run.result for run in runs], [r for run in runs for r in run.scale])
    return int(not scored)


def print_cross_check(result: Result) -> None:
    """Each score beside its library's value, the difference, and what it may be."""
    rows = [["score", "ours", "theirs", "difference", "tolerance", "library"]]
    for one in result.cross_check:
        if one.theirs is None:
            rows.append([one.name, _value(one.ours), MISSING, "", "", one.reason or ""])
            continue
        ours = one.ours if one.ours_by_its_convention is None else one.ours_by_its_convention
        gap = MISSING if ours is None else f"{abs(ours - one.theirs):.1e}"
        says = "" if one.agrees else "  DIFFERS"
        if one.convention:
            rows.append([one.name, _value(one.ours), "", "", "", "our own convention"])
        rows.append(
            [
                f"  {one.convention}" if one.convention else one.name,
                *(_value(ours), _value(one.theirs), gap, f"{one.tolerance:.1e}"),
                f"{one.library}{says}",
            ]
        )
    print("cross-check: the same samples, scored by the field's libraries")
    _print_columns(rows, left=(0, 5))


def print_spread(result: Result) -> None:
    """Each score's spread over a study's samples, and over the sets of them."""
    k = result.generation.get("samples_per_study")
    print(f"mean over {k} samples a study; standard deviations:")
    rows = [["score", "within a study", "between seeds"]]
    rows += [
        [one.name, number(one.name, one.within_study), number(one.name, one.between_seeds)]
        for one in result.spread
    ]
    _print_columns(rows, left=(0,))


def _print_columns(rows: Sequence[Sequence[str]], left: Sequence[int]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(width) if at in left else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _value(value: float | None) -> str:
    return MISSING if value is None else f"{value:.8g}"
