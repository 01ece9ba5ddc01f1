"""Figures for a paper: panels of pictures and texts under heads, as PNG and as PDF.

The same panels give the same bytes. Nothing here asks whether content may be shown: callers do.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codixr.extras import need
from codixr_bench.model import Content

FORMATS = ("png", "pdf")
DPI = 200
SIDE = 2.0
"""Inches of a panel's side."""
_HEAD, _FOOT = 0.42, 0.34
_LETTERS = 38
"""Of a line of text in a panel."""
_LINES = 16


@dataclass(frozen=True)
class Panel:
    """One cell: a picture [1, H, W] in [0, 1], a text, or nothing."""

    content: Content | None
    head: str = ""
    """Shown above it."""


def draw(rows: Sequence[Sequence[Panel]], caption: str) -> dict[str, bytes]:
    """The rows of panels with a line below, as files: format -> content.

    Args:
        rows: of equal length.
        caption: of one line, e.g. the track, the studies and the model's checkpoint.

    Raises InputError where matplotlib isn't installed.
    """
    figures = need("matplotlib.figure", "plot", "codixr-bench figure")
    fonts = need("matplotlib", "plot", "codixr-bench figure")
    columns = len(rows[0])
    width, height = columns * SIDE, len(rows) * (SIDE + _HEAD) + _FOOT
    files = {}
    with fonts.rc_context({"pdf.fonttype": 42, "font.family": "DejaVu Sans"}):
        figure = figures.Figure(figsize=(width, height), facecolor="white")
        for r, row in enumerate(rows):
            for c, panel in enumerate(row):
                bottom = height - (r + 1) * (SIDE + _HEAD)
                place = (
                    (c + 0.03) * SIDE / width,
                    (bottom + 0.03 * SIDE) / height,
                    0.94 * SIDE / width,
                    0.94 * SIDE / height,
                )
                _draw_panel(figure.add_axes(place), panel)
        figure.text(0.06 / width, 0.1 / height, caption, fontsize=6.5, color="#555555")
        for form in FORMATS:
            sink = io.BytesIO()
            dates = {"Software": None} if form == "png" else {"CreationDate": None}
            figure.savefig(sink, format=form, dpi=DPI, metadata=dates)
            files[form] = sink.getvalue()
    return files


def _draw_panel(axes: Any, panel: Panel) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(panel.head, fontsize=8.5, pad=4)
    if isinstance(panel.content, str):
        axes.set_facecolor("#f4f4f2")
        axes.text(
            0.05, 0.95, _wrapped(panel.content), transform=axes.transAxes, va="top", fontsize=6.5
        )
    elif panel.content is not None:
        axes.imshow(panel.content[0], cmap="gray", vmin=0, vmax=1, interpolation="none")
    for spine in axes.spines.values():
        spine.set_visible(isinstance(panel.content, str))
        spine.set_color("#cccccc")


def _wrapped(text: str) -> str:
    """At most so many lines; dollar signs are no mathematics."""
    lines = textwrap.wrap(text.replace("$", r"\$"), _LETTERS)
    shown = lines[:_LINES]
    if len(lines) > _LINES:
        shown[-1] = f"{shown[-1][: _LETTERS - 2]} …"
    return "\n".join(shown)
