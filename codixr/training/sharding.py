"""Sharded training (FSDP2): what the engine needs beside Accelerate's own ``prepare``.

Notable: a checkpoint gives whole tensors, whoever wrote it, so a run may go on with another number
of processes, sharded or not. A shard and a plain tensor pass through the same functions.
"""

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import Tensor, nn

from codixr.errors import InputError

BLOCKS = (
    "BasicTransformerBlock",
    "BertLayer",
    "CLIPEncoderLayer",
    "FCResBlock",
    "GPT2Block",
    "ResnetBlock2D",
)
"""Classes gathered one at a time; the rest of a stage is gathered for the whole step."""


def plugin(precision: str) -> FullyShardedDataParallelPlugin | None:
    """Accelerate's plugin where its environment asks for FSDP, else None.

    InputError for version 1, and for what would lose the weights that a stage starts from.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() not in ("true", "1"):
        return None
    try:
        found = FullyShardedDataParallelPlugin()
    except (ValueError, ImportError) as error:
        raise InputError(f"FSDP: {error}") from None
    if found.fsdp_version != 2:
        raise InputError(
            "FSDP version 1 flattens the parameters, and checkpoints here name each: use version 2 "
            "(accelerate launch --use_fsdp --fsdp_version 2, or FSDP_VERSION=2)"
        )
    if found.cpu_ram_efficient_loading:
        raise InputError(
            "FSDP_CPU_RAM_EFFICIENT_LOADING=true would empty the weights that a stage starts from: "
            "set it to false (accelerate launch --fsdp_cpu_ram_efficient_loading false)"
        )
    if precision != "no":
        found.set_mixed_precision(precision)
    return found


def shard_on_cpus(found: FullyShardedDataParallelPlugin) -> None:
    """Accelerate turns FSDP on for GPUs only; torch shards over CPU processes just as well."""
    state = AcceleratorState()
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.fsdp_plugin = found
        state.distributed_type = DistributedType.FSDP


def is_sharded(accelerator: Any) -> bool:
    """Whether this accelerator shards what it prepares."""
    return getattr(accelerator, "distributed_type", None) == DistributedType.FSDP


def wrap_blocks(accelerator: Accelerator, stage: nn.Module) -> None:
    """Gather a stage's blocks one at a time, unless the environment says how to wrap."""
    from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

    found = accelerator.state.fsdp_plugin
    alone = unsharded(stage)
    for p in alone:
        p.data = p.data.to(accelerator.device)
    found.ignored_modules = [nn.ParameterList(alone)] if alone else None
    if found.auto_wrap_policy is None:
        names = {type(part).__name__ for part in stage.modules()}
        found.transformer_cls_names_to_wrap = [name for name in BLOCKS if name in names]
        found.auto_wrap_policy = transformer_auto_wrap_policy


def unsharded(stage: nn.Module) -> list[nn.Parameter]:
    """The parameters without a dimension, which torch can't shard: every process keeps them."""
    return [p for p in stage.parameters() if not p.ndim]


def share_gradients(accelerator: Accelerator, alone: list[nn.Parameter]) -> None:
    """Give the unsharded parameters the mean of the processes' gradients."""
    for p in alone:
        if p.grad is not None:
            p.grad.copy_(accelerator.reduce(p.grad, "mean"))


def reshard(module: nn.Module) -> None:
    """Let go of gathered weights, so that the next forward pass gathers the present ones."""
    from torch.distributed.fsdp import FSDPModule

    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def own_part(tensor: Tensor) -> Tensor:
    """This process' part of a tensor: its shard, or all of a plain one (sharing its memory)."""
    return tensor.to_local() if is_shard(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor; of a shard gathered, so every process must ask."""
    return tensor.full_tensor() if is_shard(tensor) else tensor  # type: ignore[attr-defined]


def whole_state(state: Any, *, keep: bool = True) -> Any:
    """A nested state with whole tensors, those that were shards on the CPU.

    Every process must ask; one that doesn't ``keep`` lets each shard go as soon as it is gathered.
    """
    if isinstance(state, dict):
        return {key: whole_state(value, keep=keep) for key, value in state.items()}
    if isinstance(state, list):
        return [whole_state(value, keep=keep) for value in state]
    if isinstance(state, Tensor) and is_shard(state):
        gathered = whole(state)
        return gathered.cpu() if keep else None
    return state


def shard_like(value: Tensor, example: Tensor) -> Tensor:
    """``value`` (whole) sharded as ``example`` is; as it is where that is a plain tensor."""
    if not is_shard(example) or value.shape != example.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = example.device_mesh, example.placements  # type: ignore[attr-defined]
    return distribute_tensor(value.to(example.device), mesh, placements, src_data_rank=None)


def shard_optimizer(state: dict[str, Any], parameters: Iterable[Tensor]) -> dict[str, Any]:
    """A whole optimizer's state, each parameter's tensors sharded as it is."""
    own = list(parameters)
    sharded = {
        place: {
            key: shard_like(x, own[place]) if isinstance(x, Tensor) else x
            for key, x in part.items()
        }
        for place, part in state["state"].items()
    }
    return {**state, "state": sharded}


def is_shard(tensor: Tensor) -> bool:
    """Whether this process has a part of the tensor only."""
    if not dist.is_available():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def copy_whole(target: Tensor, value: Tensor) -> None:
    """Fill a tensor, sharded or not, from a whole value."""
    with torch.no_grad():
        own_part(target).copy_(own_part(shard_like(value, target)))
