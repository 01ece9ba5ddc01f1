"""Can a printed average follow from printed cells? With what rounding hides on both sides.

A printed number stands for every number that rounds to it. ``possible`` asks whether any numbers
that round to the cells give one that rounds to the average; ``chance`` how likely that is when a
cell's hidden digits are as good as random: ten errors rarely all point one way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

UNLIKELY = 0.001
"""Below this chance a match of cells and average is called unlikely."""
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Rounded:
    """A printed number, and half of its last place: what rounding hides, either way."""

    value: float
    half: float

    @classmethod
    def parse(cls, text: str) -> "Rounded":
        """``.84`` (± 0.005), ``84.0`` (± 0.05), ``1,052`` (± 0.5); ValueError for anything else."""
        plain = text.strip().replace(",", "").replace("−", "-")
        value = float(plain)
        if not math.isfinite(value) or "e" in plain.lower():
            raise ValueError(f"'{text}' is not a plain number")
        places = len(plain.partition(".")[2])
        return cls(value, 0.5 * 10.0**-places)

    def ends(self, lowest: float = -math.inf) -> tuple[float, float]:
        """The least and the greatest number that is printed so."""
        return max(lowest, self.value - self.half), self.value + self.half


@dataclass(frozen=True, slots=True)
class Fit:
    """What the cells make of an average."""

    recomputed: float
    possible: bool
    chance: float
    """That the cells' average rounds to the printed one; 0 where it isn't possible."""

    @property
    def likely(self) -> bool:
        """Whether nothing speaks against the printed average."""
        return self.possible and self.chance >= UNLIKELY


def mean_of(cells: Sequence[Rounded], weights: Sequence[float], printed: Rounded) -> Fit:
    """A weighted mean of cells against the printed one; the weights are taken as exact."""
    total = math.fsum(weights)
    value = math.fsum(w * c.value for w, c in zip(weights, cells, strict=True)) / total
    reach = math.fsum(w * c.half for w, c in zip(weights, cells, strict=True)) / total
    possible = abs(value - printed.value) <= reach + printed.half + _SLACK
    # Each hidden error is uniform: variance half² / 3.
    spread = math.sqrt(
        math.fsum((w * c.half / total) ** 2 / 3.0 for w, c in zip(weights, cells, strict=True))
    )
    if spread == 0.0:
        return Fit(value, possible, 1.0 if possible else 0.0)
    normal = NormalDist(value, spread)
    low, high = printed.ends()
    chance = normal.cdf(high + _SLACK) - normal.cdf(low - _SLACK)
    return Fit(value, possible, chance if possible else 0.0)


def micro_f1_ends(
    cells: Sequence[Rounded], positives: Sequence[int], negatives: Sequence[int] | None = None
) -> tuple[float, float]:
    """The least and the greatest micro F1 that classes with these F1 and positives allow.

    With F the F1 of a class and P its positives, its true positives lie between F P / (2 - F) (no
    false alarm) and P; micro F1 is sum(TP) / sum(TP / F), where a class with F = 0 adds (P + false
    alarms) / 2 below. A ratio of sums is greatest, and least, with every TP at one of its ends.

    Args:
        cells: F1 of each class, as printed.
        positives: of each class.
        negatives: of each class, which bound the false alarms; None where they aren't known.
    """
    sides = []
    for upper in (False, True):
        terms = []
        for i, cell in enumerate(cells):
            low, high = cell.ends(lowest=0.0)
            # The boundary of a rounded 0 may be a small F1: the end that helps this side.
            f = min(high, 1.0) if upper else low
            terms.append((f, positives[i], None if negatives is None else negatives[i]))
        sides.append(_extreme(terms, upper=upper))
    return sides[0], sides[1]


def _extreme(terms: Sequence[tuple[float, int, int | None]], *, upper: bool) -> float:
    """Of sum(TP) / (sum(TP / F) + sum of (P + FP) / 2 of the classes with F = 0)."""
    boxes = []
    rest = 0.0
    for f, p, n in terms:
        if f <= 0.0:
            alarms = 0 if upper else n
            if alarms is None:
                return 0.0
            rest += (p + alarms) / 2.0
            continue
        least, most = f * p / (2.0 - f), float(p)
        if n is not None:
            # 2 TP / F = TP + P + FP, and FP is at most the negatives.
            most = min(most, f * (p + n) / (2.0 - f))
        boxes.append((f, least, max(least, most)))
    boxes.sort(reverse=upper)
    best: float | None = None
    for cut in range(len(boxes) + 1):
        # The classes before the cut help this side: all their true positives count.
        tp = [most if i < cut else least for i, (_, least, most) in enumerate(boxes)]
        below = rest + math.fsum(t / f for t, (f, _, _) in zip(tp, boxes, strict=True))
        value = math.fsum(tp) / below if below > 0 else 0.0
        if best is None or (value > best if upper else value < best):
            best = value
    return best or 0.0
