"""Who writes where several processes train: on one disk that all see, or on one disk a node."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from codixr.atomic import make_folder


@dataclass(frozen=True)
class Disk:
    """The processes that see one disk: how many they are, and which of them this one is."""

    index: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes what there is once a disk."""
        return self.index == 0


ALONE = Disk()
"""Of one process."""


def disk_of(folder: Path, state: PartialState) -> Disk:
    """The disk of ``folder``: the same for all processes, or each node's own.

    Every process must ask. The first one leaves a sign in the folder: whoever misses it has another
    disk, and then every node's processes keep to themselves.
    """
    make_folder(folder)
    if state.num_processes == 1:
        return Disk()
    name = [f".seen-{uuid.uuid4().hex}"]
    broadcast_object_list(name)
    sign = folder / name[0]
    if state.is_main_process:
        sign.touch()
    state.wait_for_everyone()
    seen = all(gather_object([sign.exists()]))
    state.wait_for_everyone()
    if state.is_main_process:
        sign.unlink()
    if seen:
        return Disk(state.process_index, state.num_processes)
    on_this_node = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Disk(state.local_process_index, on_this_node)
