"""A folder for one process at a time, on systems that have locks for it and on those without.

The lock goes when its process ends, however that is. Windows locks a file in the folder; POSIX the
folder itself.
"""

import os
import sys
from pathlib import Path

_FILE = ".lock"
"""On Windows, where a folder can't be opened."""


def lock_folder(folder: Path) -> int | None:
    """A handle that holds ``folder`` until ``unlock``; None where its file system has no locks.

    Raises BlockingIOError while another process, or another handle, holds it.
    """
    if sys.platform == "win32":
        return _lock_on_windows(folder)
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:  # some network file systems
        os.close(handle)
        return None
    return handle


def unlock(handle: int | None) -> None:
    """Let others have the folder."""
    if handle is not None:
        os.close(handle)


def _lock_on_windows(folder: Path) -> int | None:
    import msvcrt

    handle = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT)
    try:
        # One byte, beyond the end of the file: nothing is written.
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except PermissionError as error:  # how it says that another one has it
        os.close(handle)
        raise BlockingIOError(f"'{folder}' is in use") from error
    except OSError:
        os.close(handle)
        return None
    return handle
