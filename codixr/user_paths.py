"""Asking the disk about a text that a user gave: one that no file can be called is no file.

``Path.exists`` and its like raise for a name that is too long, or holds a NUL.
"""

import errno
import os
from pathlib import Path

LONGEST_NAME = 255
"""Bytes of a file's or folder's name, on every file system in use."""
LONGEST_PATH = 4096
"""Bytes of a whole path."""


def is_there(path: str | Path) -> bool:
    """Whether there is a file or folder of that name; never raises."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Whether there is a file of that name; never raises."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder of that name; never raises."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def can_be_a_name(path: Path) -> bool:
    """Whether a file or folder could be called so, there or not."""
    try:
        parts = [os.fsencode(part) for part in path.parts]
        whole = os.fsencode(path)
    except ValueError:  # letters that the system's encoding lacks
        return False
    return (
        b"\0" not in whole
        and len(whole) < LONGEST_PATH
        and all(len(part) <= LONGEST_NAME for part in parts)
    )


def is_name_too_long(error: OSError) -> bool:
    """Whether ``error`` is about a name that no file can have."""
    return error.errno == errno.ENAMETOOLONG


def name_too_long(error: OSError) -> str:
    """One line on such an error, with its cure."""
    parts = Path(os.fsdecode(error.filename)).parts if error.filename else ()
    named = max(parts, key=lambda part: len(os.fsencode(part)), default="a file's name")
    return (
        f"'{named}' is too long for the name of a file or folder, which has at most "
        f"{LONGEST_NAME} bytes: give a shorter one"
    )
