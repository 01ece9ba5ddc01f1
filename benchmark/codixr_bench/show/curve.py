"""Curves with intervals as SVG, with the same bytes each time; readable on light and dark pages."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_INK = "#7a7f87"
_COLOURS = ("#3b7dd8", "#d8663b", "#3ba36b", "#9a5fc7", "#b08a1e", "#5f7f8f")


@dataclass(frozen=True)
class Curve:
    """One line: values with their 95 % at the places across."""

    label: str
    across: tuple[float, ...]
    points: tuple[tuple[float, float, float], ...]
    """(value, low, high)."""


def curves_svg(curves: Sequence[Curve], *, across: str, up: str, title: str) -> bytes:
    """All curves on one pair of axes, with a legend; SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "codixr",
        "svg.fonttype": "none",
        "font.size": 10,
        "font.family": "sans-serif",
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(6.4, 4.0))
        axes = figure.add_subplot()
        for place, curve in enumerate(curves):
            colour = _COLOURS[place % len(_COLOURS)]
            values, lows, highs = zip(*curve.points, strict=True)
            axes.fill_between(curve.across, lows, highs, color=colour, alpha=0.15, linewidth=0)
            axes.plot(curve.across, values, "o-", color=colour, label=curve.label[:40])
        for text in (
            axes.set_xlabel(across),
            axes.set_ylabel(up),
            axes.set_title(title, fontsize=10),
        ):
            text.set_color(_INK)
        axes.tick_params(colors=_INK)
        for spine in axes.spines.values():
            spine.set_color(_INK)
        legend = axes.legend(frameon=False)
        for text in legend.get_texts():
            text.set_color(_INK)
        figure.tight_layout()
        written = io.BytesIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return written.getvalue()
