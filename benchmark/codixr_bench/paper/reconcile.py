"""The paper's printed averages that don't follow from its own cells.

A printed cell stands for every number that rounds to it. An average is listed when no numbers that
round to the printed classes give one that rounds to the printed average. Macro is the plain mean
over the ten pathologies (in Table V too: with No Finding it would be .04 higher), weighted goes by
Table I's positives. Micro averages cannot be recomputed from printed cells, nor Table V's weighted
one: the support of No Finding is not printed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codixr.data.labels import PATHOLOGIES
from codixr_bench.paper.printed import AUROC, F1, LABEL_F1, SUPPORT, Printed

HALF = 0.005
"""What rounding to two decimals hides, either way."""
_TEN = len(PATHOLOGIES)


@dataclass(frozen=True, slots=True)
class Cell:
    """A printed average, and what the printed classes make of it."""

    table: str
    row: str
    average: str
    printed: float
    recomputed: float
    follows: bool


def recomputed_cells() -> list[Cell]:
    """Every printed average that can be recomputed."""
    return [*_table_i(), *_averages("III", "AUROC", AUROC), *_averages("III", "F1", F1),
            *_averages("V", "label F1", LABEL_F1, weighted=False)]  # fmt: skip


def _table_i() -> Iterator[Cell]:
    for name, (samples, negatives, positives) in SUPPORT.items():
        total = negatives + positives
        yield Cell("I", name, "samples", samples, total, samples == total)


def _averages(
    table: str, family: str, rows: dict[tuple[str, str | None], Printed], *, weighted: bool = True
) -> Iterator[Cell]:
    positives = [SUPPORT[name][2] for name in PATHOLOGIES]
    for (model, task), printed in rows.items():
        classes = [value for value in printed[:_TEN] if value is not None]
        if len(classes) < _TEN:
            continue
        row = f"{model} {task}" if task else model
        yield _average(table, row, f"{family} macro", printed[-2], classes, [1] * _TEN)
        if weighted:
            yield _average(table, row, f"{family} weighted", printed[-1], classes, positives)


def _average(
    table: str,
    row: str,
    average: str,
    printed: float | None,
    classes: Sequence[float],
    weights: Sequence[int],
) -> Cell:
    if printed is None:
        raise ValueError(f"table {table}, {row}: no {average} is printed")
    value = sum(w * v for w, v in zip(weights, classes, strict=True)) / sum(weights)
    follows = abs(value - printed) <= 2 * HALF + 1e-9
    return Cell(table, row, average, printed, value, follows)
