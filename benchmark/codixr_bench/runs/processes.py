"""The processes of one run, as torchrun and accelerate start them."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from codixr.errors import InputError

T = TypeVar("T")
_PATIENCE = timedelta(days=7)
"""How long a process waits for the slowest one: generation may take days."""


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among the processes of a run: 0 <= rank < size."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True for the one process that writes shared files, scores and prints."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for all processes; nothing to do when there is one."""
        if self.size > 1:
            self._group().barrier()

    def gather(self, value: T) -> list[T] | None:
        """What every process gave, by rank, in the one that leads; None in the others."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.leads else None
        self._group().gather_object(value, found)
        return found

    def agree(self, value: bool) -> bool:
        """Whether the value is True in all processes."""
        if self.size == 1:
            return value
        found: list[Any] = [None] * self.size
        self._group().all_gather_object(found, value)
        return all(found)

    def _group(self) -> Any:
        import torch.distributed as dist

        if not dist.is_initialized():
            dist.init_process_group("gloo", rank=self.rank, world_size=self.size, timeout=_PATIENCE)
        return dist

    def close(self) -> None:
        """Leave the process group, if one was joined."""
        if self.size == 1:
            return
        import torch.distributed as dist

        if dist.is_initialized():
            dist.destroy_process_group()


def current_processes() -> Processes:
    """Read torchrun's ``RANK`` and ``WORLD_SIZE``; one process where they are not set.

    Raises InputError for values that make no sense.
    """
    rank_text, size_text = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    try:
        rank, size = int(rank_text), int(size_text)
    except ValueError:
        rank, size = -1, 0
    if not 0 <= rank < size:
        raise InputError(
            f"RANK={rank_text} and WORLD_SIZE={size_text} in the environment make no sense; "
            "unset them, or start with torchrun"
        )
    if size > 1 and os.environ.get("MASTER_PORT") == "0":
        raise InputError(
            "MASTER_PORT is 0, and no two processes can meet there: start torchrun with "
            "--standalone, or with --master_port"
        )
    return Processes(rank, size)
