"""Features of one set of pictures, one row each, in flat memory.

Up to 64 MB stay in memory, the rest lies in an unnamed temporary file (``$TMPDIR``) that ends with
the process. Rows are read in the order of positions, however they came: hence the same scores, bit
for bit, for any split into shards.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.backbone import Features

SPILL_AT = 64 << 20
CHUNK = 1024
"""Rows read at a time: 8 MB of 2048 features."""


class FeatureRows:
    """Rows by position.

    Args:
        spill_at: bytes kept in memory.
    """

    def __init__(self, spill_at: int = SPILL_AT) -> None:
        self._spill_at = spill_at
        self._positions: list[NDArray[np.int64]] = []
        self._blocks: list[Features] = []
        self._held = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._positions))

    @property
    def dimensions(self) -> int:
        """d; 0 before the first row."""
        return self._blocks[0].shape[1] if self._blocks else 0

    def add(self, positions: Sequence[int], features: Features) -> None:
        """Add one row a position, [B, d]; ValueError for another number of rows, or another d."""
        if len(positions) != len(features):
            raise ValueError(f"{len(features)} rows, {len(positions)} positions")
        if len(positions):
            self._append(np.asarray(positions, dtype=np.int64), features)

    def merge(self, other: "FeatureRows") -> None:
        """Add another shard's rows."""
        first = 0
        for positions in other._positions:
            self._append(positions, other._read(np.arange(first, first + len(positions))))
            first += len(positions)

    def order(self) -> NDArray[np.int64]:
        """The rows' places in the order of positions; ValueError for a position added twice."""
        positions = np.concatenate([np.zeros(0, np.int64), *self._positions])
        order = np.argsort(positions, kind="stable")
        repeated = np.flatnonzero(np.diff(positions[order]) == 0)
        if len(repeated):
            raise ValueError(f"position {positions[order][repeated[0]]} was added twice")
        return order

    def read(self, which: NDArray[np.integer] | None = None) -> Iterator[Features]:
        """Rows in the order of positions, ``CHUNK`` at a time.

        Args:
            which: ranks of the rows wanted in that order; all by default.
        """
        places = self.order() if which is None else self.order()[which]
        for first in range(0, len(places), CHUNK):
            yield self._read(places[first : first + CHUNK])

    def all(self, which: NDArray[np.integer] | None = None) -> Features:
        """The same at once, [n, d]: for few rows."""
        return np.concatenate([np.zeros((0, self.dimensions), np.float32), *self.read(which)])

    def _append(self, positions: NDArray[np.int64], features: Features) -> None:
        rows = np.ascontiguousarray(features, dtype=np.float32)
        if self._blocks and rows.shape[1] != self.dimensions:
            raise ValueError(f"{rows.shape[1]} features beside {self.dimensions}")
        self._positions.append(positions)
        self._held += rows.nbytes
        if self._file is None and self._held <= self._spill_at:
            self._blocks.append(rows)
            return
        if self._file is None:
            # One file without a name: it vanishes with the process, however that ends.
            self._file = tempfile.TemporaryFile(prefix="codixr-features-")  # noqa: SIM115
            for block in self._blocks:
                self._file.write(block.data)
            self._blocks = [rows[:0]]
        self._file.write(rows.data)

    def _read(self, places: NDArray[np.int64]) -> Features:
        if self._file is None:
            self._blocks = [np.concatenate(self._blocks)] if len(self._blocks) > 1 else self._blocks
            return self._blocks[0][places]
        self._file.flush()
        width = 4 * self.dimensions
        rows = np.empty((len(places), self.dimensions), dtype=np.float32)
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        for run in np.split(np.arange(len(places)), breaks):
            content = os.pread(self._file.fileno(), len(run) * width, int(places[run[0]]) * width)
            if len(content) != len(run) * width:
                raise OSError("the temporary file of features was cut short")
            rows[run] = np.frombuffer(content, dtype=np.float32).reshape(len(run), -1)
        return rows

    def __getstate__(self) -> dict[str, Any]:
        # A process cannot give its file away: the rows themselves travel.
        rows = [self._read(np.arange(len(self)))] if len(self) else []
        return self.__dict__ | {"_file": None, "_blocks": rows}
