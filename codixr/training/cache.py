"""What is made of every study, decoded pictures and encoders' vectors: computed once, then mapped.

Notable: a file's name ends in a hash of everything that it depends on (the encoder's weights, the
data, the tokens), so an older encoder's values are never taken for the present one's.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn

from codixr.atomic import new_array
from codixr.progress import track
from codixr.training.disk import Disk


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
    depends_on: Mapping[str, str | int],
    count: int,
    chunk: int,
    compute: Callable[[slice], Tensor],
    disk: Disk,
    *,
    dtype: type[np.float32] | type[np.uint8] = np.float32,
    before: Callable[[], object] = lambda: None,
) -> NDArray[Any]:
    """``dtype`` [count, ...]: ``compute`` of every chunk of rows, from ``folder`` if it is there.

    The processes that see ``disk`` share the work, so all of a run must ask at the same time. The
    chunks are the same whatever the number of processes, and so are the values. ``before`` is
    called in each of them where there is work to do. Older tables of that name are removed.
    """
    key = hashlib.sha256(json.dumps([depends_on, count, chunk], sort_keys=True).encode())
    path = folder / f"{name}-{key.hexdigest()[:16]}.npy"
    state = PartialState()
    state.wait_for_everyone()
    missing = any(gather_object([not path.exists()]))
    if missing:
        before()
        _build(path, name, count, chunk, compute, disk, dtype)
    table: NDArray[Any] = np.load(path, mmap_mode="r")
    return table


def _build(
    path: Path,
    name: str,
    count: int,
    chunk: int,
    compute: Callable[[slice], Tensor],
    disk: Disk,
    dtype: type[np.float32] | type[np.uint8],
) -> None:
    state = PartialState()
    part = path.with_name(f".{path.name}.part")
    if disk.writes:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in (*path.parent.glob(f"{name}-*.npy"), *path.parent.glob(f".{name}-*.part")):
            old.unlink(missing_ok=True)
        shape = (count, *compute(slice(0, 1)).shape[1:])
        new_array(part, dtype, shape).flush()
    state.wait_for_everyone()
    table = np.load(part, mmap_mode="r")
    at, row = table.offset, table.nbytes // max(count, 1)
    own = range(disk.index * chunk, count, disk.count * chunk)
    # Written, not mapped: what two machines map they write by whole pages, each over the other's.
    with part.open("r+b") as file:
        for start in track(own, f"caching {name}", "chunks"):
            rows = slice(start, min(start + chunk, count))
            file.seek(at + start * row)
            file.write(compute(rows).cpu().numpy().astype(dtype).tobytes())
        file.flush()
        os.fsync(file.fileno())
    del table
    state.wait_for_everyone()
    if disk.writes:
        part.replace(path)
    state.wait_for_everyone()
