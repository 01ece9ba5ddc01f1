"""The scatter of both views: a dot a study at its place, text that stays text, equal bytes."""

import re
from xml.etree import ElementTree

import numpy as np

from codixr_bench.show.scatter import MOST, SIDE, scatter_svg

DOTS = re.compile(r"M([\d.]+) ([\d.]+)h0")


def drawn(panels):
    svg = scatter_svg(panels, "frontal", "lateral")
    assert svg == scatter_svg(panels, "frontal", "lateral")
    root = ElementTree.fromstring(svg)
    return root, [
        [(float(x), float(y)) for x, y in DOTS.findall(path.get("d", ""))]
        for path in root.iter("{http://www.w3.org/2000/svg}path")
        if path.get("stroke-linecap")
    ]


def test_dots_stand_where_both_views_measure_them():
    first, second = np.array([0.2, 0.4, 0.6]), np.array([0.2, 0.4, 0.2])
    root, (dots,) = drawn({"heart_height": (first, second)})
    x, y = np.array(dots).T
    assert np.allclose(np.diff(x), SIDE * 0.2 / (0.4 * 1.08), atol=0.2)
    # Up is larger: equal values stand on the line from bottom left to top right.
    assert y[0] > y[1]
    assert y[0] == y[2]
    assert np.allclose((x - x[0])[:2], (y[0] - y)[:2], atol=0.2)
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"heart height", "frontal", "lateral"} <= set(texts)


def test_missing_measures_leave_no_dot_and_many_studies_few():
    ones = np.linspace(0.0, 1.0, 2 * MOST)
    missing = ones.copy()
    missing[::2] = np.nan
    _, (some, every) = drawn({"a": (ones, missing), "b": (ones, ones)})
    assert (len(some), len(every)) == (MOST // 2, MOST)
    _, (none,) = drawn({"<a>": (np.full(3, np.nan), np.ones(3))})
    assert none == []
