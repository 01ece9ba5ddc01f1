"""Progress on stderr: a bar on a terminal, a line every half minute in a log.

The first of a run's processes speaks; a bar that begins inside another's is not drawn.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

T = TypeVar("T")
_LINE_EVERY = 30.0
_SHORT = 2.0
"""What takes fewer seconds leaves nothing behind: no bar on the terminal, no line in a log."""


class Progress:
    """``with Progress("preparing", total, unit="studies") as bar: bar.advance(n)``.

    Args:
        title: what is being done.
        total: of what is counted; 0 for unknown.
        done: what an earlier run left; the rate counts only what is done here.
        unit: of the numbers shown, e.g. ``studies``.
        scale: what turns counts into that unit, e.g. 1e-6 for bytes in MB.
        quiet: show nothing.
    """

    _drawing: ClassVar[bool] = False

    def __init__(
        self,
        title: str,
        total: int = 0,
        done: int = 0,
        unit: str = "",
        *,
        scale: float = 1.0,
        quiet: bool = False,
    ) -> None:
        self._title, self._total, self._unit, self._scale = title, total, unit, scale
        self._done = self._before = done
        self._part, self._said = 0.0, ""
        self._quiet = quiet or os.environ.get("RANK", "0") != "0"
        self._began = self._spoke = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty() and not Progress._drawing:
            self._bar = _bar(self._title, self._shown(self._total), self._shown(self._done))
            self._bar.start()
            Progress._drawing = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.live.transient = self._seconds() < _SHORT
            self._bar.stop()
            Progress._drawing = False

    @property
    def rate(self) -> float:
        """What was done here a second."""
        return (self._done + self._part - self._before) / max(self._seconds(), 1e-6)

    def advance(self, n: int = 1, text: Callable[[], str] | None = None) -> None:
        """``n`` more are done; ``text`` is asked for more to show, when something is shown."""
        self._done += n
        self._part = 0.0
        self._show(text)

    def within(self, n: int, share: float, text: str) -> None:
        """Of the next ``n``, a ``share`` is done: shown with ``text``, and counted when all are."""
        self._part, self._said = n * share, text
        self._show(lambda: text)

    @contextmanager
    def alive(self, text: str) -> Iterator[None]:
        """Within, a line says every half minute that it goes on, where nothing else is shown."""
        if self._quiet or self._bar is not None or Progress._drawing:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LINE_EVERY / 3):
                self._show(lambda: f"{self._said or text}, {duration(self._seconds())} so far")

        self._said = ""
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()

    def _show(self, text: Callable[[], str] | None) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        if self._bar is not None:
            # `text` may have to fetch a loss from the GPU: ten times a second is enough.
            if now - self._spoke > 0.1 or self._done == self._total:
                self._spoke = now
                self._bar.update(
                    self._bar.task_ids[0],
                    completed=(self._done + self._part) * self._scale,
                    text=self._words(text),
                )
            return
        if Progress._drawing:
            return
        over = self._done >= self._total > 0
        if now - (self._began if over else self._spoke) < (_SHORT if over else _LINE_EVERY):
            return
        self._spoke = now
        print(self._line(text), file=sys.stderr, flush=True)

    def _line(self, text: Callable[[], str] | None) -> str:
        of = f"/{self._shown(self._total):,.0f}" if self._total else ""
        left = ""
        if self._done < self._total and self.rate > 0:
            rest = self._total - self._done - self._part
            left = f", {duration(rest / self.rate)} left"
        count = f"{self._title}: {self._shown(self._done):,.0f}{of}"
        return f"{count} {self._words(text)}{left}"

    def _words(self, text: Callable[[], str] | None) -> str:
        words = f"{self._unit}, {self.rate * self._scale:.3g}/s".lstrip(", ")
        return f"{words}, {text()}" if text is not None else words

    def _shown(self, count: int) -> float:
        return count * self._scale

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def track(items: Sequence[T], title: str, unit: str = "") -> Iterator[T]:
    """``items`` one by one, with progress on stderr."""
    with Progress(title, len(items), unit=unit) as bar:
        for item in items:
            yield item
            bar.advance()


def duration(seconds: float) -> str:
    """``3725`` -> ``1 h 02 min``; ``125`` -> ``2 min 05 s``; ``8.2`` -> ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _bar(title: str, total: float, done: float) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    of = "/{task.total:,.0f}" if total else ""
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn(f"{{task.completed:,.0f}}{of} {{task.fields[text]}}", markup=False),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        refresh_per_second=4,
    )
    bar.update(bar.add_task(title, total=total or None, text=""), completed=done)
    return bar
