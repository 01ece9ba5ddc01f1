"""What a stage can do about too little memory: recompute activations, and say what to lower."""

from typing import Any

import torch
from torch import nn

from codixr.errors import InputError
from codixr.training.sharding import BLOCKS
from codixr.training.stage_config import StageConfig


class OutOfMemoryError(InputError):
    """A process ran out of memory: any process may say so."""


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that a GPU or the machine has no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory")
    )


def too_little(stage: str, config: StageConfig, step: int, studies: int) -> OutOfMemoryError:
    """The error to raise instead: ``studies`` were at once in a process, and what to lower."""
    cures = [f"checkpoint_gradients=true (now {str(config.checkpoint_gradients).lower()})"]
    if config.accumulates:
        cures.insert(0, f"a higher accumulate (now {config.accumulate})")
    cures += [
        f"a smaller batch (now {config.batch})",
        "more processes",
        "precision=bf16 on GPUs",
    ]
    return OutOfMemoryError(
        f"{stage}: out of memory at step {step} with {studies} studies at once in a process: "
        f"try --set with {', or '.join(cures)}"
    )


def compile_blocks(module: nn.Module) -> None:
    """Have torch.compile make the repeated blocks of ``module`` faster, each kind once.

    In place: names and weights stay. Whole networks are not compiled: that takes minutes each.
    """
    for part in module.modules():
        if type(part).__name__ in BLOCKS:
            part.compile()


def checkpoint_gradients(module: nn.Module) -> None:
    """Have every part that can do so recompute its activations in the backward pass.

    Not a GPT-2 decoder: transformers then drops the cache, through which it reads the latent.
    """
    from transformers import GPT2PreTrainedModel

    for part in module.modules():
        if isinstance(part, GPT2PreTrainedModel):
            continue
        found: Any = part  # these three are the libraries' own, and no module of torch has them
        if hasattr(part, "activation_checkpointing_enable"):  # transformers' name since 5.24
            found.activation_checkpointing_enable({"use_reentrant": False})
        elif hasattr(part, "gradient_checkpointing_enable"):
            found.gradient_checkpointing_enable({"use_reentrant": False})
        elif hasattr(part, "enable_gradient_checkpointing"):
            found.enable_gradient_checkpointing()
