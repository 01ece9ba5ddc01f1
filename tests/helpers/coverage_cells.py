"""Repetitions of simulated studies, and how many of their intervals hold the truth."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEAST, MOST = 0.93, 0.985
FEW = 10
_CASES = 400_000
"""Cases of a class drawn at a time."""


@dataclass(frozen=True)
class Drawn:
    """R repetitions."""

    low: np.ndarray
    high: np.ndarray
    truth: np.ndarray
    """[R], or one for all."""
    rarer: np.ndarray
    """[R]: positives or negatives, whichever are fewer; their patients, where those count."""


@dataclass(frozen=True)
class Cell:
    """One family at one n and prevalence."""

    covered: float
    rounds: int
    covered_many: float
    """Of the repetitions with ten of both kinds and a truth not within .02 of its end."""
    rounds_many: int

    @property
    def short(self) -> bool:
        """Below ``LEAST`` by more than two Monte Carlo errors."""
        return self.covered < LEAST - 2 * _error(LEAST, self.rounds)

    @property
    def long(self) -> bool:
        """Above ``MOST`` by more than two, where there are enough repetitions to tell."""
        few = self.rounds_many < 100
        return not few and self.covered_many > MOST + 2 * _error(MOST, self.rounds_many)


def _error(share: float, rounds: int) -> float:
    return float(np.sqrt(share * (1 - share) / rounds))


@dataclass(frozen=True)
class Group:
    """Families whose intervals come from the same simulated studies."""

    labels: tuple[str, ...]
    draw: Callable
    """(rng, rounds, n, prevalence) -> a ``Drawn`` a label, or the one."""
    width: int = 1
    """Classes."""

    def cells(self, n: int, prevalence: float, rounds: int) -> dict[str, Cell]:
        """By label; the seed is the cell's own."""
        rng = np.random.default_rng(zlib.crc32(f"{self.labels[0]} {n} {prevalence}".encode()))
        chunk = max(1, _CASES // (n * self.width))
        inside, many = [], []
        left = rounds
        while left:
            drawn = self.draw(rng, min(chunk, left), n, prevalence)
            drawn = drawn if isinstance(drawn, tuple) else (drawn,)
            truths = [np.broadcast_to(one.truth, one.low.shape) for one in drawn]
            both = list(zip(drawn, truths, strict=True))
            inside.append([(d.low <= t + 1e-12) & (t <= d.high + 1e-12) for d, t in both])
            many.append([(d.rarer >= FEW) & (t >= 0.02) & (t <= 0.98) for d, t in both])
            left -= min(chunk, left)
        hits, usable = np.concatenate(inside, axis=1), np.concatenate(many, axis=1)
        return {
            label: Cell(
                float(h.mean()), len(h), float(h[u].mean()) if u.any() else 1.0, int(u.sum())
            )
            for label, h, u in zip(self.labels, hits, usable, strict=True)
        }
