"""Drawings in a run's folder, and on its page: what both views measure, the mix curve, the gaps."""

from collections.abc import Sequence
from pathlib import Path

from codixr.atomic import write_atomically
from codixr_bench.metric import Columns
from codixr_bench.metrics.anatomy import shared_measures
from codixr_bench.result import Result
from codixr_bench.show.page import REPORT_NAME, run_page
from codixr_bench.show.scatter import scatter_svg

ANATOMY, MIX, GAPS = "anatomy.svg", "mix.svg", "gaps.svg"
HEADS = {
    ANATOMY: "One body: what each view measures, in shares of the picture's side",
    MIX: "Utility: real studies mixed with generated ones",
    GAPS: "Gaps between groups",
}
"""File -> what stands above it on the page."""


def draw_anatomy(folder: Path, columns: Columns) -> None:
    """Write ``anatomy.svg``, a dot a study, where both views were measured."""
    if panels := shared_measures(columns):
        write_atomically(folder / ANATOMY, scatter_svg(panels, "frontal", "lateral"))


def write_page(
    folder: Path, result: Result, scale: Sequence[Result] = (), grid: bytes | None = None
) -> None:
    """Write the run's page, with the drawings that lie in its folder.

    Args:
        folder: of the run.
        result: what was scored.
        scale: results of reference points.
        grid: ``grid.png``, where it may be shown.
    """
    figures = [
        (head, (folder / name).read_bytes())
        for name, head in HEADS.items()
        if (folder / name).is_file()
    ]
    write_atomically(folder / REPORT_NAME, run_page(result, scale, grid, figures))
