"""A progress bar on stderr; in a log, a line every half minute."""

import sys
import time
from types import TracebackType
from typing import Self

_BAR_AFTER = 2.0
_IN_A_LOG_EVERY = 30.0


class Progress:
    """``with Progress("preparing", total, done, "studies") as bar: bar.advance(n)``.

    Nothing is shown for what takes under two seconds. The rate counts what was done here, not what
    an earlier run left.
    """

    def __init__(
        self, title: str, total: int, done: int = 0, unit: str = "", *, quiet: bool = False
    ) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done = self._before = done
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._began = self._last = time.monotonic()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown and self._terminal:
            print(file=sys.stderr)

    def advance(self, n: int = 1) -> None:
        """``n`` more are done."""
        self._done += n
        now = time.monotonic()
        pause = 0.1 if self._terminal else _IN_A_LOG_EVERY
        first = not self._shown and now - self._began > _BAR_AFTER
        last = self._done >= self._total and self._shown
        if self._quiet or not (first or last or (self._shown and now - self._last > pause)):
            return
        self._shown, self._last = True, now
        rate = (self._done - self._before) / (now - self._began)
        left = (self._total - self._done) / rate if rate else 0.0
        text = (
            f"{self._title} {self._done:,}/{self._total:,} {self._unit}, "
            f"{rate:.1f}/s, {_duration(left)} left"
        )
        if self._terminal:
            full = 24 * self._done // max(self._total, 1)
            print(f"\r[{'#' * full:<24}] {text} ", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
