"""What averaging the distances of parts makes of a distance: an error of the field, shown.

A benchmark's memory-saving script cuts both sets into parts of the list, computes a distance of
each and averages: the mean of parts is not the whole's distance, because the bias of a Fréchet
distance grows as 1/n. (n, sum, sum of outer products) merge exactly; distances do not.
"""

from dataclasses import dataclass

import numpy as np

from codixr.errors import InputError
from codixr_bench.metrics.frechet import distance_between
from codixr_bench.runs.picture_sets import Side


@dataclass(frozen=True)
class ShardsAveraged:
    """The mean over parts, beside the whole."""

    shards: int
    value: float
    """The mean of the parts' distances."""
    whole: float

    @property
    def factor(self) -> float:
        """How many times the whole's distance that is."""
        return self.value / self.whole if self.whole > 0 else float("inf")


def average_of_shards(a: Side, b: Side, shards: int) -> ShardsAveraged:
    """The mean Fréchet distance of ``shards`` parts of both lists, in their order.

    Raises InputError for cached statistics, and where a part would hold fewer than two pictures.
    """
    rows = []
    for name, side in (("A", a), ("B", b)):
        if side.rows is None:
            raise InputError(f"--shards-averaged needs pictures, and {name} is cached statistics")
        if len(side.rows) < 2 * shards:
            raise InputError(
                f"--shards-averaged {shards}: {name} has {len(side.rows)} pictures, and a part "
                "needs two"
            )
        rows.append(np.concatenate(list(side.rows.read())))
    parts = zip(*(np.array_split(one, shards) for one in rows), strict=True)
    values = [distance_between(made, real) for made, real in parts]
    return ShardsAveraged(shards, float(np.mean(values)), distance_between(*rows))
