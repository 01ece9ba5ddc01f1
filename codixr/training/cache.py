"""What frozen encoders make of every study, computed once and read through a memory map.

Notable: a file's name ends in a hash of everything that it depends on (the encoder's weights, the
data, the tokens), so an older encoder's values are never taken for the present one's.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from torch import Tensor, nn

from codixr.atomic import new_array
from codixr.progress import track


def hash_weights(module: nn.Module, prefix: str = "") -> str:
    """sha256 over the names, shapes and values of a module's state (of keys with ``prefix``)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if name.startswith(prefix):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()


def frozen_table(
    folder: Path,
    name: str,
    depends_on: dict[str, str | int],
    count: int,
    chunk: int,
    compute: Callable[[slice], Tensor],
) -> NDArray[np.float32]:
    """float32 [count, ...]: ``compute`` of every chunk of rows, from ``folder`` where it is there.

    The processes of a run share the work. The chunks are the same whatever their number, and so
    are the values. Older tables of that name are removed.
    """
    key = hashlib.sha256(json.dumps([depends_on, count, chunk], sort_keys=True).encode())
    path = folder / f"{name}-{key.hexdigest()[:16]}.npy"
    state = PartialState()
    state.wait_for_everyone()
    there = path.exists()
    state.wait_for_everyone()
    if not there:
        _build(path, name, count, chunk, compute, state)
    table: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return table


def _build(
    path: Path,
    name: str,
    count: int,
    chunk: int,
    compute: Callable[[slice], Tensor],
    state: PartialState,
) -> None:
    part = path.with_name(f".{path.name}.part")
    if state.is_main_process:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in (*path.parent.glob(f"{name}-*.npy"), *path.parent.glob(f".{name}-*.part")):
            old.unlink(missing_ok=True)
        shape = (count, *compute(slice(0, 1)).shape[1:])
        new_array(part, np.float32, shape).flush()
    state.wait_for_everyone()
    table = np.lib.format.open_memmap(part, mode="r+")
    own = range(state.process_index * chunk, count, state.num_processes * chunk)
    for start in track(own, f"caching {name}", "chunks"):
        rows = slice(start, min(start + chunk, count))
        table[rows] = compute(rows).float().cpu().numpy()
    table.flush()
    del table
    state.wait_for_everyone()
    if state.is_main_process:
        part.replace(path)
    state.wait_for_everyone()
