"""The paper's printed averages that don't follow from its own cells.

A printed cell stands for every number that rounds to it. An average is listed when no numbers that
round to the printed classes give one that rounds to the printed average. Macro is the plain mean
over the ten pathologies (in Table V too: with No Finding it would be .04 higher), weighted goes by
Table I's positives. Micro averages cannot be recomputed from printed cells, nor Table V's weighted
one: the support of No Finding is not printed. Two cells of Table II look exchanged
(``exchanged_cells``), which is an inference and no more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codixr.data.labels import PATHOLOGIES
from codixr_bench.paper.averages import Rounded, mean_of
from codixr_bench.paper.printed import AUROC, F1, FID, LABEL_F1, SUPPORT, Printed

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
    cells = [Rounded(value, HALF) for value in classes]
    fit = mean_of(cells, weights, Rounded(printed, HALF))
    return Cell(table, row, average, printed, fit.recomputed, fit.possible)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two cells of a row that look exchanged: an inference from the row's own pattern."""

    table: str
    row: str
    cells: tuple[str, str]
    spread: tuple[tuple[float, float], ...]
    """As printed and exchanged, for each network: how far the tasks of one output lie apart."""


def exchanged_cells() -> list[Exchange]:
    """Rows of Table II whose tasks of one output agree on every network once L->F and F->L change.

    A model that ignores its input makes the same pictures whatever it is given: its distances
    depend on the output only.
    """
    outputs = (("T->F", "L->F", "L+T->F"), ("T->L", "F->L", "F+T->L"))
    found = []
    for row, of in FID.items():
        spreads = []
        for network in range(2):
            printed = {task: of[task][network] or 0.0 for tasks in outputs for task in tasks}
            swapped = {**printed, "L->F": printed["F->L"], "F->L": printed["L->F"]}
            spreads.append((_spread(printed, outputs), _spread(swapped, outputs)))
        if all(after < before / 2 for before, after in spreads):
            found.append(Exchange("II", row, ("L->F", "F->L"), tuple(spreads)))
    return found


def _spread(values: Mapping[str, float], outputs: Sequence[Sequence[str]]) -> float:
    """The greatest distance between two tasks that make the same output."""
    return max(
        max(values[task] for task in tasks) - min(values[task] for task in tasks)
        for tasks in outputs
    )
