"""A real disk of a few KiB: a tmpfs that only a forked process sees."""

import ctypes
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FORK = multiprocessing.get_context("fork")
_NEW_MOUNTS, _NEW_USER, _PRIVATE, _REMOUNT = 0x20000, 0x10000000, 0x44000, 0x20
_NOT_ALLOWED = 77


def with_disk(folder: Path, kib: int, work: Callable[[Path], None]) -> None:
    """``work(folder)`` in a process with a disk of ``kib`` KiB at ``folder``.

    What it raises fails the test; where the system lets nobody mount a disk, the test is skipped.
    """
    folder.mkdir()
    process = FORK.Process(target=_mounted, args=(folder, kib, work))
    process.start()
    process.join()
    if process.exitcode == _NOT_ALLOWED:
        pytest.skip("this system lets us mount no disk of our own")
    assert process.exitcode == 0


def _mounted(folder: Path, kib: int, work: Callable[[Path], None]) -> None:
    libc = ctypes.CDLL(None)
    if libc.unshare(_NEW_MOUNTS | (_NEW_USER if os.geteuid() else 0)):
        os._exit(_NOT_ALLOWED)
    if libc.mount(b"none", b"/", None, _PRIVATE, None) or _mount(folder, kib, 0):
        os._exit(_NOT_ALLOWED)
    work(folder)


def enlarge(folder: Path, kib: int) -> None:
    """Make the disk at ``folder`` larger."""
    assert _mount(folder, kib, _REMOUNT) == 0


def fill(folder: Path) -> Path:
    """A file that takes all that is left of the disk at ``folder``."""
    path = folder / "ballast"
    path.write_bytes(bytes(shutil.disk_usage(folder).free))
    return path


def _mount(folder: Path, kib: int, flags: int) -> int:
    options = f"size={kib}k".encode()
    done: int = ctypes.CDLL(None).mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options)
    return done
