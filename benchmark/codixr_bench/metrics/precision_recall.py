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
    density: Halved
    coverage: Halved | None
    """None where the sides are paired and there are no halves."""
    recall: Halved | None
    """None where it is not asked for: it alone asks for the generated pictures' balls."""


def manifolds(
    generated: FeatureRows,
    real: FeatureRows,
    splits: Splits | None = None,
    *,
    groups: NDArray[np.integer] | None = None,
    with_recall: bool = True,
    quiet: bool = False,
) -> Manifolds:
    """The scores, of all pictures and of halves; ValueError for six pictures or fewer on a side.

    Args:
        generated: n pictures.
        real: m pictures.
        splits: of the n and the m. Without them, and where a half of them has six pictures or
            fewer, there are no halves.
        groups: [n], the number of each study's patient, where row i of both sides is of one study.
        with_recall: whether to compute it.
        quiet: show no progress.
    """
    n, m = len(generated), len(real)
    if min(n, m) <= K_DENSITY + 1:
        raise ValueError(f"manifolds of {K_DENSITY} neighbours need {K_DENSITY + 2} pictures")
    paired = groups is not None
    parted = [_Parted(np.zeros(n, bool), np.zeros(m, bool), crossed=False)]
    if splits is not None and splits.smallest() > K_DENSITY + 1:
        halves = zip(splits.first, splits.second, strict=True)
        parted += [_Parted(~first, ~second, crossed=paired) for first, second in halves]
    sides = ((1, real, generated), (0, generated, real))
    for side, rows, others in sides if with_recall else sides[:1]:
        near = _neighbours(rows, others if paired else None, quiet=quiet)
        for one in parted:
            for half, members in enumerate(one.members[side]):
                balls = _balls(near, members, rows, others, groups)
                one.set_balls(side, half, balls)
    _add_pairs(parted, generated, real, groups, with_recall=with_recall, quiet=quiet)
    found = [one.scores() for one in parted]

    def halved(score: int, *, share: bool = True) -> Halved:
        of_halves = np.array([of[score] for of in found[1:]]).reshape(-1, 2)
        return Halved(float(found[0][score][0]), of_halves, share=share)

    coverage: Halved | None = halved(2)
    if paired:
        crossed = halved(2).halves
        coverage = Halved(float(crossed.mean()), crossed, share=True) if len(crossed) else None
    return Manifolds(
        precision=halved(0),
        density=halved(1, share=False),
        coverage=coverage,
        recall=halved(3) if with_recall else None,
    )


def _add_pairs(
    parted: "list[_Parted]",
    generated: FeatureRows,
    real: FeatureRows,
    groups: NDArray[np.integer] | None,
    *,
    with_recall: bool,
    quiet: bool,
) -> None:
    """Show each part the pairs of both sides that lie near enough to be in a ball of any part."""
    widest = np.max([one.real_radii for one in parted], axis=0)
    reach = np.max([one.generated_radii for one in parted], axis=0)
    at = 0
    with Progress("manifolds", len(generated), unit="pictures", quiet=quiet) as bar:
        for block in generated.read():
            x, other_at = block.astype(np.float64), 0
            for other in real.read():
                squared = _squared_distances(x, other.astype(np.float64))
                here, there = slice(at, at + len(x)), slice(other_at, other_at + len(other))
                if groups is not None:
                    squared[groups[here, None] == groups[there]] = np.inf
                near = squared <= widest[there]
                if with_recall:
                    near |= squared <= reach[here, None]
                row, column = np.nonzero(near)
                distances = squared[row, column]
                for one in parted:
                    one.add(distances, at + row, other_at + column, with_recall=with_recall)
                other_at += len(other)
            at += len(x)
            bar.advance(len(x))


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


class _Parted:
    """All pictures of both sides, or two halves of them, and what the blocks have shown so far.

    Args:
        first: [n], which generated pictures are in the second half; all in the first: no halves.
        second: [m], of the real ones.
        crossed: whether a half's real balls are to be covered by the other half's pictures.
    """

    def __init__(self, first: Flags, second: Flags, *, crossed: bool) -> None:
        self._half = (first, second)
        self._crossed = crossed
        count = 2 if first.any() else 1
        self.members = tuple(
            [np.flatnonzero(side == bool(half)) for half in range(count)] for side in self._half
        )
        n, m = len(first), len(second)
        self._inside, self._recalled, self._covered = (np.zeros(k, bool) for k in (n, m, m))
        self._in_balls = np.zeros(count, dtype=np.int64)
        self._real, self._generated = np.zeros((2, m)), np.zeros(n)

    def set_balls(self, side: int, half: int, balls: "_Balls") -> None:
        """The balls about the members of a half of a side.

        Where the sides are paired, a ball's radius without study i is that to the next neighbour if
        i's picture is among the nearest: pictures that lie between the two radii are added here.
        """
        members = self.members[side][half]
        if side == 1:
            self._real[:, members] = balls.radii
        else:
            self._generated[members] = balls.radii[0]
        if balls.across.size == 0:
            return
        tested = self._inside if side == 1 else self._recalled
        near, across = balls.near[:, :K_PRECISION], balls.across[:, :K_PRECISION]
        tested[near[across <= balls.wider[0][:, None]]] = True
        if side == 1:
            inner, outer = balls.radii[1][:, None], balls.wider[1][:, None]
            between = (balls.across < outer) & ~(balls.across < inner)
            self._in_balls[half] += np.count_nonzero(between)

    @property
    def real_radii(self) -> Vector:
        """Squared, [m]: to each real picture's fifth neighbour in its half."""
        radii: Vector = self._real[1]
        return radii

    @property
    def generated_radii(self) -> Vector:
        """Squared, [n]: to each generated picture's third neighbour in its half."""
        return self._generated

    def add(
        self,
        squared: Vector,
        made: NDArray[np.intp],
        real: NDArray[np.intp],
        *,
        with_recall: bool,
    ) -> None:
        """Squared distances of pairs of a generated and a real picture, by their places."""
        half, other = self._half[0][made], self._half[1][real]
        same = half == other
        self._inside[made[same & (squared <= self._real[0, real])]] = True
        within = squared < self._real[1, real]
        self._covered[real[within & (same != self._crossed)]] = True
        in_balls = half[within & same].astype(np.intp)
        self._in_balls += np.bincount(in_balls, minlength=len(self._in_balls))
        if with_recall:
            self._recalled[real[same & (squared <= self._generated[made])]] = True

    def scores(self) -> list[list[float]]:
        """Precision, density, coverage and recall of each half."""
        made, real = self.members
        return [
            [float(self._inside[some].mean()) for some in made],
            [k / (K_DENSITY * len(some)) for k, some in zip(self._in_balls, made, strict=True)],
            [float(self._covered[some].mean()) for some in real],
            [float(self._recalled[some].mean()) for some in real],
        ]


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The nearest of each picture in its set, itself first: [n, NEIGHBOURS] or fewer."""

    squared: Matrix
    index: NDArray[np.int32]
    across: Matrix
    """Its squared distance to the same studies' pictures of the other side; empty unless paired."""


def _neighbours(rows: FeatureRows, others: FeatureRows | None, *, quiet: bool) -> _Neighbours:
    n = len(rows)
    kept = min(NEIGHBOURS, n)
    paired = others is not None
    squared, index = np.empty((n, kept)), np.empty((n, kept), np.int32)
    across = np.empty((n, kept if paired else 0))
    at = 0
    with Progress("neighbours", n, unit="pictures", quiet=quiet) as bar:
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


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    distances: Matrix = (squares - 2.0 * (x @ y.T)).clip(min=0.0)
    return distances
