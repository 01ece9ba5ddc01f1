"""The processes that train together: how they join, and how they share a stage's batch."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.utils import gather_object, parse_flag_from_env
from torch import nn

from codixr.errors import InputError
from codixr.training import sharding
from codixr.training.stage_config import StageConfig


def join_processes() -> PartialState:
    """Accelerate's state of the processes that were started together.

    InputError where they would train alone, each for itself, in one folder: Accelerate joins
    processes without GPUs only when it is told that they run on CPUs.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    world = os.environ.get("WORLD_SIZE", "1")
    if world.isdigit() and int(world) != state.num_processes:
        if dist.is_available() and dist.is_initialized():
            dist.barrier()  # Accelerate joined them all the same: none may break that off
        raise InputError(
            f"{world} processes were started and each would train alone: without GPUs set "
            "ACCELERATE_USE_CPU=true before torchrun"
        )
    return state


@contextmanager
def refused_together() -> Iterator[None]:
    """What one process refuses within it, all refuse: none is left waiting for it.

    All of them must enter; where none refuses, they leave together.
    """
    refused: InputError | None = None
    try:
        yield
    except InputError as error:
        refused = error
    said = [words for words in gather_object([refused and str(refused)]) if words]
    if refused is not None:
        raise refused
    if said:
        raise InputError(said[0])


def left_alone(error: BaseException) -> bool:
    """Whether ``error`` says that another process has ended, which has said why."""
    words = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")
    return isinstance(error, RuntimeError) and any(part in str(error) for part in words)


def make_accelerator(config: StageConfig, logs: Path) -> Accelerator:
    """The Accelerator of one stage: its precision, and its tracker."""
    from accelerate.state import AcceleratorState

    # One process runs several stages, and each may have its own precision; Accelerate has no public
    # way to begin again.
    AcceleratorState._reset_state()
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high" if config.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = config.tf32
    # ``without_gradient`` has found what is unused, and gradients lie in what is exchanged.
    exchange = DistributedDataParallelKwargs(
        find_unused_parameters=False, broadcast_buffers=False, gradient_as_bucket_view=True
    )
    shards = sharding.plugin(config.precision)
    tracker = None if config.tracker == "none" else config.tracker
    if tracker is not None:
        logs.mkdir(parents=True, exist_ok=True)
    try:
        accelerator = Accelerator(
            mixed_precision=config.precision,
            log_with=tracker,
            project_dir=logs,
            fsdp_plugin=shards,
            kwargs_handlers=[exchange],
        )
    except (ValueError, ImportError, RuntimeError) as error:
        raise InputError(f"precision {config.precision}, tracker {tracker}: {error}") from None
    if shards is not None:
        sharding.shard_on_cpus(shards)
    return accelerator


def shares(name: str, config: StageConfig, processes: int) -> tuple[int, int]:
    """Studies of a step in each process, and of those at once.

    InputError for a batch that the processes cannot share evenly.
    """
    batch, parts = config.batch, processes * config.accumulate
    if batch % parts:
        raise InputError(
            f"{name}: a batch of {batch} cannot be shared by {processes} processes x "
            f"accumulate={config.accumulate}: give a batch that {parts} divides, e.g. "
            f"--set {name}.batch={-(-batch // parts) * parts}"
        )
    return batch // processes, batch // parts


def check_precision(name: str, config: StageConfig, device: torch.device) -> None:
    """InputError for half precision where only floats of another kind can be trained."""
    if config.precision == "fp16" and device.type == "cpu":
        raise InputError(
            f"{name}: precision=fp16 needs a GPU, and there is none: give precision=bf16 or no"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, libraries that call each other by deprecated names don't say so on each rank."""
    with warnings.catch_warnings():
        # Accelerate's argument for DDP: torch 2.14 has another name for it.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        yield


@contextmanager
def without_gradient(
    stage: nn.Module, accelerator: Accelerator, sample: Callable[[], tuple[Any, Any]]
) -> Iterator[None]:
    """Within it, the parameters that a ``sample`` (batch and draw) gives no gradient need none.

    DDP, built within, leaves them out, and need not look for them at every step. Among them are Q
    and K of an attention to one token, whose softmax is 1. Nothing is asked where there is no DDP.
    """
    if accelerator.num_processes == 1 or sharding.is_sharded(accelerator):
        yield
        return
    stage.to(accelerator.device)
    batch, draw = sample()
    wanted = [p for p in stage.parameters() if p.requires_grad]
    with accelerator.autocast():
        loss = stage(batch, draw, 0)["loss"]
    loss.backward()
    unused = [p for p in wanted if p.grad is None]
    for p in wanted:
        p.grad = None
    for p in unused:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in unused:
            p.requires_grad_(True)
