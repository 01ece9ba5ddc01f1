"""Worker processes end with the process that started them, however that one ends.

A parent that is killed (SIGTERM, SIGHUP, SIGKILL) can't stop its pool. Workers of
``multiprocessing`` therefore watch a pipe to it, and on Linux the kernel kills them too; give
``end_with_parent`` as a pool's initializer.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait

_PR_SET_PDEATHSIG = 1
_POLL = 0.5
"""Seconds between two looks at the parent, where there is no pipe to it."""


def cores() -> int:
    """How many processors this process may use; all of the machine's where the system can't say."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """Make this process end, within a second, when its parent does.

    Call it in a worker, once. Ctrl-C in a terminal goes to the whole group; it is left to the
    parent, so that what a worker is writing is finished or taken away. A forked worker doesn't keep
    its parent's answers to SIGTERM and SIGHUP.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.SIG_DFL)
    _ask_the_kernel()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _ask_the_kernel() -> None:
    """PR_SET_PDEATHSIG: it works even while a decoder holds the interpreter."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(parent: int) -> None:
    known = parent_process()
    if known is not None:
        wait([known.sentinel])
    else:
        while os.getppid() == parent:
            time.sleep(_POLL)
    os._exit(1)
