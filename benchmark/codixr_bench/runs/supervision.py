"""A run ends in our words, however it ends: signals keep finished samples, a sudden death is told.

SIGTERM and SIGHUP, which schedulers and closed terminals send, are exceptions as SIGINT is one:
what was finished is kept. What no exception can tell (``os._exit`` in a plug-in, a crash of native
code) is told by a parent process, which does nothing else than wait.
"""

import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from codixr import messages
from codixr_bench.runs.crash import ModelError

SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))
)
_PR_SET_PDEATHSIG = 1
_CODE = struct.Struct("i")


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number
        """As a shell has it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""


@contextmanager
def telling_what_is_kept(folders: Sequence[Path]) -> Iterator[None]:
    """What ends the run within says, as its ``kept``, whether any of its folders has a sample."""
    try:
        yield
    except (KeyboardInterrupt, ModelError) as error:
        kept = any(True for folder in folders for _ in folder.glob("samples*/*.parquet"))
        error.kept = kept  # type: ignore[union-attr]
        raise


def kept_or_not(error: BaseException) -> str:
    """What to say of the samples when ``error`` ended a command."""
    if getattr(error, "kept", False):
        return "what was made is kept, and the same command goes on from there"
    return "nothing was made before that"


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, the first of ``SIGNALS`` raises Interrupted; more of them change nothing.

    A signal that is ignored, as by nohup, stays ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def supervised(program: str, job: Callable[[], int]) -> int:
    """Run ``job`` in a child process, and say so when that ends without a word; the exit code.

    Signals go on to the child; the child ends with its parent. Where there is no fork, ``job``
    runs here.
    """
    if not hasattr(os, "fork"):
        return job()
    said, says = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(said)
        _end_with(parent)
        with interruptible():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            code = job()
        os.write(says, _CODE.pack(code))
        return code
    os.close(says)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda n, _: _pass_on(child, n))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _, status = os.waitpid(child, 0)
    # A pool that outlives the child may hold the pipe open: take what is there, wait for nothing.
    os.set_blocking(said, False)
    word = b""
    with suppress(BlockingIOError):
        word = os.read(said, _CODE.size)
    os.close(said)
    if len(word) == _CODE.size:
        code = _CODE.unpack(word)[0]
        return int(code)
    messages.failure(
        program,
        f"the process ended without a word ({_ending(status)}): the model, a metric or a library "
        "ended it; samples that were finished are kept, and the same command goes on from there",
    )
    return 1


def _pass_on(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"


def _end_with(parent: int) -> None:
    """Have this process killed when its parent is: a killed run must not go on unseen."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)
