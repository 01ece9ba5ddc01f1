"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

A set's manifold is the union of balls about its pictures that reach to their k-th neighbour in the
set. Precision: the share of generated pictures in the real manifold; recall: the reverse. Density:
how many real balls a generated picture lies in, over k; coverage: the share of real balls that hold
a generated picture. Conventions of the peers: k = 3 and ``<=`` for the first two (torch-fidelity),
k = 5 and ``<`` for the last two (the package prdc). Distances are made in blocks, and once: the
scores of random halves of the pictures, which give the intervals, come from the same blocks.

These definitions take the two sets for independent. A picture made for a study isn't independent of
the study's own real picture: a copy of it lies in that picture's ball, however rare it is. So where
row i of both sides is of one study (``paired``), a picture is tested against the other side without
its own study, radii included: the same as a set of n - 1 pictures that knows nothing of it, hence
unbiased. Where patients have several studies it is tested against no ball of its patient, but the
radii leave out its own study alone: leaving out the patient's would take a radius for each pair of
a ball and a near patient, in every half. The patient's other studies make the balls about them
smaller, so these scores are a little too low, the more so the more alike a patient's studies are.
The coverage of a real ball is by all generated pictures at once, which no single study
can be left out of: it is that of one half's real pictures by the other half's generated ones, over
the random splits.
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
    coverage: Halved | None
    """None where the sides are paired and there are no halves."""


def manifolds(
    generated: FeatureRows,
    real: FeatureRows,
    splits: Splits | None = None,
    *,
    groups: NDArray[np.integer] | None = None,
) -> Manifolds:
    """The scores, of all pictures and of halves; ValueError for six pictures or fewer on a side.

    Args:
        generated: n pictures.
        real: m pictures.
        splits: of the n and the m. Without them, and where a half of them has six pictures or
            fewer, there are no halves.
        groups: [n], the number of each study's patient, where row i of both sides is of one study.
    """
    n, m = len(generated), len(real)
    if min(n, m) <= K_DENSITY + 1:
        raise ValueError(f"manifolds of {K_DENSITY} neighbours need {K_DENSITY + 2} pictures")
    paired = groups is not None
    parts = [_Part(np.ones(n, bool), np.ones(m, bool))]
    crossed: list[_Crossed] = []
    if splits is not None and splits.smallest() > K_DENSITY + 1:
        for first, second in zip(splits.first, splits.second, strict=True):
            parts += [_Part(first, second), _Part(~first, ~second)]
            if paired:
                crossed += [_Crossed(first, parts[-1]), _Crossed(~first, parts[-2])]
    for side, rows, others in ((0, generated, real), (1, real, generated)):
        near = _neighbours(rows, others if paired else None)
        for part in parts:
            part.set_balls(side, _balls(near, part.members[side], rows, others, groups))
    at = 0
    with Progress("manifolds", n, unit="pictures") as bar:
        for block in generated.read():
            x, other_at = block.astype(np.float64), 0
            for other in real.read():
                squared = _squared_distances(x, other.astype(np.float64))
                if groups is not None:
                    own, its = groups[at : at + len(x)], groups[other_at : other_at + len(other)]
                    squared[own[:, None] == its] = np.inf
                for part in parts:
                    part.add(squared, at, other_at)
                for across in crossed:
                    across.add(squared, at, other_at)
                other_at += len(other)
            at += len(x)
            bar.advance(len(x))
    found = np.array([part.scores() for part in parts])
    halves = found[1:].reshape(-1, 2, 4)
    coverage: Halved | None = Halved(float(found[0, 3]), halves[:, :, 3], share=True)
    if paired:
        covered = np.array([part.coverage() for part in crossed]).reshape(-1, 2)
        coverage = Halved(float(covered.mean()), covered, share=True) if crossed else None
    return Manifolds(
        precision=Halved(float(found[0, 0]), halves[:, :, 0], share=True),
        recall=Halved(float(found[0, 1]), halves[:, :, 1], share=True),
        density=Halved(float(found[0, 2]), halves[:, :, 2], share=False),
        coverage=coverage,
    )


@dataclass(frozen=True, slots=True)
class _Balls:
    """About a side's members, and what changes where a member is tested without its own study."""

    radii: Matrix
    """Squared, [2, members]: to the third and the fifth neighbour."""
    wider: Matrix
    """Squared, [2, members]: to the fourth and the sixth."""
    near: NDArray[np.intp]
    """Which members are the five nearest, [members, 5], by their place among all pictures."""
    across: Matrix
    """Squared distances of the centre to the other side's pictures of those, [members, 5]."""


class _Part:
    """Some pictures of both sides, and what the blocks have shown of them so far."""

    def __init__(self, first: Flags, second: Flags) -> None:
        self.members = (np.flatnonzero(first), np.flatnonzero(second))
        n, m = map(len, self.members)
        self._inside, self._recalled = np.zeros(n, bool), np.zeros(m, bool)
        self._nearest = np.full(m, np.inf)
        self._in_balls = 0
        self._generated, self.real_radii = np.zeros((2, n)), np.zeros((2, m))

    def set_balls(self, side: int, balls: _Balls) -> None:
        """The balls about a side's members.

        Where the sides are paired, a ball's radius without study i is that to the next neighbour if
        i's picture is among the nearest: pictures that lie between the two radii are added here.
        """
        if side == 0:
            self._generated = balls.radii
        else:
            self.real_radii = balls.radii
        if balls.across.size == 0:
            return
        tested = self._inside if side == 1 else self._recalled
        members = self.members[1 - side]
        near, across = balls.near[:, :K_PRECISION], balls.across[:, :K_PRECISION]
        within = across <= balls.wider[0][:, None]
        tested[np.searchsorted(members, near[within])] = True
        if side == 1:
            inner, outer = balls.radii[1][:, None], balls.wider[1][:, None]
            between = (balls.across < outer) & ~(balls.across < inner)
            self._in_balls += int(np.count_nonzero(between))

    def add(self, squared: Matrix, at: int, other_at: int) -> None:
        """Squared distances between the generated from ``at`` and the real from ``other_at`` on."""
        found = _of_members(self.members, squared, at, other_at)
        if found is None:
            return
        squared, here, there = found
        self._inside[here] |= (squared <= self.real_radii[0, there]).any(axis=1)
        self._recalled[there] |= (squared <= self._generated[0, here, None]).any(axis=0)
        self._in_balls += int(np.count_nonzero(squared < self.real_radii[1, there]))
        self._nearest[there] = np.minimum(self._nearest[there], squared.min(axis=0))

    def scores(self) -> list[float]:
        """Precision, recall, density and coverage."""
        return [
            float(self._inside.mean()),
            float(self._recalled.mean()),
            self._in_balls / (K_DENSITY * len(self._inside)),
            float((self._nearest < self.real_radii[1]).mean()),
        ]


class _Crossed:
    """One half's generated pictures among the other half's real balls.

    Args:
        first: which generated pictures.
        other: the part whose real pictures they are.
    """

    def __init__(self, first: Flags, other: _Part) -> None:
        self._members = (np.flatnonzero(first), other.members[1])
        self._other = other
        self._nearest = np.full(len(other.members[1]), np.inf)

    def add(self, squared: Matrix, at: int, other_at: int) -> None:
        """As ``_Part.add``."""
        found = _of_members(self._members, squared, at, other_at)
        if found is not None:
            squared, _, there = found
            self._nearest[there] = np.minimum(self._nearest[there], squared.min(axis=0))

    def coverage(self) -> float:
        """The share of the real balls that hold a generated picture."""
        return float((self._nearest < self._other.real_radii[1]).mean())


def _of_members(
    members: tuple[NDArray[np.intp], NDArray[np.intp]], squared: Matrix, at: int, other_at: int
) -> tuple[Matrix, slice, slice] | None:
    """A block's distances of members alone, and which members they are of; None without any."""
    here = _within(members[0], at, squared.shape[0])
    there = _within(members[1], other_at, squared.shape[1])
    x, y = members[0][here] - at, members[1][there] - other_at
    if len(x) == 0 or len(y) == 0:
        return None
    if (len(x), len(y)) != squared.shape:
        squared = squared[np.ix_(x, y)]
    return squared, here, there


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The nearest of each picture in its set, itself first: [n, NEIGHBOURS] or fewer."""

    squared: Matrix
    index: NDArray[np.int32]
    across: Matrix
    """Its squared distance to the same studies' pictures of the other side; empty unless paired."""


def _neighbours(rows: FeatureRows, others: FeatureRows | None) -> _Neighbours:
    n = len(rows)
    kept = min(NEIGHBOURS, n)
    paired = others is not None
    squared, index = np.empty((n, kept)), np.empty((n, kept), np.int32)
    across = np.empty((n, kept if paired else 0))
    at = 0
    with Progress("neighbours", n, unit="pictures") as bar:
        for block in rows.read():
            x, other_at = block.astype(np.float64), 0
            least, whose = np.empty((len(x), 0)), np.empty((len(x), 0), np.int32)
            beyond = np.empty((len(x), 0))
            partners = others.read() if others is not None else None
            for other in rows.read():
                numbers = np.arange(other_at, other_at + len(other), dtype=np.int32)
                least = np.hstack([least, _squared_distances(x, other.astype(np.float64))])
                whose = np.hstack([whose, np.broadcast_to(numbers, (len(x), len(other)))])
                if partners is not None:
                    partner = next(partners).astype(np.float64)
                    beyond = np.hstack([beyond, _squared_distances(x, partner)])
                if least.shape[1] > kept:
                    nearest = np.argpartition(least, kept - 1, axis=1)[:, :kept]
                    least = np.take_along_axis(least, nearest, axis=1)
                    whose = np.take_along_axis(whose, nearest, axis=1)
                    if paired:
                        beyond = np.take_along_axis(beyond, nearest, axis=1)
                other_at += len(other)
            here = slice(at, at + len(x))
            order = np.argsort(least, axis=1, kind="stable")
            squared[here] = np.take_along_axis(least, order, axis=1)
            index[here] = np.take_along_axis(whose, order, axis=1)
            if paired:
                across[here] = np.take_along_axis(beyond, order, axis=1)
            at += len(x)
            bar.advance(len(x))
    return _Neighbours(squared, index, across)


def _balls(
    near: _Neighbours,
    members: NDArray[np.intp],
    rows: FeatureRows,
    others: FeatureRows,
    groups: NDArray[np.integer] | None,
) -> _Balls:
    """The balls about the members of a part, by their neighbours among them."""
    paired = near.across.size > 0
    flags = np.zeros(len(near.index), bool)
    flags[members] = True
    # The first member is the picture itself.
    count = np.cumsum(flags[near.index[members]], axis=1, dtype=np.int16)
    most = K_DENSITY + 1 if paired else K_DENSITY
    places = np.stack([np.argmax(count > k, axis=1) for k in range(1, most + 1)], axis=1)
    distances = np.take_along_axis(near.squared[members], places, axis=1)
    index = np.take_along_axis(near.index[members], places, axis=1).astype(np.intp)
    across = np.take_along_axis(near.across[members], places, axis=1) if paired else near.across[:0]
    for i in np.flatnonzero(count[:, -1] <= most):
        # Nearly all that are near went to the other half, as studies of one patient do.
        own = rows.all(members[i : i + 1]).astype(np.float64)
        blocks = [_squared_distances(own, y.astype(np.float64))[0] for y in rows.read(members)]
        squared = np.concatenate(blocks)
        order = np.argsort(squared, kind="stable")[1 : most + 1]
        distances[i], index[i] = squared[order], members[order]
        if paired:
            partners = others.all(members[order]).astype(np.float64)
            across[i] = _squared_distances(own, partners)[0]
    radii = distances[:, [K_PRECISION - 1, K_DENSITY - 1]].T
    if not paired:
        return _Balls(radii, radii, index, across)
    if groups is not None:
        # Nobody is tested against the balls of the own patient's other studies.
        across[groups[members][:, None] == groups[index]] = np.inf
    wider = distances[:, [K_PRECISION, K_DENSITY]].T
    return _Balls(radii, wider, index[:, :K_DENSITY], across[:, :K_DENSITY])


def _within(members: NDArray[np.intp], at: int, size: int) -> slice:
    """Which of the members, in order, lie among the ``size`` pictures from ``at`` on."""
    low, high = np.searchsorted(members, (at, at + size))
    return slice(int(low), int(high))


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    distances: Matrix = (squares - 2.0 * (x @ y.T)).clip(min=0.0)
    return distances
