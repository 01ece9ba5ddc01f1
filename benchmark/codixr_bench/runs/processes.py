"""The processes of one run, as torchrun and accelerate start them."""

import os
from dataclasses import dataclass
from datetime import timedelta

from codixr.errors import InputError

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
        if self.size == 1:
            return
        import torch.distributed as dist

        if not dist.is_initialized():
            dist.init_process_group("gloo", rank=self.rank, world_size=self.size, timeout=_PATIENCE)
        dist.barrier()

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
    return Processes(rank, size)
