"""What a person sees while a stage trains: a bar on a terminal, a line every 20 s elsewhere."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
LINE_EVERY = 20.0


def is_main() -> bool:
    """Whether this process speaks: the first of a run."""
    return os.environ.get("RANK", "0") == "0"


def note(text: str) -> None:
    """One line on stderr, from the first process only."""
    if is_main():
        print(text, file=sys.stderr, flush=True)


def bar(items: Sequence[T], title: str) -> Iterator[T]:
    """``items``, with progress on stderr once it has taken two seconds."""
    watch = Progress(title, len(items), quiet_for=2.0)
    with watch:
        for done, item in enumerate(items):
            yield item
            watch.show(done + 1, {})


class Progress:
    """Steps done, losses, samples a second, and the time left."""

    def __init__(
        self, title: str, total: int, *, start: int = 0, batch: int = 0, quiet_for: float = 0.0
    ) -> None:
        self.title, self.total, self.start, self.batch = title, total, start, batch
        self._began = time.monotonic()
        self._shown = self._began - LINE_EVERY + max(quiet_for, 1.0)
        self._terminal = sys.stderr.isatty()
        self._quiet_until = self._began + quiet_for
        self._bar: object | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]

    def due(self, done: int) -> bool:
        """Whether ``show`` would say something now."""
        now = time.monotonic()
        if not is_main() or now < self._quiet_until:
            return False
        if self._terminal:
            return now - self._shown > 0.1 or done == self.total
        return now - self._shown > LINE_EVERY or (
            done == self.total and not self._quiet_until > now
        )

    def show(self, done: int, losses: Mapping[str, float]) -> None:
        """Say how far it is, when it is time to."""
        if not self.due(done):
            return
        self._shown = time.monotonic()
        used = self._shown - self._began
        rate = (done - self.start) / max(used, 1e-9)
        left = (self.total - done) / max(rate, 1e-9)
        numbers = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
        speed = f"{rate * self.batch:.3g} samples/s" if self.batch else f"{rate:.3g}/s"
        if self._terminal:
            self._draw(done, f"{numbers} {speed}".strip())
        else:
            text = f"{self.title}: {done}/{self.total} {numbers} {speed}, {clock(left)} left"
            print(" ".join(text.split()), file=sys.stderr, flush=True)

    def _draw(self, done: int, text: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        if self._bar is None:
            drawn = Progress(
                TextColumn("{task.description}"),
                BarColumn(24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            drawn.add_task(self.title, total=self.total, completed=self.start, text="")
            drawn.start()
            self._bar = drawn
        self._bar.update(0, completed=done, text=text)  # type: ignore[attr-defined]


def clock(seconds: float) -> str:
    """``3725`` -> ``1:02:05``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def floats(losses: Mapping[str, object]) -> dict[str, float]:
    """Losses as plain numbers."""
    return {name: float(value) for name, value in losses.items()}  # type: ignore[arg-type]


def joined(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
