"""A checkpoint in shards: every process writes its own rows of each tensor, none gathers any.

Beside ``step-NNNNNNNN.pt``, which then holds all but the tensors, lies one safetensors file a
process. When one is read, a tensor's rows are put together only as it is asked for: a run goes on
with any number of processes, sharded or not, and none needs the memory for all tensors at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from codixr.model.tensor_file import write_tensors
from codixr.training.sharding import is_shard, own_part

PATTERN = "step-*.shard-*-of-*.safetensors"
BY_NAME = ("parameters", "averaged")
"""Parts of a checkpoint's state that are tensors by name; the optimizer's are by place and key."""


def file_names(stem: str, count: int) -> list[str]:
    """The files beside checkpoint ``stem`` that ``count`` processes write."""
    return [f"{stem}.shard-{i:05d}-of-{count:05d}.safetensors" for i in range(count)]


def are_rows(tensors: Iterable[Tensor]) -> bool:
    """Whether each tensor is plain, or lies in rows over all processes, as FSDP2 leaves it.

    Not so where groups of processes hold copies (its ``dp_replicate_size``).
    """
    shards: list[Any] = [x for x in tensors if is_shard(x)]
    return all(x.device_mesh.ndim == 1 and x.placements[0].is_shard(0) for x in shards)


def apart(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(a checkpoint's state without tensors, each tensor by one name)."""
    tensors = {f"{part}/{name}": x for part in BY_NAME for name, x in state[part].items()}
    optimizer = state["optimizer"]
    for place, values in optimizer["state"].items():
        tensors |= {f"optimizer/{place}/{key}": x for key, x in values.items()}
    rest = {key: value for key, value in state.items() if key not in BY_NAME}
    return rest | {"optimizer": {**optimizer, "state": list(optimizer["state"])}}, tensors


def together(rest: dict[str, Any], tensors: "Rows") -> dict[str, Any]:
    """What ``apart`` took apart; the tensors are read as they are asked for."""
    optimizer = rest["optimizer"]
    places = {place: tensors.under(f"optimizer/{place}/") for place in optimizer["state"]}
    by_name = {part: tensors.under(f"{part}/") for part in BY_NAME}
    return {**rest, **by_name, "optimizer": {**optimizer, "state": places}}


def write(path: Path, tensors: Mapping[str, Tensor], index: int) -> None:
    """Write the rows that process ``index`` has; a tensor in no rows is the first process's.

    InputError when the disk is full.
    """
    own: dict[str, Tensor] = {}
    for name, x in tensors.items():
        part = own_part(x.detach())
        if part.numel() if is_shard(x) else index == 0:
            own[name] = part.cpu().contiguous()
    write_tensors(path, own)


class Rows(Mapping[str, Tensor]):
    """The tensors of some files of rows, by name.

    Raises OSError or ValueError where a file is missing, cut short, or of another kind.
    """

    def __init__(self, paths: Iterable[Path], prefix: str = "") -> None:
        self.prefix = prefix
        try:
            self.files: list[Any] = [safe_open(path, framework="pt") for path in paths]
        except SafetensorError as error:
            raise ValueError(str(error)) from None
        self.names = [set(file.keys()) for file in self.files]

    def under(self, prefix: str) -> "Rows":
        """Those whose names begin so, without that beginning."""
        some = Rows((), prefix)
        some.files, some.names = self.files, self.names
        return some

    def __getitem__(self, name: str) -> Tensor:
        """A whole tensor, its rows in the order of the processes."""
        full = self.prefix + name
        found = zip(self.files, self.names, strict=True)
        parts = [file.get_tensor(full) for file, names in found if full in names]
        if not parts:
            raise KeyError(name)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def __iter__(self) -> Iterator[str]:
        for name in sorted(set().union(*self.names)):
            if name.startswith(self.prefix):
                yield name.removeprefix(self.prefix)

    def __len__(self) -> int:
        return sum(1 for _ in self)
