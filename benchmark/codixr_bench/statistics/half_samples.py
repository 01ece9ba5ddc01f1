"""Errors from random halves, for scores in which each picture's part depends on its neighbours.

What one picture does to a nearest-neighbour score is not what leaving it out shows: the jackknife's
error is far too large, a plain mean's too small. Two disjoint halves of the studies are independent
samples, so half of their squared difference is the score's variance at half the studies, whatever
the score, in expectation exactly; halves drawn many times over make it sure (half-samples:
McCarthy 1969; subsampling: Politis, Romano and Wolf 1999). Twice the studies halve the variance. A
share's variance also follows p (1 - p), and p moves with the number of pictures: it is carried over
as the number of independent draws that the share is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.influence_interval import share_interval
from codixr_bench.statistics.significance import quantile

SPLITS = 64
"""Error of a standard error from so many: 9 %, as of one with 64 degrees of freedom."""

_SEED = 20_261_125
_NORMAL = 1.959964
"""Half of a 95 % interval, in standard errors."""

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Splits:
    """Random splits of two sets into halves; they depend on the studies' number and patients alone.

    So two models on the same studies have the same splits, and their differences can be paired.
    """

    first: Flags
    """[R, n]: which of the first set are in the one half; the others are in the other half."""
    second: Flags
    """[R, m]: of the second set."""
    draws: int
    """Independent draws of the smaller set: patients, or pictures."""
    group: NDArray[np.int64]
    """[n]: the draw that a picture of the first set belongs to."""
    carriers: Matrix
    """[draws of the first set, R]: any orthonormal columns of mean zero, for ``column``."""

    @classmethod
    def draw(
        cls, n: int, m: int, *, paired: bool, patients: Sequence[str] | None = None
    ) -> "Splits":
        """Split sets of n and m pictures.

        Args:
            n: pictures of the first set.
            m: pictures of the second set.
            paired: picture i of both is of one study, and goes to the same half.
            patients: [n], a patient a study; a patient's studies go to the same half.
        """
        group = np.arange(n)
        if patients is not None:
            group = np.unique(np.asarray(patients), return_inverse=True)[1]
        draws = int(group.max()) + 1
        r = max(0, min(SPLITS, draws - 1, m - 1))
        rng = np.random.default_rng(_SEED)
        halves = _halves(rng, r, draws)
        first = halves[:, group]
        second = first if paired else _halves(rng, r, m)
        normal = rng.normal(size=(draws, r))
        carriers = np.linalg.qr(normal - normal.mean(axis=0))[0]
        return cls(first, second, draws if paired else min(draws, m), group, carriers)

    def smallest(self) -> int:
        """Pictures in the smallest half; 0 without a split."""
        if len(self.first) == 0:
            return 0
        inside = [flags.sum(axis=1) for flags in (self.first, self.second)]
        outside = [flags.shape[1] - flags.sum(axis=1) for flags in (self.first, self.second)]
        return int(np.min([*inside, *outside]))

    def column(self, changes: Vector) -> Vector:
        """Changes [R] of ``Halved.changes`` as a number a study, [n], mean zero.

        The standard error of such a column, or of the difference of two models', taken over the
        draws as one of an influence's is, is that of the changes or of their difference. A single
        study's number says nothing.
        """
        n, draws = self.first.shape[1], len(self.carriers)
        size = n / np.sqrt(len(changes)) * np.sqrt((draws - 1) / draws)
        by_draw = size * (self.carriers @ changes)
        by_study: Vector = (by_draw / np.bincount(self.group))[self.group]
        return by_study


@dataclass(frozen=True, slots=True)
class Halved:
    """A score of all pictures, and of the halves of each split."""

    value: float
    halves: Matrix
    """[R, 2]; R is 0 where the halves would be too small for the score."""
    share: bool
    """Whether it is a share of pictures, in [0, 1]."""

    def changes(self) -> Vector:
        """[R]: the root of their mean square is the standard error of ``value``."""
        half: Vector = 0.5 * (self.halves[:, 0] - self.halves[:, 1])
        if not self.share:
            return half
        at_half, spread = float(self.halves.mean()), self.value * (1.0 - self.value)
        if spread <= 0.0 or not 0.0 < at_half < 1.0:
            return half
        scaled: Vector = half * np.sqrt(spread / (at_half * (1.0 - at_half)))
        return scaled

    def interval(self, draws: int) -> Interval | None:
        """95 %, about ``value``; a share's is Wilson's. None without halves.

        Args:
            draws: what a share is taken to be worth where all halves are equal.
        """
        r = len(self.halves)
        if r == 0:
            return None
        t = quantile(0.025, float(r))
        error = float(np.sqrt(np.square(self.changes()).mean()))
        if not self.share:
            return max(0.0, self.value - t * error), self.value + t * error
        if 0.0 < self.value < 1.0:
            return share_interval(self.value, error * t / _NORMAL, draws)
        # All or none: the halves alone tell what the share is worth.
        at_half = float(self.halves.mean())
        if error > 0.0:
            draws = max(1, round(at_half * (1.0 - at_half) / (error * t / _NORMAL) ** 2))
        return share_interval(self.value, 0.0, draws)


def _halves(rng: np.random.Generator, r: int, draws: int) -> Flags:
    """[R, draws]: half of the draws each, at random."""
    half = np.arange(draws) < (draws + 1) // 2
    return np.stack([rng.permutation(half) for _ in range(r)]) if r else np.zeros((0, draws), bool)
