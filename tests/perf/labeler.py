"""`make perf`, the labeler: reports a second on one core, on OpenI's real reports.

By the processor's time, so that neighbours count less; with and without the memory of sentences
seen before. The original's own speed, measured likewise on one core: 3 to 6 reports a second.
"""

import statistics
import time
from unittest.mock import patch

from codixr.data.openi import OpenIDataset
from codixr_bench.labeler import rules

ROUNDS = 3


def main() -> None:
    """Print one line a measurement."""
    dataset = OpenIDataset()
    reports = [dataset[i].report or "" for i in range(len(dataset))]
    megabyte = (" ".join(reports) * 10)[:1_000_000]
    print(f"{'what':52}{'median':>10}{'least':>10}{'most':>10}  target")
    _print("label, impressions/s, no sentence remembered", _rates(reports, remember=False))
    _print("label, impressions/s", _rates(reports, remember=True))
    seconds = [_seconds(lambda: rules.label_report(megabyte)) for _ in range(ROUNDS)]
    _print("label, 1 MB of real impressions in one text, s", seconds, "< 2")
    dense = _dense(1_000_000)
    seconds = [_seconds(lambda: _uncached(dense)) for _ in range(ROUNDS)]
    _print("label, 1 MB of new sentences full of mentions, s", seconds, "< 2 idle")


def _dense(length: int) -> str:
    """Sentences full of findings, none of them twice."""
    findings = ("effusion", "pneumonia", "mass", "nodule", "edema", "scar", "fracture")
    sentences = []
    size = number = 0
    while size < length:
        a, b, c = (findings[number // 7**k % 7] for k in range(3))
        for text in (
            f"No acute {a}, large {b}, or focal {c} x{number}y.",
            f"There is mild {a} in the lung which may represent {b} versus {c} x{number}y.",
            f"The heart size is normal, contours are stable and {a} cannot be excluded x{number}y.",
        ):
            sentences.append(text)
            size += len(text) + 1
        number += 1
    return " ".join(sentences)


def _uncached(text: str) -> None:
    rules._cached.cache_clear()
    rules.label_report(text)


def _rates(reports: list[str], *, remember: bool) -> list[float]:
    def label() -> None:
        for report in reports:
            rules.label_report(report)

    def once() -> float:
        rules._cached.cache_clear()
        if remember:
            return _seconds(label)
        with patch.object(rules, "_cached", rules._evidence):
            return _seconds(label)

    return [len(reports) / once() for _ in range(ROUNDS)]


def _seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _print(what: str, values: list[float], target: str = "> 2,000") -> None:
    numbers = (statistics.median(values), min(values), max(values))
    print(f"{what:52}" + "".join(f"{n:>10,.2f}" for n in numbers) + f"  {target}", flush=True)


if __name__ == "__main__":
    main()
