"""Many reports through a labeler: in chunks, in one process or several, in constant memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice

from codixr.workers import end_with_parent
from codixr_bench.labeler.interface import Labeler
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.tables import Named

CHUNK = 1000


def label_stream(
    reports: Iterable[Named],
    labeler: Labeler,
    *,
    workers: int = 1,
    cutter: Callable[[str], str | None] | None = None,
    chunk: int = CHUNK,
) -> Iterator[tuple[Named, Labels]]:
    """Each report with its labels, in order.

    Args:
        reports: identity and text.
        labeler: what reads them; it is sent to the workers.
        workers: processes; 1 uses this one.
        cutter: the part of a report that is read; None leaves the report out.
        chunk: reports a call of the labeler.
    """
    parts = _chunks(_cut(reports, cutter), chunk)
    if workers == 1:
        for named, texts in parts:
            yield from zip(named, labeler.label(texts), strict=True)
        return
    waiting: deque[tuple[list[Named], Future[list[Labels]]]] = deque()
    with ProcessPoolExecutor(workers, initializer=end_with_parent) as pool:
        try:
            for named, texts in parts:
                waiting.append((named, pool.submit(labeler.label, texts)))
                if len(waiting) > 2 * workers:
                    yield from _next(waiting)
            while waiting:
                yield from _next(waiting)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cut(
    reports: Iterable[Named], cutter: Callable[[str], str | None] | None
) -> Iterator[tuple[Named, str]]:
    for named in reports:
        text = named[1] if cutter is None else cutter(named[1])
        if text is not None:
            yield named, text


def _chunks(
    reports: Iterator[tuple[Named, str]], size: int
) -> Iterator[tuple[list[Named], list[str]]]:
    while part := list(islice(reports, size)):
        yield [named for named, _ in part], [text for _, text in part]


def _next(
    waiting: deque[tuple[list[Named], "Future[list[Labels]]"]],
) -> Iterator[tuple[Named, Labels]]:
    named, done = waiting.popleft()
    yield from zip(named, done.result(), strict=True)
