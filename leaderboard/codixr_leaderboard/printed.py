"""Rows that a paper prints: a scale to read ours by, never ranked with them.

A file ``results/<track>/paper-….json`` holds one system's printed cells. They are the paper's own
split, pictures and weights, so they stand in tables of their own, marked as printed.
``python -m codixr_leaderboard.printed leaderboard/results`` writes them from
``codixr_bench.paper.printed``; a test keeps them equal.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.paper import printed as paper
from codixr_bench.result import Name
from codixr_bench.result_files import WrongFieldsError, parse, read_bytes, read_strict
from codixr_bench.task import PAPER_TASKS

TRACK = "mimic-cxr"
MARK = "as printed, own split"


class PrintedRows(BaseModel):
    """One system's printed cells, task by task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Literal["paper"] = "paper"
    model: Name
    studies: Name
    tasks: dict[str, dict[str, float | None]]
    """Task -> score -> value as printed; null where our copy is unreadable."""


def is_printed(raw: object) -> bool:
    """Whether parsed JSON is such a file."""
    return isinstance(raw, dict) and raw.get("source") == "paper"


def read_printed(path: Path) -> PrintedRows:
    """Read one; InputError for another file, or for other numbers than the paper prints."""
    what = f"'{path}'"
    try:
        found = parse(PrintedRows, read_strict(read_bytes(path, what), what), what)
    except WrongFieldsError as error:
        raise InputError(f"{what} is not a file of printed rows") from error
    if printed_rows().get(path.name) != found or path.absolute().parent.name != TRACK:
        raise InputError(f"'{path}' is not what the paper prints (codixr_bench/paper/printed.py)")
    return found


def printed_rows() -> dict[str, PrintedRows]:
    """File name -> rows, of all systems of the paper's Tables II to V."""
    found = {}
    for system in (paper.REAL, paper.CODI, paper.CODI_XR):
        name = f"paper-{system.lower().replace(' ', '-').replace('_', '-')}.json"
        tasks = {
            task.name: cells
            for task in PAPER_TASKS
            if (cells := paper.printed_scores(system, task))
        }
        studies = "own split, 33,588 X-rays"
        found[name] = PrintedRows(model=f"{system} (paper)", studies=studies, tasks=tasks)
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1]) / TRACK
    make_folder(folder)
    for file, rows in printed_rows().items():
        content = json.dumps(rows.model_dump(mode="json"), indent=1, ensure_ascii=False)
        write_atomically(folder / file, (content + "\n").encode())
