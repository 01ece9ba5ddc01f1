"""How sure a rank is: ranks in resamples of the studies, the same ones for every row.

With a row's statistics a resample of the studies moves its score by the mean of its weights times
the influences, so that two rows are compared study by study. Where a row has none (tracks of
patients), its score is drawn from its interval, apart from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.comparing.influences import influences
from codixr_bench.score import Score
from codixr_leaderboard.statistics_file import Table

DRAWS = 2000
_WIDTH = 2 * 1.959964


@dataclass(frozen=True, slots=True)
class Sureness:
    """Of one row's rank."""

    low: int
    """95 % of the resamples give a rank from ``low`` to ``high``."""
    high: int
    best: float
    """The share of resamples in which it is first."""


def sureness_of(rows: Sequence[tuple[Score, Table | None]], n: int) -> list[Sureness]:
    """The rows' ranks in ``DRAWS`` resamples of the ``n`` studies, always the same ones."""
    if not rows:
        return []
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, np.full(n, 1.0 / n), size=DRAWS).astype(np.float32)
    values = np.column_stack([_drawn(score, table, drawn, rng) for score, table in rows])
    if rows[0][0].higher_is_better:
        values = -values
    ranks = 1 + (values[:, None, :] < values[:, :, None]).sum(axis=2)
    ends = np.percentile(ranks, [2.5, 97.5], axis=0, method="nearest").astype(int)
    # Equal values share the first place.
    first = ranks == 1
    best = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    return [
        Sureness(int(low), int(high), float(share))
        for low, high, share in zip(*ends, best, strict=True)
    ]


def _drawn(
    score: Score, table: Table | None, drawn: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float64]:
    """[DRAWS] values of a score."""
    value = score.value if score.value is not None else 0.0
    found = influences(table, [score.name]).get(score.name) if table is not None else None
    if found is not None:
        moved = drawn @ found.by_study.astype(np.float32) / len(found.by_study)
        return value + np.asarray(moved, dtype=np.float64)
    low, high = score.ci95 or (value, value)
    return value + rng.standard_normal(len(drawn)) * (high - low) / _WIDTH
