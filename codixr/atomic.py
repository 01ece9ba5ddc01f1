"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk, a quota or a limit on a file's size is behind an exception.

    torch's writer wraps the OSError, and safetensors puts it in words of its own.
    """
    return any(
        e.errno in _FULL if isinstance(e, OSError) else "No space left on device" in str(e)
        for e in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def no_space(path: Path) -> InputError:
    """The error for a disk that has no room for ``path``."""
    return InputError(
        f"no space left for {path}: what was finished is kept and no file is half written; "
        "free some space and run the same command again"
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write the new file to; flushed and renamed at the end.

    After an exception the temporary file is removed, and ``path`` is as it was. A device or a pipe
    is written to, not replaced; behind a link, the file it names is. Raises InputError when the
    disk is full or the file cannot be written.
    """
    streams = path.exists() and not path.is_file() and not path.is_dir()
    if path.is_symlink() and not streams:
        path = path.resolve()
    part = path if streams else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if not streams:
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(path.parent)
    except BaseException as error:
        if not streams:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, InputError) or not isinstance(error, Exception):
            raise
        if is_disk_full(error):
            raise no_space(path) from error
        cause = next((e for e in causes(error) if isinstance(e, OSError)), None)
        if cause is None or cause.filename not in (None, str(part), str(path)):
            raise
        raise InputError(f"cannot write '{path}': {cause.strerror or cause}") from error


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write ``content``, whole or not at all, by ``replacing``.

    It may come in pieces, so that a large file needs no large memory. Raises InputError when the
    disk is full or the file cannot be written.
    """
    with replacing(path) as part, part.open("wb") as file:
        for piece in (content,) if isinstance(content, bytes) else content:
            file.write(piece)


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
            raise no_space(folder) from error
        raise InputError(
            f"cannot make the folder '{folder}': {error.strerror or error}; choose another --out"
        ) from error


def new_array(
    path: Path, dtype: "type[np.generic]", shape: tuple[int, ...]
) -> "np.memmap[Any, Any]":
    """A file of zeros, mapped into memory; its room on the disk is taken at once.

    InputError when the disk is full: to run out of it later, while writing through the map, would
    end the process without a word (SIGBUS).
    """
    import numpy as np

    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if is_disk_full(error):
            raise no_space(path) from error
        raise
    return array


def _sync_folder(folder: Path) -> None:
    # A rename is only durable once the folder is on the disk; some file systems refuse this.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
