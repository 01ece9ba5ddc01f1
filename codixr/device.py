"""Where networks compute, and in what type: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

``auto`` is CUDA where torch has it, else Apple's MPS, else the CPU. Of several processes on one
machine, each takes a card of its own.
"""

import os
import platform

import torch

from codixr.errors import InputError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")
"""What CUDA, MPS and the CPU's allocator say of it."""


def device_named(name: str) -> torch.device:
    """The device of ``--device``; InputError for one that isn't here, or is none."""
    device = best_device() if name == "auto" else check_here(as_device(name))
    if (
        device.type == "cuda"
        and device.index is None
        and int(os.environ.get("WORLD_SIZE", "1")) > 1
    ):
        own = int(os.environ.get("LOCAL_RANK", "0")) % max(torch.cuda.device_count(), 1)
        return torch.device("cuda", own)
    return device


def best_device() -> torch.device:
    """CUDA where there is any, else MPS, else the CPU."""
    return torch.device(next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu"))


def as_device(name: torch.device | str) -> torch.device:
    """A torch device by name; InputError for what is none."""
    try:
        return torch.device(name)
    except (RuntimeError, TypeError):
        raise InputError(f"device '{name}': give cpu, cuda, cuda:1, mps, ...") from None


def check_here(device: torch.device) -> torch.device:
    """The same device; InputError where torch has none of its kind, or fewer."""
    if device.type in ("cpu", "meta"):
        return device
    count = _count(device.type)
    if not count:
        here = best_device().type
        seen = "no accelerator" if here == "cpu" else f"'{here}'"
        raise InputError(f"device '{device}': torch sees {seen} here; give cpu")
    if (device.index or 0) >= count:
        raise InputError(f"device '{device}': there are {count} here, from 0 on")
    return device


def type_named(name: str, device: torch.device, stored: torch.dtype) -> torch.dtype:
    """The type of ``--dtype`` for weights that are ``stored`` in one.

    ``auto`` is float32 on the CPU, elsewhere as they are stored.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else stored
    found: torch.dtype = getattr(torch, name)
    return found


def described(device: torch.device) -> str:
    """For a result: ``cpu``, ``cuda (NVIDIA H200)``, ``mps (arm64)``; nothing names the machine."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"mps ({platform.machine()})" if device.type == "mps" else device.type


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of a card or of the machine."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)


def free_cached_memory() -> None:
    """Give back what torch keeps of a card's memory for later."""
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def _count(kind: str) -> int:
    """How many devices of a kind torch can use here."""
    if kind == "cuda" and torch.cuda.is_available():
        return torch.cuda.device_count()
    if kind == "mps" and torch.backends.mps.is_available():
        return 1
    here = torch.accelerator.current_accelerator(check_available=True)
    return torch.accelerator.device_count() if here is not None and here.type == kind else 0
