"""A drawing that another command makes of a scored run: into its folder, and on its page."""

from pathlib import Path

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr_bench.result import Result
from codixr_bench.runs.figures import write_page
from codixr_bench.runs.finish import GRID_NAME, scale_beside


def put_on_page(folder: Path, name: str, svg: bytes) -> None:
    """Write ``name`` (of ``figures.HEADS``) and the page; InputError for a folder without a run."""
    if not folder.is_dir():
        raise InputError(f"--page: '{folder}' is not a run's folder")
    result = Result.load(folder)
    write_atomically(folder / name, svg)
    grid = folder / GRID_NAME
    shown = grid.read_bytes() if grid.is_file() else None
    write_page(folder, result, scale_beside(folder, result), shown)
