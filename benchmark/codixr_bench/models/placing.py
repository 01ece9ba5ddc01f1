"""Where a built-in model computes, in what type, and how far it is within a batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from codixr_bench.hooks import Setting

if TYPE_CHECKING:
    import torch

Steps = Callable[[int, int], None]
"""Called with (steps so far, of how many)."""


class PlacedModel(ABC):
    """A model of one torch module or pipeline: it moves, and says how far it is.

    ``settings`` has ``dtype`` where weights are not float32: then samples are others.
    """

    settings: dict[str, Setting]
    _is_placed = False
    _tell: Steps | None = None

    @abstractmethod
    def network(self) -> Any:
        """What is moved: it has ``to``, ``dtype`` and ``device``."""

    def use_device(self, device: str, dtype: str) -> None:
        """Compute on ``device`` with weights of ``dtype``; ``hooks.UsesDevice``."""
        from codixr.device import device_named, type_named

        network, there = self.network(), device_named(device)
        kind = type_named(dtype, there, network.dtype)
        network.to(there, kind)
        self._is_placed = True
        name = str(kind).removeprefix("torch.")
        if name != "float32":
            self.settings["dtype"] = name
        else:
            self.settings.pop("dtype", None)

    def tell_progress(self, done: Steps) -> None:
        """Call ``done`` after each step of a batch; ``hooks.TellsProgress``."""
        self._tell = done

    def placed(self) -> "torch.device":
        """Where it computes; where nobody said, the best device there is."""
        if not self._is_placed:
            self.use_device("auto", "auto")
        found: torch.device = self.network().device
        return found
