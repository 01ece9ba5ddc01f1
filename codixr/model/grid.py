"""Where the steps of one call are: so many, or at the caller's own timesteps or sigmas.

With a ``strength`` below 1 only the last of them are taken, from a noised picture (SDEdit, Meng et
al. 2021; counted as diffusers' image-to-image pipelines do).
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.model.schedulers import for_steps, names


class Steps(NamedTuple):
    """A scheduler of its own for one flow, and the timesteps that it is asked for."""

    scheduler: Any
    timesteps: Tensor


@dataclass(frozen=True)
class Grid:
    """``timesteps`` or ``sigmas``, descending, stand in place of a number of steps."""

    steps: int
    timesteps: Sequence[float] | None = None
    sigmas: Sequence[float] | None = None
    strength: float = 1.0
    """The share of the steps that is taken, from the last backwards."""

    def on(self, scheduler: Any, device: torch.device | str | None = None) -> Steps:
        """A fresh scheduler like this one, set to the grid; none of the caller's is changed.

        Raises InputError for steps that the scheduler does not take, or when none is left.
        """
        fresh = self._set(scheduler, device)
        count = self.steps
        if self.timesteps is not None:
            count = len(self.timesteps)
        elif self.sigmas is not None:
            count = max(1, len(fresh.timesteps) // fresh.order)
        kept = min(int(count * self.strength), count)
        if kept < 1:
            raise InputError(
                f"strength {self.strength:g} of {count} steps leaves none: give at least "
                f"{1 / count:.2g}, or more steps"
            )
        first = (count - kept) * fresh.order
        if first and hasattr(fresh, "set_begin_index"):
            fresh.set_begin_index(first)
        return Steps(fresh, fresh.timesteps[first:])

    def _set(self, scheduler: Any, device: torch.device | str | None) -> Any:
        most = scheduler.config.num_train_timesteps
        if self.timesteps is not None and max(self.timesteps) >= most:
            raise InputError(f"timesteps: {max(self.timesteps)} is over the model's {most - 1}")
        own = {"timesteps": self.timesteps, "sigmas": self.sigmas}
        for name, values in own.items():
            if values is None:
                continue
            kind = type(scheduler)
            if not _takes(kind, name):
                some = ", ".join(n for n in names() if _takes(_by_name(n), name))
                raise InputError(f"{kind.__name__} takes no {name} of yours; these do: {some}")
            fresh = kind.from_config(scheduler.config)
            try:
                fresh.set_timesteps(device=device, **{name: list(values)})
            except (ValueError, IndexError, AssertionError) as error:
                raise InputError(f"{name}: {kind.__name__} refuses them: {error}") from None
            return fresh
        return for_steps(scheduler, self.steps, device)


def _by_name(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)


def _takes(kind: Any, name: str) -> bool:
    return name in inspect.signature(kind.set_timesteps).parameters
