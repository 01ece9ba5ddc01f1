"""A contact sheet of simulated studies, finding by finding: thirty pairs of F and L.

``python -m codixr.data.phantom.sheet docs/phantom-sheet.png``
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.case import Case, Finding, PlacedDevice, Side, Zone
from codixr.data.phantom.render import render_case

COLUMNS = 6
SCALE = 2
SIDE = 64 * SCALE
CAPTION = 14
PLACES: dict[str, tuple[tuple[Side | None, Zone | None], tuple[Side | None, Zone | None]]] = {
    "Atelectasis": (("left", "lower"), ("right", "mid")),
    "Consolidation": (("right", "mid"), ("left", "lower")),
    "Edema": (("bilateral", None), ("bilateral", None)),
    "Lung Lesion": (("left", "upper"), ("right", "lower")),
    "Lung Opacity": (("right", "upper"), ("left", "mid")),
    "Pleural Effusion": (("right", None), ("left", None)),
    "Pneumonia": (("right", "lower"), ("left", "upper")),
    "Pneumothorax": (("left", None), ("right", None)),
}


def sheet_cases() -> Iterator[tuple[str, Case]]:
    """Captions and cases: six healthy chests, each finding mild and severe, four devices."""
    for _ in range(6):
        yield "normal", Case()
    for name in PATHOLOGIES:
        places = PLACES.get(name, ((None, None), (None, None)))
        for (side, zone), severity in zip(places, (0.15, 0.85), strict=True):
            where = f" {side}" if side else ""
            yield f"{name}{where} {severity}", Case((Finding(name, severity, side, zone),))
    yield "endotracheal tube", Case((), (PlacedDevice("endotracheal tube"),))
    yield "nasogastric tube", Case((), (PlacedDevice("nasogastric tube"),))
    yield "central line", Case((), (PlacedDevice("central line", "right"),))
    yield "pacemaker", Case((), (PlacedDevice("pacemaker", "left"),))


def draw_sheet(path: Path, seed: int = 0) -> None:
    """Write the sheet as a grey PNG."""
    cases = list(sheet_cases())
    rows = -(-len(cases) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * 2 * SIDE, rows * (SIDE + CAPTION)))
    draw = ImageDraw.Draw(sheet)
    for i, (caption, case) in enumerate(cases):
        row, column = divmod(i, COLUMNS)
        x, y = column * 2 * SIDE, row * (SIDE + CAPTION)
        pair = np.hstack(render_case(case, seed, 100 + i, 64))
        picture = Image.fromarray(pair).resize((2 * SIDE, SIDE), Image.Resampling.BICUBIC)
        sheet.paste(picture, (x, y + CAPTION))
        draw.text((x + 2, y + 1), caption, fill=220)
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    draw_sheet(Path(sys.argv[1]))
