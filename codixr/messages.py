"""What the commands say on stderr: a line that begins with the command, and with its kind.

``codixr-bench: scoring 64 samples`` · ``codixr-bench: note: ...`` · ``codixr-bench: error: ...`` ·
``codixr-bench: failed: ...``. Standard output is for results.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def say(program: str, text: str) -> None:
    """How far it is. Of a run's processes, which would all say the same, the first does."""
    if os.environ.get("RANK", "0") == "0":
        _write(program, text)


@contextmanager
def saying_if_slow(program: str, text: str, after: float = 1.0) -> Iterator[None]:
    """Say ``text`` where what is within takes longer than ``after`` seconds."""
    timer = threading.Timer(after, say, (program, text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def note(program: str, text: str) -> None:
    """Something to know about what ``program`` does, which goes on."""
    _write(program, f"note: {text}")


def error(program: str, text: str) -> None:
    """Bad input, which a person can mend: what was wrong, and what to do."""
    _write(program, f"error: {text}")


def failure(program: str, text: str) -> None:
    """What broke though the input was fine, e.g. a model's own code."""
    _write(program, f"failed: {text}")


def _write(program: str, text: str) -> None:
    print(f"{program}: {text}", file=sys.stderr, flush=True)
