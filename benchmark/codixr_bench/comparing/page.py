"""``compare --html FILE``: two results' differences as a page for a person."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.comparing.comparison import Comparison, Difference
from codixr_bench.show.forest import difference_strip
from codixr_bench.show.number import chance, number, together
from codixr_bench.show.page import render


def save_comparison(
    path: Path,
    comparisons: Sequence[Comparison],
    corrected: Mapping[Difference, float],
    only: Sequence[str] = (),
) -> None:
    """Write the page of ``comparisons``, whole or not at all.

    Args:
        path: the file; its folder is made.
        comparisons: one a task.
        corrected: each difference's p-value, corrected for all of them.
        only: the scores that were asked for; empty for all.

    Raises InputError where ``path`` is a folder, or can't be written.
    """
    if path.is_dir():
        raise InputError(f"--html '{path}' is a folder: give a file, e.g. {path / 'report.html'}")
    make_folder(path.parent)
    write_atomically(path, comparison_page(comparisons, corrected, only))


def comparison_page(
    comparisons: Sequence[Comparison],
    corrected: Mapping[Difference, float],
    only: Sequence[str] = (),
) -> bytes:
    """UTF-8 HTML; one part a task."""
    names = list(dict.fromkeys(_title(comparison) for comparison in comparisons))
    wanted = ["--scores", ",".join(only)] if only else []
    return render(
        "comparison.html",
        title=" · ".join(names),
        parts=[_part(comparison, corrected) for comparison in comparisons],
        count=sum(len(comparison.differences) for comparison in comparisons),
        command=shlex.join(["codixr-bench", "compare", "A", "B", *wanted]),
    )


def _title(comparison: Comparison) -> str:
    sides = (comparison.first.result.model, comparison.second.result.model)
    return " against ".join(f"{model.name} {model.version}" for model in sides)


def _part(comparison: Comparison, corrected: Mapping[Difference, float]) -> dict[str, Any]:
    unpaired: dict[str, list[str]] = {}
    for one in comparison.differences:
        if not one.paired:
            unpaired.setdefault(one.reason, []).append(one.name)
    return {
        "task": comparison.first.result.task,
        "track": comparison.first.result.track,
        "sides": [("A", comparison.first.result), ("B", comparison.second.result)],
        "rows": [_row(one, corrected[one]) for one in comparison.differences],
        "notes": [
            *(
                f"unpaired, by intervals only, hence weaker: {', '.join(names)} ({reason})"
                for reason, names in unpaired.items()
            ),
            *comparison.notes,
        ],
    }


def _row(one: Difference, corrected: float) -> dict[str, Any]:
    low, high = one.interval()
    places = together(one.name, (one.first, one.second, one.value))
    better = "" if corrected >= 0.05 else "A is better" if one.gain > 0 else "B is better"
    return {
        "name": one.name,
        "arrow": "↑" if one.higher_is_better else "↓",
        "first": number(one.name, one.first, places=places),
        "second": number(one.name, one.second, places=places),
        "value": number(one.name, one.value, places=places, sign=True),
        "interval": " to ".join(
            number(one.name, end, places=places, sign=True) for end in (low, high)
        ),
        "p": chance(one.p_value),
        "holm": chance(corrected),
        "better": better,
        "strip": difference_strip(one.value, (low, high)),
    }
