"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing for short work."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOG_SECONDS = 30.0
_SHORT_SECONDS = 2.0


@contextmanager
def progress(
    title: str, total: int, *, unit: str = "", scale: float = 1.0
) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with how much was done.

    Args:
        title: what is being done.
        total: of what is counted; 0 for unknown.
        unit: of the numbers shown.
        scale: what turns counts into that unit, e.g. 1e-6 for bytes in MB.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log_lines(title, total, unit, scale)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4, transient=True) as bar:
        job = bar.add_task(title, total=total * scale or None, unit=unit)
        yield lambda n: bar.update(job, advance=n * scale)


def _log_lines(title: str, total: int, unit: str, scale: float) -> Callable[[int], None]:
    began = spoke = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, spoke
        done += n
        now = time.monotonic()
        over = done >= total > 0
        if now - (began if over else spoke) < (_SHORT_SECONDS if over else _LOG_SECONDS):
            return
        spoke = now
        of = f"/{total * scale:,.0f}" if total else ""
        print(f"{title}: {done * scale:,.0f}{of} {unit}".rstrip(), file=sys.stderr, flush=True)

    return advance
