"""Where the networks that score compute, and how many pictures at a time.

They compute in float32 wherever they are, with a card's shortened float32 (TF32) off: a score must
not depend on the machine by more than rounding. A command chooses the device once for its process.
Where memory runs out, a pass is tried again with half as many pictures, and a note says so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from codixr import messages

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

ON_A_CARD = 64
"""Pictures at a time where there is an accelerator."""
Outputs = TypeVar("Outputs")


class Movable(Protocol):
    """A network: a torch module, or what moves as one."""

    def to(self, device: Any) -> Any:
        """Bring all its tensors to a device."""
        ...


Network = TypeVar("Network", bound=Movable)


class _Chosen:
    """What this process was asked for; ``auto`` until it is."""

    device: "torch.device | None" = None
    at_once: int | None = None


def use(device: str = "auto", at_once: int | None = None) -> None:
    """Have networks compute on ``device`` from now on, ``at_once`` pictures at a time.

    None leaves the number to each network. Raises InputError for a device that isn't here.
    """
    from codixr.device import device_named

    # What "auto" means is found out when it is needed: many commands need no torch.
    _Chosen.device = None if device == "auto" else device_named(device)
    _Chosen.at_once = at_once


def device() -> "torch.device":
    """Where networks compute."""
    from codixr.device import device_named

    if _Chosen.device is None:
        _Chosen.device = device_named("auto")
    return _Chosen.device


def described() -> str:
    """For a result: ``cpu``, or ``cuda (NVIDIA H200)``."""
    from codixr.device import described as of

    return of(device())


def placed(network: Network) -> Network:
    """The network, brought to where networks compute."""
    network.to(device())
    return network


@contextmanager
def scoring() -> Iterator[None]:
    """Within, nothing is kept for gradients, and float32 is float32 on a card too."""
    import torch

    cudnn = torch.backends.cudnn
    if device().type != "cuda":
        with torch.inference_mode():
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode(), cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def in_passes(
    pictures: "NDArray[Any]", forward: "Callable[[NDArray[Any]], Outputs]", on_cpu: int
) -> list[Outputs]:
    """What ``forward`` makes of the pictures [B, ...], some at a time, in order.

    Args:
        pictures: an array, cut along its first axis.
        forward: one pass of a network.
        on_cpu: pictures at a time on the CPU, where nothing else was asked for.
    """
    usual = on_cpu if device().type == "cpu" else ON_A_CARD
    size = min(_Chosen.at_once or usual, max(len(pictures), 1))
    found: list[Outputs] = []
    first = 0
    while first < len(pictures):
        with scoring():
            made = _pass(pictures[first : first + size], forward)
        if made is None:
            size = _halved(size)
            continue
        found.append(made)
        first += size
    return found


def _pass(pictures: "NDArray[Any]", forward: "Callable[[NDArray[Any]], Outputs]") -> Outputs | None:
    """One pass; None where memory ran out and there is something to halve."""
    from codixr.device import free_cached_memory, is_out_of_memory

    try:
        return forward(pictures)
    except (RuntimeError, MemoryError) as error:
        if len(pictures) < 2 or not is_out_of_memory(error):
            raise
    free_cached_memory()
    return None


def _halved(size: int) -> int:
    _Chosen.at_once = max(1, size // 2)
    messages.note(
        "codixr-bench",
        f"memory ran out with {size} pictures at a time: going on with {_Chosen.at_once}",
    )
    return _Chosen.at_once
