"""Rows by position: the state that most metrics keep, one row a study."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy import generic
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[generic]]
"""Column name -> one entry a study along the first axis."""


class Rows:
    """Rows of numbers, added in any split and any order, read in the order of positions.

    Reading gives the same arrays however the rows came, hence a metric that computes from them
    gives the same scores, bit for bit.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[NDArray[np.int64], dict[str, NDArray[generic]]]] = []

    def add(self, positions: Sequence[int], columns: Columns) -> None:
        """Add one row a position; ValueError when a column has another number of rows."""
        for name, values in columns.items():
            if len(values) != len(positions):
                raise ValueError(f"column {name}: {len(values)} rows, {len(positions)} positions")
        if len(positions):
            self._blocks.append((np.asarray(positions, dtype=np.int64), dict(columns)))

    def merge(self, other: "Rows") -> None:
        """Add another shard's rows."""
        self._blocks.extend(other._blocks)

    def __len__(self) -> int:
        return sum(len(positions) for positions, _ in self._blocks)

    def columns(self) -> dict[str, NDArray[generic]]:
        """All columns in the order of positions; empty before the first row.

        Raises ValueError when a position was added twice: a study must not count double.
        """
        if not self._blocks:
            return {}
        positions = np.concatenate([positions for positions, _ in self._blocks])
        order = np.argsort(positions, kind="stable")
        repeated = np.flatnonzero(np.diff(positions[order]) == 0)
        if len(repeated):
            raise ValueError(f"position {positions[order][repeated[0]]} was added twice")
        names = self._blocks[0][1]
        return {n: np.concatenate([block[n] for _, block in self._blocks])[order] for n in names}
