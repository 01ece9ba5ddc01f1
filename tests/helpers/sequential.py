"""Processes of a run, played one after the other in this process: what they exchange is pickled."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from codixr_bench.metrics import other_pictures

Queues = dict[int, list[bytes]]


@dataclass
class Played:
    """One of ``size`` processes; the first is played last, with what the others gave."""

    rank: int
    size: int
    given: Queues = field(default_factory=dict)
    leads: bool = field(init=False)

    def __post_init__(self) -> None:
        self.leads = self.rank == 0

    def barrier(self) -> None:
        pass

    def close(self) -> None:
        pass

    def agree(self, value: bool) -> bool:
        return value

    def gather(self, value: Any) -> list[Any] | None:
        if not self.leads:
            self.given.setdefault(self.rank, []).append(pickle.dumps(value))
            return None
        others = [pickle.loads(self.given[rank].pop(0)) for rank in range(1, self.size)]
        return [value, *others]


def played(size: int, work: Callable[[Any], Any]) -> Any:
    """What ``work(process)`` returns in the first of ``size`` processes; the others give None."""
    given: Queues = {}
    for rank in reversed(range(size)):
        other_pictures._found.clear()  # what a process of its own would not have
        found = work(Played(rank, size, given))
        assert (found is None) == (rank != 0)
    assert not any(given.values()), "the first process took everything that was given"
    return found
