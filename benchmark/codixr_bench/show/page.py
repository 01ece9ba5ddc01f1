"""``report.html``: one run as a page for a person: one file, nothing loaded from elsewhere.

Everything that a file says is escaped; the page holds no time, so that equal runs give equal bytes.
"""

import base64
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codixr_bench.result import Result
from codixr_bench.score import ClassScore, Score
from codixr_bench.show.forest import strip_of
from codixr_bench.show.number import interval, number
from codixr_bench.show.remarks import remarks
from codixr_bench.show.table import (
    arrow,
    heading,
    only_classes,
    skill,
    title,
    view_of,
    views,
    whole,
)

REPORT_NAME = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"


def run_page(
    result: Result,
    scale: Sequence[Result] = (),
    grid: bytes | None = None,
    figures: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """A run's page; UTF-8 HTML.

    Args:
        result: what was scored.
        scale: results of reference points on the same studies; marked on each score's strip.
        grid: ``grid.png``, where it may be shown.
        figures: (what stands above it, SVG) of each drawing.
    """
    return render(
        "run.html",
        title=heading(result),
        result=result,
        scores=[_row(score, scale) for score in result.scores],
        by_class=[_class_table(result, view) for view in views(result)],
        remarks=remarks(result),
        grid=None if grid is None else base64.b64encode(grid).decode(),
        figures=[(head, base64.b64encode(svg).decode()) for head, svg in figures],
        commands=commands(result),
    )


def render(template: str, **values: Any) -> bytes:
    """A page from one of the templates, with its style inside; UTF-8 HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    page = environment.get_template(template).render(style=style, number=number, **values)
    return page.encode()


def commands(result: Result) -> list[str]:
    """What makes the run again, and what looks at its files.

    A result names its model, not where its checkpoint lies: whoever has another than the default
    adds it to the name.
    """
    track, options = result.track, result.generation
    words = ["codixr-bench", "run", "--task", result.task, "--model", result.model.name,
             "--track", track.name, "--split", track.split, "--limit", str(track.n)]  # fmt: skip
    if (seed := options.get("seed")) is not None:
        words += ["--seed", str(seed)]
        if (samples := options.get("samples_per_study")) is not None:
            words += ["--samples-per-study", str(samples)]
        made = shlex.join(words)
    else:
        # Another program made the samples: they can only be scored again.
        made = shlex.join(["codixr-bench", "score", "--samples", "DIR", *words[2:]])
    return [made, "codixr-bench show .", "codixr-bench compare . OTHER-RUN"]


def _row(score: Score, scale: Sequence[Result]) -> dict[str, Any]:
    mixed = only_classes(score)
    beside = [(other.model.name, other.score(score.name)) for other in scale]
    return {
        "name": score.name,
        "arrow": arrow(score),
        "value": whole(score),
        "interval": "" if mixed else interval(score, " – "),
        "skill": "" if score.skill is None else skill(score),
        "n": f"{score.n:,}",
        "strip": None if mixed else strip_of(score, beside),
        "signature": score.signature,
        "reason": score.reason,
    }


def _class_table(result: Result, view: str) -> dict[str, Any]:
    scores = [score for score in result.scores if score.per_class and view_of(score) == view]
    labels = list(dict.fromkeys(label for score in scores for label in score.per_class))
    return {
        "view": view,
        "heads": [f"{title(score.name)} {arrow(score)}" for score in scores],
        "rows": [
            {
                "label": label,
                "positives": _positives([score.per_class.get(label) for score in scores]),
                "cells": [_cell(score, label) for score in scores],
            }
            for label in labels
        ],
    }


def _cell(score: Score, label: str) -> tuple[str, str, str]:
    """Value, interval, and what a reader must know of it."""
    one = score.per_class.get(label)
    if one is None:
        return "", "", ""
    ends = "" if one.ci95 is None else " – ".join(number(score.name, end) for end in one.ci95)
    return number(score.name, one.value), ends, one.reason or one.note or ""


def _positives(classes: Sequence[ClassScore | None]) -> str:
    found = {one.n_pos for one in classes if one is not None and one.n_pos is not None}
    return f"{found.pop():,}" if len(found) == 1 else ""
