"""Many reports through a labeler: in chunks, in one process or several, in constant memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice

from codixr.data.report import split_sections
from codixr_bench.labeler.interface import Labeler
from codixr_bench.labeler.labels import Labels

CHUNK = 1000
Named = tuple[str, str]
"""Identity and report."""


def label_stream(
    reports: Iterable[Named],
    labeler: Labeler,
    *,
    workers: int = 1,
    sections: tuple[str, ...] = (),
    chunk: int = CHUNK,
) -> Iterator[tuple[Named, Labels]]:
    """Each report with its labels, in order.

    Args:
        reports: identity and text.
        labeler: what reads them; it is sent to the workers.
        workers: processes; 1 uses this one.
        sections: read these sections only, where a report has any of them.
        chunk: reports a call of the labeler.
    """
    parts = chunks(reports, chunk)
    if workers == 1:
        for part in parts:
            yield from zip(part, _label(labeler, part, sections), strict=True)
        return
    waiting: deque[tuple[list[Named], Future[list[Labels]]]] = deque()
    with ProcessPoolExecutor(workers) as pool:
        for part in parts:
            waiting.append((part, pool.submit(_label, labeler, part, sections)))
            if len(waiting) > 2 * workers:
                yield from _next(waiting)
        while waiting:
            yield from _next(waiting)


def cut(report: str, sections: tuple[str, ...]) -> str:
    """The named sections of a report; all of it where it has none of them, as in the original."""
    found = [s.text for s in split_sections(report) if s.name in sections]
    return "\n".join(found) if found else report


def _next(
    waiting: deque[tuple[list[Named], "Future[list[Labels]]"]],
) -> Iterator[tuple[Named, Labels]]:
    part, done = waiting.popleft()
    yield from zip(part, done.result(), strict=True)


def chunks(reports: Iterable[Named], size: int = CHUNK) -> Iterator[list[Named]]:
    """The reports in lists of ``size``."""
    source = iter(reports)
    while part := list(islice(source, size)):
        yield part


def _label(labeler: Labeler, part: list[Named], sections: tuple[str, ...]) -> list[Labels]:
    texts = [cut(report, sections) if sections else report for _, report in part]
    return labeler.label(texts)
