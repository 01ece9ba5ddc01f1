"""What every metric offers: a small mergeable state between studies and scores."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, runtime_checkable

from numpy import generic
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.task import Task


class Metric(Protocol):
    """Consumes (reference study, sample) pairs in any split into shards, and computes scores.

    The state is picklable, and merging shards in any order gives the same scores (rows are kept
    with their position in the split).
    """

    name: str

    def applies_to(self, task: Task) -> bool:
        """Whether the metric scores an output of ``task``."""
        ...

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add studies, named by their position in the split, and what was made for them."""
        ...

    def merge(self, other: Self) -> None:
        """Add another shard's state."""
        ...

    def compute(self) -> list[Score]:
        """The scores over all studies seen."""
        ...

    def statistics(self) -> Mapping[str, NDArray[generic]]:
        """One row a study in position order: what pairing and resampling need, without ids."""
        ...


@runtime_checkable
class MakesSeveral(Protocol):
    """A metric that can make more scores than it does unasked."""

    @property
    def offers(self) -> Sequence[str]:
        """The names of all of them, without the view: what ``--metrics`` may ask for."""
        ...

    def choose(self, wanted: Sequence[str]) -> None:
        """Make those of ``wanted`` that are offered; the usual ones where none is."""
        ...
