"""A stop that was asked for: SIGTERM or SIGUSR1 before a time limit.

While a stage trains, a signal is kept until the processes have agreed on a step and a checkpoint is
written; at any other time it ends the command at once, as nothing is lost.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from accelerate.utils import gather_object

SIGNALS = ("SIGTERM", "SIGUSR1")


class Stopped(BaseException):
    """The command was asked to stop; the same command goes on. No error: exit code 0."""

    def __init__(self, signal_name: str, where: str) -> None:
        super().__init__(f"{signal_name}: stopped {where}; the same command goes on")


class Stop:
    """Which signal asked for a stop, if any."""

    def __init__(self) -> None:
        self.asked: str | None = None
        self._waits = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Take the signals, for as long as the context lasts; elsewhere they are as they were."""
        known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before: dict[int, Any] = {number: signal.signal(number, self._take) for number in known}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def at_a_step(self) -> Iterator[None]:
        """Within it a signal is only noted: whoever trains looks at ``asked`` between steps."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def between_stages(self, following: str) -> None:
        """Stopped where a process was asked since its last step; all processes must ask."""
        asked = [name for name in gather_object([self.asked]) if name is not None]
        if asked:
            raise Stopped(asked[0], f"before {following}")

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number).name
        if not self._waits:
            raise Stopped(self.asked, "between steps")
