"""``codixr-bench audit``: what in a printed table can't be so, or can't be concluded from it.

The table is a CSV as it is printed: a first column of names, a column a class, and any of
``macro``, ``micro``, ``weighted``, ``micro precision|recall|f1`` and ``n``. Digits matter: ``.80``
hides less than ``.8``. Rows called ``support`` (positives) and ``negatives`` say how many cases a
class has. A cell may carry its interval: ``.84 [.81, .87]``. Nothing here needs the data behind the
table.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from codixr.errors import InputError
from codixr_bench.paper.averages import Rounded, mean_of, micro_f1_ends

AVERAGES = ("micro", "macro", "weighted")
N = "n"
MICRO = ("micro precision", "micro recall", "micro f1")
"""Columns whose third is the harmonic mean of the other two."""
_OTHERS = (*AVERAGES, N, *MICRO)
SUPPORT, NEGATIVES = "support", "negatives"
_NORMAL = 1.959964
_NUMBER = r"([-−+]?[\d,]*\.?\d+)"
_CELL = re.compile(
    rf"\s*{_NUMBER}\s*%?\s*(?:[\[(]\s*{_NUMBER}\s*(?:,|;|–|to|-)\s*{_NUMBER}\s*[\])])?\s*"
)
_EMPTY = {"", "-", "–", "—", "n/a", "na"}


class Measure(StrEnum):
    """What the cells are, which decides what must hold of them."""

    AUROC = "auroc"
    F1 = "f1"
    RECALL = "recall"
    ACCURACY = "accuracy"
    DISTANCE = "distance"
    OTHER = "other"


class Kind(StrEnum):
    """How sure a finding is, and what it is about."""

    RANGE = "out of range"
    IMPOSSIBLE = "can't follow"
    UNLIKELY = "hardly follows"
    UNEQUAL_N = "unequal n"
    NOT_CARRIED = "not carried by the intervals"


@dataclass(frozen=True, slots=True)
class Value:
    """A printed cell."""

    rounded: Rounded
    ci95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table as it is printed."""

    classes: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Value]]
    """System -> column -> cell; unreadable ones are absent."""
    positives: Mapping[str, int]
    negatives: Mapping[str, int]
    n: Mapping[str, int]
    """System -> studies."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or can't be concluded."""

    kind: Kind
    row: str
    column: str
    says: str

    @property
    def is_contradiction(self) -> bool:
        """Whether numbers contradict one another, and not just a conclusion."""
        return self.kind in (Kind.RANGE, Kind.IMPOSSIBLE, Kind.UNLIKELY)


def read_table(content: str, what: str) -> PrintedTable:
    """Parse a CSV; InputError names the row and column of a cell that can't be read."""
    try:
        lines = [line for line in csv.reader(io.StringIO(content)) if any(c.strip() for c in line)]
    except csv.Error as error:
        raise InputError(f"{what} is not a CSV: {error}") from error
    if len(lines) < 2 or len(lines[0]) < 2:
        raise InputError(
            f"{what}: a table has a line of heads, a first column of names, and cells, with commas "
            "between them"
        )
    heads = [head.strip() for head in lines[0]][1:]
    lowered = [head.lower() for head in heads]
    if twice := sorted({head for head in lowered if lowered.count(head) > 1}):
        raise InputError(f"{what}: the column '{twice[0]}' stands twice")
    names = [head.lower() if head.lower() in _OTHERS else head for head in heads]
    classes = tuple(name for name in names if name not in _OTHERS)
    rows: dict[str, dict[str, Value]] = {}
    counts: dict[str, dict[str, int]] = {SUPPORT: {}, NEGATIVES: {}}
    n: dict[str, int] = {}
    for line in lines[1:]:
        row = line[0].strip()
        if len(line) != len(names) + 1:
            raise InputError(f"{what}: row '{row}' has {len(line) - 1} cells for {len(names)}")
        own: dict[str, Value] = {}
        for name, text in zip(names, line[1:], strict=True):
            if text.strip().lower() in _EMPTY:
                continue
            try:
                value = _value(text)
            except ValueError as error:
                raise InputError(f"{what}: row '{row}', column '{name}': {error}") from error
            if row.lower() in counts:
                counts[row.lower()][name] = _whole(value, f"{what}: row '{row}', column '{name}'")
            elif name == N:
                n[row] = _whole(value, f"{what}: row '{row}', column 'n'")
            else:
                own[name] = value
        if row.lower() in counts:
            continue
        if row in rows:
            raise InputError(f"{what}: two rows are called '{row}'")
        rows[row] = own
    if not rows:
        raise InputError(f"{what}: no row but support and negatives")
    return PrintedTable(classes, rows, counts[SUPPORT], counts[NEGATIVES], n)


def audit(table: PrintedTable, measure: Measure) -> list[Finding]:
    """All findings, contradictions first."""
    found = [
        *_ranges(table, measure),
        *_averages(table, measure),
        *_harmonic(table),
        *_unequal_n(table, measure),
        *_not_carried(table, measure),
    ]
    return sorted(found, key=lambda finding: not finding.is_contradiction)


def unchecked(table: PrintedTable, measure: Measure) -> list[str]:
    """What the table would have to say for more to be checked."""
    said = []
    columns = {name for cells in table.rows.values() for name in cells}
    if "weighted" in columns and not table.positives:
        said.append("weighted averages: a row 'support' with each class's positives is missing")
    if "micro" in columns and measure is Measure.F1 and not table.positives:
        said.append("micro F1: a row 'support' with each class's positives is missing")
    if "micro" in columns and measure is Measure.AUROC:
        said.append("micro AUROC: it can't be computed from the classes' AUROC")
    if not table.n and measure is Measure.DISTANCE:
        said.append("the size of the sets: a column 'n' is missing")
    if not any(v.ci95 for cells in table.rows.values() for v in cells.values()):
        said.append("differences: no cell has an interval")
    return said


def _value(text: str) -> Value:
    found = _CELL.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text.strip()[:40]}' is not a number, nor one with an interval")
    rounded = Rounded.parse(found[1])
    if found[2] is None:
        return Value(rounded)
    low, high = (float(part.replace("−", "-")) for part in (found[2], found[3]))
    return Value(rounded, (low, high))


def _whole(value: Value, where: str) -> int:
    number = value.rounded.value
    if number != int(number) or number < 0:
        raise InputError(f"{where}: {number:g} is not a count")
    return int(number)


def _scale(table: PrintedTable, measure: Measure) -> float:
    """100 for a table in per cent, else 1; 0 for measures without an upper end."""
    if measure in (Measure.DISTANCE, Measure.OTHER):
        return 0.0
    top = max((v.rounded.value for cells in table.rows.values() for v in cells.values()), default=0)
    return 100.0 if top > 1.5 else 1.0


def _ranges(table: PrintedTable, measure: Measure) -> Iterator[Finding]:
    top = _scale(table, measure)
    for row, cells in table.rows.items():
        for column, value in cells.items():
            low, high = value.rounded.ends()
            if measure is not Measure.OTHER and high < 0.0:
                yield Finding(Kind.RANGE, row, column, f"{value.rounded.value:g} is below 0")
            if top and low > top:
                yield Finding(Kind.RANGE, row, column, f"{value.rounded.value:g} is above {top:g}")
            ends = value.ci95
            if ends is not None and (high < ends[0] - 1e-9 or low > ends[1] + 1e-9):
                said = f"{value.rounded.value:g} is outside its interval [{ends[0]:g}, {ends[1]:g}]"
                yield Finding(Kind.RANGE, row, column, said)


def _averages(table: PrintedTable, measure: Measure) -> Iterator[Finding]:
    if measure is Measure.DISTANCE:
        return
    for row, cells in table.rows.items():
        classes = [cells[name].rounded for name in table.classes if name in cells]
        if len(classes) < len(table.classes) or len(classes) < 2:
            continue
        support = [table.positives.get(name) for name in table.classes]
        known = [count for count in support if count is not None]
        weights: dict[str, list[float]] = {"macro": [1.0] * len(classes)}
        if len(known) == len(classes) and any(known):
            weights["weighted"] = [float(count) for count in known]
            if measure is Measure.RECALL:
                weights["micro"] = weights["weighted"]
        if measure is Measure.ACCURACY:
            weights["micro"] = weights["macro"]
        for average, of in weights.items():
            if average in cells:
                yield from _mean(row, average, classes, of, cells[average].rounded, table.classes)
        if measure is Measure.F1 and "micro" in cells and "weighted" in weights:
            yield from _micro(table, measure, row, classes, known, cells["micro"].rounded)


def _mean(
    row: str,
    average: str,
    cells: Sequence[Rounded],
    weights: Sequence[float],
    printed: Rounded,
    names: Sequence[str],
) -> Iterator[Finding]:
    fit = mean_of(cells, weights, printed)
    if fit.likely:
        return
    kind = Kind.UNLIKELY if fit.possible else Kind.IMPOSSIBLE
    said = f"{printed.value:g} is printed, the classes give {fit.recomputed:.4g}"
    if fit.possible:
        said += f" (chance {fit.chance:.1g})"
    without = []
    for i, name in enumerate(names):
        kept = [j for j in range(len(names)) if j != i]
        fit = mean_of([cells[j] for j in kept], [weights[j] for j in kept], printed)
        if len(kept) > 1 and fit.likely:
            without.append(name)
    if without:
        said += f"; it follows without {' or '.join(without)}"
    yield Finding(kind, row, average, said)


def _micro(
    table: PrintedTable,
    measure: Measure,
    row: str,
    cells: Sequence[Rounded],
    positives: Sequence[int],
    printed: Rounded,
) -> Iterator[Finding]:
    top = _scale(table, measure)
    shares = [Rounded(cell.value / top, cell.half / top) for cell in cells]
    negatives = [table.negatives.get(name) for name in table.classes]
    known = [count for count in negatives if count is not None]
    ends = micro_f1_ends(shares, positives, known if len(known) == len(shares) else None)
    low, high = printed.ends()
    if high / top < ends[0] - 1e-9 or low / top > ends[1] + 1e-9:
        said = f"{printed.value:g} is printed, the classes allow "
        said += f"{ends[0] * top:.3g} to {ends[1] * top:.3g}"
        yield Finding(Kind.IMPOSSIBLE, row, "micro", said)


def _harmonic(table: PrintedTable) -> Iterator[Finding]:
    """Micro F1 from micro precision and recall; averages over classes or reports need not fit."""
    for row, cells in table.rows.items():
        if not all(name in cells for name in MICRO):
            continue
        precision, recall, f1 = (cells[name].rounded for name in MICRO)
        ends = [
            2 * p * r / (p + r) if p + r > 0 else 0.0
            for p, r in zip(precision.ends(0.0), recall.ends(0.0), strict=True)
        ]
        low, high = f1.ends()
        if high < ends[0] - 1e-9 or low > ends[1] + 1e-9:
            said = (
                f"{f1.value:g} is printed, precision and recall give {ends[0]:.4g} to {ends[1]:.4g}"
            )
            yield Finding(Kind.IMPOSSIBLE, row, MICRO[2], said)


def _unequal_n(table: PrintedTable, measure: Measure) -> Iterator[Finding]:
    if len(set(table.n.values())) < 2:
        return
    listed = ", ".join(f"{row} {n:,}" for row, n in table.n.items())
    said = f"{listed}: other studies, so a difference of rows may be one of studies"
    if measure is Measure.DISTANCE:
        said = f"{listed}: a distance is larger the fewer there are, so these rows have no order"
    yield Finding(Kind.UNEQUAL_N, "all", N, said)


def _not_carried(table: PrintedTable, measure: Measure) -> Iterator[Finding]:
    """Neighbours in a column's order whose difference their own intervals leave open."""
    sign = 1.0 if measure is Measure.DISTANCE else -1.0
    for column in dict.fromkeys(name for cells in table.rows.values() for name in cells):
        ranked = [
            (row, value.rounded.value, value.ci95)
            for row, cells in table.rows.items()
            if (value := cells.get(column)) is not None and value.ci95 is not None
        ]
        ranked.sort(key=lambda one: sign * one[1])
        for (first, a, one), (second, b, other) in pairwise(ranked):
            if one is None or other is None:
                continue
            error = math.hypot(one[1] - one[0], other[1] - other[0]) / (2 * _NORMAL)
            if a != b and error > 0.0 and abs(a - b) < _NORMAL * error:
                said = (
                    f"{a:g} over {second}'s {b:g}: the difference of {abs(a - b):.2g} is less than "
                    f"the {_NORMAL * error:.2g} that independent intervals ask for"
                )
                yield Finding(Kind.NOT_CARRIED, first, column, said)
