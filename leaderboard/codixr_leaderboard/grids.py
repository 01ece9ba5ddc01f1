"""Sample grids of the project's own rows: ``results/<track>/<model>/<TASK>.jpg``.

Only rows without another owner have them, and only on simulated tracks: a picture that a stranger
sends could show anything, a patient too, and no check sees it.
"""

import io
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.task import GROUPS, Task
from codixr_leaderboard.accepted import tracks
from codixr_leaderboard.ownership import MAINTAINERS
from codixr_leaderboard.submission import GRID_SUFFIX, Submission

LARGEST = 250_000
"""Bytes."""
_WIDTH, _HEIGHT, _QUALITY = 1280, 4000, 72
_WIDTHS = (640, _WIDTH)
"""The first of rows that were sent when a grid was one column."""
TASKS = tuple(task.folder for task in GROUPS["all"])


def grid_path(row: Path, task: str) -> Path:
    """Where the grid of a row's task lies."""
    return row.with_suffix("") / f"{Task.parse(task).folder}{GRID_SUFFIX}"


def may_have_grids(row: Submission) -> bool:
    """Whether it is the project's own, of simulated studies."""
    return row.owner in (None, MAINTAINERS) and tracks()[row.track].simulated


def smaller_grid(path: Path) -> bytes:
    """A run's ``grid.png`` as a row has it: grey, 1,280 pixels wide, a JPEG of at most ``LARGEST``.

    Raises InputError for a file that is no picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"'{path}' is not a picture ({type(error).__name__})") from error
    height = min(_HEIGHT, round(grey.height * _WIDTH / grey.width))
    small = grey.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    for quality in (_QUALITY, 60, 40, 20):  # pictures of noise hardly compress
        sink = io.BytesIO()
        small.save(sink, "JPEG", quality=quality, optimize=True)
        if len(sink.getvalue()) <= LARGEST:
            break
    return sink.getvalue()


def check_grid(content: bytes, what: str) -> None:
    """InputError for anything but a grey JPEG of the size that ``smaller_grid`` makes."""
    from PIL import Image

    if len(content) > LARGEST:
        raise InputError(f"{what} has {len(content):,} bytes; a grid has at most {LARGEST:,}")
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            known = picture.mode == "L" and picture.width in _WIDTHS and picture.height <= _HEIGHT
            words = set(picture.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{what} is not a JPEG picture ({type(error).__name__})") from error
    if not known or words:
        raise InputError(f"{what} is not a grid as `codixr-bench submit` writes it")
