"""Files that are written together: all of them, or none."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image


def write_all(
    folder: Path, files: Mapping[str, "Image | str"], warning: Sequence[str] = ()
) -> list[Path]:
    """Write every file or none: a full disk or an interrupt leaves no half of them.

    They are written to a temporary folder on the same disk and moved when all are complete. A
    picture carries the lines of ``warning`` in PNG's text entry of that name. InputError when the
    folder cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    carried = PngInfo()
    if warning:
        carried.add_text("Warning", "\n".join(warning))
    made = _make_folders(folder)
    staging: Path | None = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=".codixr-", dir=folder))
        for name, content in files.items():
            if isinstance(content, str):
                (staging / name).write_text(content.rstrip() + "\n", encoding="utf-8")
            else:
                content.save(staging / name, format="PNG", pnginfo=carried)
        return [(staging / name).replace(folder / name) for name in files]
    except OSError as error:
        raise InputError(
            f"--out {folder}: cannot be written: {error.strerror or error}; nothing was kept"
        ) from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for path in made:  # only those that stayed empty: rmdir refuses the others
            try:
                path.rmdir()
            except OSError:
                break


def _make_folders(folder: Path) -> list[Path]:
    """Make the folder and its parents; returns those that were not there, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made: {error.strerror}") from None
    return missing
