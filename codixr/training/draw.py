"""The randomness of a training step, a function of (seed, step) alone.

Notable: a step's rows and noise are drawn for the global batch, and a process takes its slice; or
noise is drawn for each study and epoch (``study_draw.py``). Either way a run does not depend on how
many processes share it, nor on where it was interrupted.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from codixr.training.stage_config import StageConfig
from codixr.training.study_draw import StudyDraw

_STEPS = 1_000_003
_ORDER = 0x5DEECE66D
_VALIDATION = 0x2545F491


class Randomness(Protocol):
    """Random numbers for the rows of a batch, one row each."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers [rows, *shape]."""

    def uniform(self, shape: Sequence[int] = ()) -> Tensor:
        """Numbers in [0, 1), [rows, *shape]."""

    def integers(self, high: int, shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers in [0, high), [rows, *shape]."""


def epoch_rows(count: int, batch: int, step: int, seed: int) -> Tensor:
    """Row numbers [batch] of a step: every row once an epoch, in an order of its own."""
    places = torch.arange(step * batch, (step + 1) * batch)
    epochs = epochs_of(count, batch, step)
    rows = torch.empty_like(places)
    for epoch in epochs.unique().tolist():
        own = epochs == epoch
        rows[own] = _order(count, seed, epoch)[places[own] % count]
    return rows


def epochs_of(count: int, batch: int, step: int) -> Tensor:
    """The epoch [batch] that each row of a step is in."""
    return torch.arange(step * batch, (step + 1) * batch) // count


def step_seed(seed: int, step: int) -> int:
    """The seed of what is drawn for a whole step."""
    return seed * _STEPS + step


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> Tensor:
    generator = torch.Generator().manual_seed((seed * _STEPS + epoch) ^ _ORDER)
    return torch.randperm(count, generator=generator)


class Draw:
    """Random numbers for rows ``start .. stop`` of a global batch of ``total`` rows."""

    def __init__(
        self,
        seed: int,
        step: int,
        total: int,
        start: int = 0,
        stop: int | None = None,
        device: torch.device | str = "cpu",
        *,
        validation: bool = False,
    ) -> None:
        self.seed = step_seed(seed, step) ^ (_VALIDATION if validation else 0)
        self._generator = torch.Generator().manual_seed(self.seed)
        self._total, self._slice, self._device = total, slice(start, stop), device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers [rows, *shape]."""
        return self._own(torch.randn((self._total, *shape), generator=self._generator))

    def uniform(self, shape: Sequence[int] = ()) -> Tensor:
        """Numbers in [0, 1), [rows, *shape]."""
        return self._own(torch.rand((self._total, *shape), generator=self._generator))

    def integers(self, high: int, shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers in [0, high), [rows, *shape]."""
        return self._own(torch.randint(high, (self._total, *shape), generator=self._generator))

    def _own(self, numbers: Tensor) -> Tensor:
        return numbers[self._slice].to(self._device)


def any_draw(
    config: StageConfig,
    step: int,
    own: slice,
    rows: Tensor,
    epochs: Tensor,
    device: torch.device | str = "cpu",
    *,
    batch: int | None = None,
    validation: bool = False,
) -> Randomness:
    """The randomness of the rows of a step's batch at ``own``, as ``config.draws`` says.

    ``rows`` are the studies' in their split, ``epochs`` theirs; validation begins from seed 0.
    """
    seed = 0 if validation else config.seed
    if config.draws == "study":
        return StudyDraw(seed, rows, epochs, device, validation=validation)
    whole = config.batch if batch is None else batch
    return Draw(seed, step, whole, own.start, own.stop, device, validation=validation)
