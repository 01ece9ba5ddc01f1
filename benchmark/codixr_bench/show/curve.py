"""Curves with intervals as SVG, with the same bytes each time; readable on light and dark pages."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from codixr_bench.show.interval_plot import INK, STYLE

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

    with mpl.rc_context(STYLE):
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
            text.set_color(INK)
        axes.tick_params(colors=INK)
        for spine in axes.spines.values():
            spine.set_color(INK)
        legend = axes.legend(frameon=False)
        for text in legend.get_texts():
            text.set_color(INK)
        figure.tight_layout()
        written = io.BytesIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return written.getvalue()
