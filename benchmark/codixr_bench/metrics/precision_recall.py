"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

A set's manifold is the union of balls about its pictures that reach to their k-th neighbour in the
set. Precision: the share of generated pictures in the real manifold; recall: the reverse. Density:
how many real balls a generated picture lies in, over k; coverage: the share of real balls that hold
a generated picture. Conventions of the peers: k = 3 and ``<=`` for the first two (torch-fidelity),
k = 5 and ``<`` for the last two (the package prdc). Distances are made in blocks, and once: the
scores of random halves of the pictures, which give the intervals, come from the same blocks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.progress import Progress
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.statistics.half_samples import Halved, Splits

K_PRECISION = 3
K_DENSITY = 5
NEIGHBOURS = 64
"""Kept of each picture, so that its k-th in a random half is among them."""

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Manifolds:
    """The four scores; each is a mean over one side's pictures."""

    precision: Halved
    recall: Halved
    density: Halved
    coverage: Halved


def manifolds(generated: FeatureRows, real: FeatureRows, splits: Splits | None = None) -> Manifolds:
    """The scores, of all pictures and of halves; ValueError for six pictures or fewer on a side.

    Args:
        generated: n pictures.
        real: m pictures.
        splits: of the n and the m. Without them, and where a half of them has six pictures or
            fewer, there are no halves.
    """
    n, m = len(generated), len(real)
    if min(n, m) <= K_DENSITY + 1:
        raise ValueError(f"manifolds of {K_DENSITY} neighbours need {K_DENSITY + 2} pictures")
    whole = _Part(np.ones(n, bool), np.ones(m, bool))
    parts = [whole]
    if splits is not None and splits.smallest() > K_DENSITY + 1:
        for first, second in zip(splits.first, splits.second, strict=True):
            parts += [_Part(first, second), _Part(~first, ~second)]
    for rows, side in ((generated, 0), (real, 1)):
        near = _neighbours(rows)
        for part in parts:
            part.set_radii(side, _radii(near, part.members[side], rows))
    at = 0
    with Progress("manifolds", n, unit="pictures") as bar:
        for block in generated.read():
            x, other_at = block.astype(np.float64), 0
            for other in real.read():
                squared = _squared_distances(x, other.astype(np.float64))
                for part in parts:
                    part.add(squared, at, other_at)
                other_at += len(other)
            at += len(x)
            bar.advance(len(x))
    found = np.array([part.scores() for part in parts])
    halves = found[1:].reshape(-1, 2, 4)
    return Manifolds(
        precision=Halved(float(found[0, 0]), halves[:, :, 0], share=True),
        recall=Halved(float(found[0, 1]), halves[:, :, 1], share=True),
        density=Halved(float(found[0, 2]), halves[:, :, 2], share=False),
        coverage=Halved(float(found[0, 3]), halves[:, :, 3], share=True),
    )


class _Part:
    """Some pictures of both sides, and what the blocks have shown of them so far."""

    def __init__(self, first: Flags, second: Flags) -> None:
        self.members = (np.flatnonzero(first), np.flatnonzero(second))
        n, m = map(len, self.members)
        self._inside, self._recalled = np.zeros(n, bool), np.zeros(m, bool)
        self._nearest = np.full(m, np.inf)
        self._in_balls = 0
        self._generated, self._real = np.zeros((2, n)), np.zeros((2, m))

    def set_radii(self, side: int, radii: Matrix) -> None:
        """Squared radii of the balls about a side's members, [2, members]."""
        if side == 0:
            self._generated = radii
        else:
            self._real = radii

    def add(self, squared: Matrix, at: int, other_at: int) -> None:
        """Squared distances between the generated from ``at`` and the real from ``other_at`` on."""
        here = _within(self.members[0], at, squared.shape[0])
        there = _within(self.members[1], other_at, squared.shape[1])
        x, y = self.members[0][here] - at, self.members[1][there] - other_at
        if len(x) == 0 or len(y) == 0:
            return
        if (len(x), len(y)) != squared.shape:
            squared = squared[np.ix_(x, y)]
        self._inside[here] |= (squared <= self._real[0, there]).any(axis=1)
        self._recalled[there] |= (squared <= self._generated[0, here, None]).any(axis=0)
        self._in_balls += int(np.count_nonzero(squared < self._real[1, there]))
        self._nearest[there] = np.minimum(self._nearest[there], squared.min(axis=0))

    def scores(self) -> list[float]:
        """Precision, recall, density and coverage."""
        return [
            float(self._inside.mean()),
            float(self._recalled.mean()),
            self._in_balls / (K_DENSITY * len(self._inside)),
            float((self._nearest < self._real[1]).mean()),
        ]


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The nearest of each picture in its set, itself first: [n, NEIGHBOURS] or fewer."""

    squared: Matrix
    index: NDArray[np.int32]


def _neighbours(rows: FeatureRows) -> _Neighbours:
    n = len(rows)
    kept = min(NEIGHBOURS, n)
    squared, index = np.empty((n, kept)), np.empty((n, kept), np.int32)
    at = 0
    with Progress("neighbours", n, unit="pictures") as bar:
        for block in rows.read():
            x, other_at = block.astype(np.float64), 0
            least, whose = np.empty((len(x), 0)), np.empty((len(x), 0), np.int32)
            for other in rows.read():
                numbers = np.arange(other_at, other_at + len(other), dtype=np.int32)
                least = np.hstack([least, _squared_distances(x, other.astype(np.float64))])
                whose = np.hstack([whose, np.broadcast_to(numbers, (len(x), len(other)))])
                if least.shape[1] > kept:
                    nearest = np.argpartition(least, kept - 1, axis=1)[:, :kept]
                    least = np.take_along_axis(least, nearest, axis=1)
                    whose = np.take_along_axis(whose, nearest, axis=1)
                other_at += len(other)
            order = np.argsort(least, axis=1, kind="stable")
            squared[at : at + len(x)] = np.take_along_axis(least, order, axis=1)
            index[at : at + len(x)] = np.take_along_axis(whose, order, axis=1)
            at += len(x)
            bar.advance(len(x))
    return _Neighbours(squared, index)


def _radii(near: _Neighbours, members: NDArray[np.intp], rows: FeatureRows) -> Matrix:
    """Squared distances of members to their third and fifth neighbour among them, [2, members]."""
    flags = np.zeros(len(near.index), bool)
    flags[members] = True
    # The first member is the picture itself.
    count = np.cumsum(flags[near.index[members]], axis=1, dtype=np.int16)
    radii = np.empty((2, len(members)))
    for number, k in enumerate((K_PRECISION, K_DENSITY)):
        place = np.argmax(count > k, axis=1)
        radii[number] = near.squared[members, place]
    for i in np.flatnonzero(count[:, -1] <= K_DENSITY):
        # Nearly all that are near went to the other half, as studies of one patient do.
        own = rows.all(members[i : i + 1]).astype(np.float64)
        blocks = [_squared_distances(own, y.astype(np.float64))[0] for y in rows.read(members)]
        radii[:, i] = np.sort(np.concatenate(blocks))[[K_PRECISION, K_DENSITY]]
    return radii


def _within(members: NDArray[np.intp], at: int, size: int) -> slice:
    """Which of the members, in order, lie among the ``size`` pictures from ``at`` on."""
    low, high = np.searchsorted(members, (at, at + size))
    return slice(int(low), int(high))


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    distances: Matrix = (squares - 2.0 * (x @ y.T)).clip(min=0.0)
    return distances
