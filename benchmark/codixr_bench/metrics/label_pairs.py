"""Studies of the same labels in pairs: how a model varies what it makes of one set of findings."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS
from codixr.data.study import Study
from codixr_bench.metric import Columns, Influence, Problems

NO_PAIRS = "no two studies have the same labels"
APART = ".apart"
"""The end of a column [n]: how unlike its partner's output a study's is; -1 without a partner."""
ROUNDING = 1e-9
"""Below 0, of the unlikeness of two equal pictures."""
Array = NDArray[np.float64]


def label_keys(studies: Sequence[Study]) -> NDArray[np.int64]:
    """A number for each study's set of labels, [B]: equal where all labels are."""
    return np.array(
        [
            zlib.crc32(repr([study.labels.get(name) for name in OBSERVATIONS]).encode())
            for study in studies
        ],
        dtype=np.int64,
    )


def partners(keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """The next study of the same labels for each [n], the first one for the last; -1 for none."""
    found = np.full(len(keys), -1, dtype=np.intp)
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order].astype(np.int64))) + 1
    for group in np.split(order, ends):
        if len(group) > 1:
            found[group] = np.roll(group, -1)
    return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """How unlike each other the outputs of pairs of studies are, 0 to 1, and the real ones."""

    which: NDArray[np.intp]
    """[p], the studies that have a partner."""
    made: Array
    """[p]"""
    real: Array
    """[p]"""
    n: int
    """All studies."""

    def ratio(self, alike: str) -> tuple[float | None, Array, str | None]:
        """The ratio of means, each study's influence [n], and why there is none.

        Args:
            alike: the reason where the real outputs don't differ.
        """
        if not len(self.which):
            return None, np.zeros(0), NO_PAIRS
        whole = float(self.real.mean())
        if whole <= 0.0:
            return None, np.zeros(0), alike
        ratio = float(self.made.mean()) / whole
        influence = np.zeros(self.n)
        influence[self.which] = (self.made - ratio * self.real) / whole
        influence[self.which] *= self.n / len(self.which)
        return ratio, influence - influence.mean(), None

    def column(self) -> Array:
        """How unlike each study's output is to its partner's, for ``statistics``."""
        found = np.full(self.n, -1.0)
        found[self.which] = self.made
        return found


def pair_faults(name: str, columns: Columns) -> Problems:
    """Pairs that are less than equal, or more unlike than there can be."""
    for view in ("", "[F]", "[L]"):
        column = columns.get(f"{name}{view}{APART}")
        apart = np.zeros(0) if column is None else np.asarray(column, dtype=np.float64)
        if (apart[apart != -1.0] < -ROUNDING).any():
            yield f"{name}{view}{APART}", "pairs that are less than equal"
        elif (apart > 1.0 + ROUNDING).any():
            yield f"{name}{view}{APART}", "pairs more unlike than there can be"


def ratio_of_columns(name: str, columns: Columns, real: Columns) -> dict[str, Influence]:
    """The ratio ``name`` of each view from its columns in a run's statistics and the real outputs'.

    ValueError where the two don't have the same pairs.
    """
    found = {}
    for view in ("", "[F]", "[L]"):
        sides = [side.get(f"{name}{view}{APART}") for side in (columns, real)]
        if sides[0] is None or sides[1] is None:
            continue
        made, true = (np.asarray(side, dtype=np.float64) for side in sides)
        which = np.flatnonzero(true != -1.0)
        if made.shape != true.shape or not np.array_equal(which, np.flatnonzero(made != -1.0)):
            raise ValueError(f"{name}: other pairs than the real outputs have")
        value, by_study, _ = Pairs(which, made[which], true[which], len(true)).ratio("")
        if value is not None:
            found[f"{name}{view}"] = Influence(by_study, value)
    return found
