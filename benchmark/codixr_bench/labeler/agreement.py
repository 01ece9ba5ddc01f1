"""How far two labelers agree: by observation and by class, with Cohen's kappa."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.labels import Labels

CLASSES: dict[str, int | None] = {"present": 1, "uncertain": -1, "absent": 0, "not mentioned": None}
_ORDER = list(CLASSES.values())


@dataclass(frozen=True)
class Agreement:
    """One observation's agreement over n reports."""

    observation: str
    n: int
    agreement: float
    """The share of reports with the same label."""
    kappa: float | None
    """Cohen's, over the four classes; None where both gave all reports one and the same."""
    mentioned: float | None
    """The agreement where either labeler mentions it; None where neither does."""
    by_class: dict[str, float | None] = field(default_factory=dict)
    """Cohen's kappa of a class against the rest."""


def kappa(table: NDArray[np.int64]) -> float | None:
    """Cohen's kappa of a square table of counts; None where it is not defined."""
    n = int(table.sum())
    if n == 0:
        return None
    expected = float(table.sum(axis=0) @ table.sum(axis=1)) / n**2
    if expected == 1.0:
        return None
    return (float(np.trace(table)) / n - expected) / (1.0 - expected)


class Tally:
    """Counts pairs of labels, and remembers the rows that differ."""

    def __init__(self) -> None:
        self.tables = np.zeros((len(OBSERVATIONS), len(_ORDER), len(_ORDER)), dtype=np.int64)
        self.differing: dict[str, list[str]] = {}
        """Observation -> the identities of the reports that differ in it."""

    def add(self, identity: str, one: Labels, other: Labels) -> None:
        """Count one report's labels by both labelers."""
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            self.tables[index, _ORDER.index(a), _ORDER.index(b)] += 1
            if a != b:
                self.differing.setdefault(OBSERVATIONS[index], []).append(identity)

    def agreements(self) -> list[Agreement]:
        """One an observation, in order."""
        return [_agreement(name, self.tables[i]) for i, name in enumerate(OBSERVATIONS)]


def agree(one: Sequence[Labels], other: Sequence[Labels]) -> list[Agreement]:
    """The agreement of two lists of labels of the same reports."""
    tally = Tally()
    for number, (a, b) in enumerate(zip(one, other, strict=True), 1):
        tally.add(str(number), a, b)
    return tally.agreements()


def _agreement(observation: str, table: NDArray[np.int64]) -> Agreement:
    n, same = int(table.sum()), int(np.trace(table))
    blank = int(table[-1, -1])
    by_class = {}
    for i, name in enumerate(CLASSES):
        both = int(table[i, i])
        first, second = int(table[i].sum()), int(table[:, i].sum())
        by_class[name] = kappa(
            np.array([[both, first - both], [second - both, n - first - second + both]])
        )
    return Agreement(
        observation=observation,
        n=n,
        agreement=same / n if n else 1.0,
        kappa=kappa(table),
        mentioned=(same - blank) / (n - blank) if n > blank else None,
        by_class=by_class,
    )
