"""A board as a picture: a dot and an interval a model, as SVG with the same bytes each time.

Text stays text, and grey on nothing, so that it can be read on light and dark pages.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codixr_bench.score import Score

MOST = 25
"""Models in one picture: the first ones."""
_SPAN, _NOTHING = 30, 1e-6
INK, DOT = "#7a7f87", "#3b7dd8"
STYLE: Any = {
    "svg.hashsalt": "codixr",
    "svg.fonttype": "none",
    "font.size": 10,
    "font.family": "sans-serif",
    "text.parse_math": False,
}
"""Of matplotlib: text that stays text, and ids that stay the same."""


@dataclass(frozen=True, slots=True)
class Line:
    """One model's score."""

    label: str
    score: Score


def intervals_svg(lines: Sequence[Line], name: str, title: str = "") -> bytes:
    """The first ``MOST`` lines, from the top down; SVG.

    A distance that spans orders of magnitude is drawn on a logarithmic axis, linear up to the least
    one above 0: values near 0 are told apart beside one of noise.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    lines = [line for line in lines if line.score.value is not None][:MOST]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.8, 0.8 + 0.3 * max(1, len(lines))))
        axes = figure.add_subplot()
        places = range(len(lines))
        for place, line in zip(places, lines, strict=True):
            value = line.score.value or 0.0
            axes.plot(line.score.ci95 or (value, value), (place, place), color=DOT, linewidth=3)
            axes.plot((value,), (place,), "o", color=DOT, markersize=7)
        axes.set_yticks(list(places), [line.label[:40] for line in lines])
        axes.set_ylim(max(len(lines), 1) - 0.5, -0.5)
        up = not lines or lines[0].score.higher_is_better
        if (least := _logarithmic_from(lines)) is not None:
            axes.set_xscale("symlog", linthresh=least)
            greatest = max(max(line.score.ci95 or (0.0, line.score.value or 0.0)) for line in lines)
            axes.set_xlim(-0.1 * least, 1.3 * greatest)
            axes.set_xticks(_powers(least, greatest))
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        if title:
            axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.set_xlabel(f"{name} {'→ better' if up else '← better'}")
        axes.tick_params(colors=INK)
        axes.xaxis.label.set_color(INK)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(INK)
        axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
        sink = io.BytesIO()
        figure.savefig(
            sink,
            format="svg",
            transparent=True,
            bbox_inches="tight",
            metadata={"Date": None, "Creator": None},
        )
    return sink.getvalue()


def _powers(least: float, greatest: float) -> list[float]:
    """0 and the powers of ten from ``least`` to ``greatest``: six at most, as ``_NOTHING`` says.

    None below ``least``: there the axis is linear, and their numbers would lie on the 0.
    """
    first, last = math.ceil(math.log10(least)), math.floor(math.log10(greatest))
    return [0.0, *(10.0**power for power in range(first, last + 1))]


def _logarithmic_from(lines: Sequence[Line]) -> float | None:
    """The least distance above 0 where the greatest is ``_SPAN`` times it; None for one scale."""
    values = [line.score.value or 0.0 for line in lines if not line.score.higher_is_better]
    # What is nothing beside the greatest one is a 0 with an error of the arithmetic.
    positive = [value for value in values if value > _NOTHING * max(values)]
    if (
        not positive
        or min(values) < -_NOTHING * max(values)
        or max(positive) < _SPAN * min(positive)
    ):
        return None
    return min(positive)
