"""The moving average of a stage's weights: what it is validated with, restarts from, and saves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from codixr.training import sharding


class Average:
    """One tensor beside each parameter that is trained; sharded where that is."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = parameters
        self.values = {name: p.detach().clone() for name, p in parameters.items()}

    def load(self, saved: dict[str, Tensor]) -> None:
        """Take whole tensors by name, as a checkpoint holds them."""
        for name, value in self.values.items():
            sharding.copy_whole(value, saved[name])

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move ``1 - decay`` of the way to the present weights."""
        # One kernel for all weights, as torch's own swa_utils has it; there is no public name.
        torch._foreach_lerp_(
            [sharding.own_part(value) for value in self.values.values()],
            [sharding.own_part(p.detach()) for p in self.parameters.values()],
            1 - decay,
        )

    @torch.no_grad()
    def put(self) -> None:
        """Make the average the present weights."""
        for name, p in self.parameters.items():
            p.copy_(self.values[name])

    @contextmanager
    def in_place(self, stage: nn.Module) -> Iterator[None]:
        """The average in place of the present weights, for as long as the context lasts."""
        last = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.put()
        try:
            yield
        finally:
            sharding.reshard(stage)
            with torch.no_grad():
                for name, p in self.parameters.items():
                    p.copy_(last[name])

    def whole(self, *, keep: bool = True) -> dict[str, Tensor]:
        """The average by name, gathered: every process must ask, those too that don't ``keep``."""
        found: dict[str, Any] = sharding.whole_state(self.values, keep=keep)
        return found
