"""One measure in two views, a dot a study: SVG without matplotlib, so that every run's page has it.

The same bytes each time; grey on nothing, so that it can be read on light and dark pages.
"""

from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from codixr_bench.show.interval_plot import DOT, INK

MOST = 400
"""Dots in a panel: the first studies."""
COLUMNS = 3
SIDE, GAP, HEAD = 150, 34, 26
_EDGE = 0.04

Array = NDArray[np.float64]


def scatter_svg(panels: Mapping[str, tuple[Array, Array]], across: str, up: str) -> bytes:
    """A panel a measure, with the line where both views agree; SVG.

    Args:
        panels: measure -> (what lies across, what goes up), [n] each, in one unit.
        across: what the first is, e.g. ``frontal``.
        up: what the second is.
    """
    rows = -(-len(panels) // COLUMNS)
    width = COLUMNS * (SIDE + GAP) + GAP
    height = rows * (SIDE + HEAD + GAP) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
    ]
    for place, (name, (first, second)) in enumerate(panels.items()):
        left = GAP + (place % COLUMNS) * (SIDE + GAP)
        top = HEAD + (place // COLUMNS) * (SIDE + HEAD + GAP)
        parts += _panel(name, first[:MOST], second[:MOST], (left, top), (across, up))
    return ("\n".join([*parts, "</svg>"]) + "\n").encode()


def _panel(
    name: str, first: Array, second: Array, corner: tuple[int, int], axes: tuple[str, str]
) -> list[str]:
    left, top = corner
    both = np.concatenate([first, second])
    both = both[np.isfinite(both)]
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
    room = _EDGE * max(high - low, 1e-9)
    low, high = low - room, high + room
    x = left + SIDE * (first - low) / (high - low)
    y = top + SIDE * (1.0 - (second - low) / (high - low))
    shown = np.isfinite(x) & np.isfinite(y)
    # A line of no length with round ends is a dot.
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[shown], y[shown], strict=True))
    end, bottom = left + SIDE, top + SIDE
    title = escape(name.replace("_", " "))
    return [
        f'<text x="{left}" y="{top - 8}" fill="{INK}" font-weight="bold">{title}</text>',
        f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{INK}"/>',
        f'<path d="M{left} {bottom}L{end} {top}" stroke="{INK}" stroke-dasharray="3 3"/>',
        f'<path d="{dots}" stroke="{DOT}" stroke-width="3" stroke-linecap="round" '
        'stroke-opacity="0.6"/>',
        f'<text x="{left}" y="{bottom + 13}" fill="{INK}">{low:.2f}</text>',
        f'<text x="{end}" y="{bottom + 13}" fill="{INK}" text-anchor="end">{high:.2f}</text>',
        f'<text x="{(left + end) / 2:g}" y="{bottom + 13}" fill="{INK}" text-anchor="middle">'
        f"{escape(axes[0])}</text>",
        f'<text x="{left - 6}" y="{(top + bottom) / 2:g}" fill="{INK}" text-anchor="middle" '
        f'transform="rotate(-90 {left - 6} {(top + bottom) / 2:g})">{escape(axes[1])}</text>',
    ]
