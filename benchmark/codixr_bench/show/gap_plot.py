"""Gaps between groups as a forest plot: SVG, the same bytes each time, for light and dark pages."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from codixr_bench.show.interval_plot import DOT, INK, STYLE

MOST = 40
"""Gaps in one picture: the first ones."""


@dataclass(frozen=True, slots=True)
class GapLine:
    """One gap: its value and interval, and what these studies could have seen."""

    label: str
    value: float
    interval: tuple[float, float]
    seen_from: float


def gaps_svg(lines: Sequence[GapLine], title: str) -> bytes:
    """The first ``MOST`` lines, from the top down, with a line at 0; SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    lines = lines[:MOST]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 1.0 + 0.3 * len(lines)))
        axes = figure.add_subplot()
        axes.axvline(0.0, color=INK, linewidth=1)
        for place, line in enumerate(lines):
            axes.plot(line.interval, (place, place), color=DOT, linewidth=3)
            axes.plot((line.value,), (place,), "o", color=DOT, markersize=7)
            axes.plot((line.seen_from,), (place,), "|", color=INK, markersize=12)
        axes.set_yticks(range(len(lines)), [line.label for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_title(title, fontsize=10, color=INK, loc="left")
        axes.set_xlabel("gap (the bar: found 4 times in 5)")
        axes.tick_params(colors=INK)
        axes.xaxis.label.set_color(INK)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(INK)
        axes.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
        sink = io.BytesIO()
        metadata = {"Date": None, "Creator": None}
        figure.savefig(sink, format="svg", transparent=True, bbox_inches="tight", metadata=metadata)
    return sink.getvalue()
