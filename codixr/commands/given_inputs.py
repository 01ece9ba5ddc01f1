"""What ``--from`` of `codixr generate` gives: pictures at their own size, and a report."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.user_paths import is_file, is_folder, is_there

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_REPORT_CHARACTERS = 20_000
_TEXT_FILE = re.compile(r"\S+\.txt", re.IGNORECASE)


def read_inputs(
    sources: Mapping[Modality, str], note: Callable[[str], None]
) -> "tuple[dict[Modality, NDArray[np.float32]], str | None]":
    """Pictures at their own size, and the report."""
    from codixr.data.picture import read_radiograph

    pictures: dict[Modality, NDArray[np.float32]] = {}
    report = None
    for modality, value in sources.items():
        if modality is Modality.T:
            report = _read_report(value)
            continue
        radiograph = read_radiograph(Path(value))
        pictures[modality] = radiograph.pixels
        for line in radiograph.notes:
            note(f"{value}: {line}")
    return pictures, report


def _read_report(value: str) -> str:
    """The text itself, or that of the file behind ``@``; never quoted in a message."""
    if value.startswith("@"):
        text, where = _read_file(value[1:])
    elif _names_a_file(value):
        raise InputError("--from T: names a file, where a text is expected; T=@FILE reads a file")
    else:
        text, where = value, "--from T"
    text = " ".join(text.split())
    if not text:
        raise InputError(f"{where}: the report is empty")
    if len(text) > MAX_REPORT_CHARACTERS or "\0" in text:
        raise InputError(
            f"{where}: not a report: over {MAX_REPORT_CHARACTERS:,} characters, or binary"
        )
    return text


def _read_file(name: str) -> tuple[str, str]:
    """The text of the file behind ``@``, and what an error calls it.

    What isn't there and has blanks in it may be the report itself: it is not quoted.
    """
    if not name.strip():
        raise InputError("--from T=@: names no file; write T=@FILE, e.g. T=@report.txt")
    path = Path(name)
    where = str(path) if is_there(path) or len(name.split()) == 1 else "--from T: what @ names"
    if is_folder(path):
        raise InputError(f"{where}: is a folder; T=@FILE takes the text file of one report")
    try:
        return path.read_bytes().decode("utf-8-sig"), where
    except OSError as error:
        raise InputError(
            f"{where}: cannot be read: {error.strerror}; T=@FILE takes a text file, T=TEXT a text"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{where}: is not UTF-8 text; save the report as UTF-8") from None


def _names_a_file(value: str) -> bool:
    return is_file(value) or _TEXT_FILE.fullmatch(value) is not None
