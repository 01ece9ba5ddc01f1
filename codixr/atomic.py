"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from codixr.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_disk_full(error: OSError) -> bool:
    """Whether ``error`` says that a disk or a quota is full."""
    return error.errno in _FULL


def disk_full(folder: Path) -> InputError:
    """The error for a full disk under ``folder``."""
    return InputError(
        f"no space left on the disk of '{folder}': finished chunks are kept and no file is half "
        "written; free some space and run the same command again"
    )


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write under a temporary name beside ``path``, flush to the disk, rename.

    ``content`` may come in pieces, so that a large file needs no large memory.

    Raises InputError when the disk is full or the folder cannot be written; the temporary file is
    removed then.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for piece in (content,) if isinstance(content, bytes) else content:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path.parent) from error
        raise InputError(f"cannot write '{path}': {error.strerror or error}") from error
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that killed processes left in ``folder``."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents; InputError when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(folder) from error
        raise InputError(
            f"cannot make the folder '{folder}': {error.strerror or error}; choose another --out"
        ) from error


def _sync_folder(folder: Path) -> None:
    # A rename is only durable once the folder is on the disk; some file systems refuse this.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
