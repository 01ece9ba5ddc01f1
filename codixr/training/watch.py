"""What the processes of a training look at together, now and then: losses, checkpoints, a stop.

Notable: a loss stays on its device until it is looked at, so that a GPU has its next step before
the last is done. Looks are about a second apart; on CPUs every step is looked at. One exchange a
look carries everything, so that all processes save, and stop, at the same step.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from codixr.errors import InputError
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig

SECONDS = 1.0
"""Between looks, about."""
MOST = 50
"""Steps between looks, at most: the first that is not finite must be found soon."""


@dataclass(frozen=True)
class Step:
    """A step's losses, the means over the processes, and the studies' places."""

    number: int
    """Counted from 0."""
    losses: dict[str, float]
    places: Tensor

    @property
    def bad(self) -> str | None:
        """The first number that is not finite."""
        return next((n for n, x in self.losses.items() if not abs(x) < float("inf")), None)


@dataclass(frozen=True)
class Seen:
    """What a look found."""

    steps: Sequence[Step]
    save: bool
    """Whether a process finds a checkpoint due."""
    stop: bool
    """Whether a process was asked to stop."""


class Watch:
    """The steps since the last look."""

    def __init__(self, accelerator: Accelerator, first: int) -> None:
        self._accelerator = accelerator
        self._waits = accelerator.device.type != "cpu"
        self._pending: list[tuple[int, list[str], Tensor, Tensor]] = []
        self._next, self._looked_at, self._looked = first + 1, first, time.monotonic()

    def note(self, number: int, losses: dict[str, Tensor], places: Tensor) -> None:
        """A step's numbers, still on their device."""
        values = torch.stack([x.detach().float() for x in losses.values()])
        self._pending.append((number, list(losses), values, places))

    def due(self, done: int) -> bool:
        """Whether to look after ``done`` steps: the same answer in every process."""
        return done >= self._next

    def look(self, done: int, *, save: bool, stop: bool) -> Seen:
        """Everything since the last look; all processes must look at the same step."""
        own = time.monotonic() - self._looked
        flags = torch.tensor([float(save), float(stop), own / max(1, done - self._looked_at)])
        parts = [values for _, _, values, _ in self._pending]
        numbers = torch.cat([*parts, flags.to(self._accelerator.device)])
        if self._accelerator.num_processes > 1:
            numbers = self._accelerator.reduce(numbers, "mean")
        found = numbers.tolist()
        steps, at = [], 0
        for number, names, values, places in self._pending:
            losses = dict(zip(names, found[at : at + len(values)], strict=True))
            steps.append(Step(number, losses, places))
            at += len(values)
        saves, stops, seconds = found[at:]
        # The mean of all processes' clocks: each works out the same next look.
        apart = round(SECONDS / max(seconds, 1e-9)) if self._waits else 1
        self._next, self._looked_at = done + min(max(1, apart), MOST), done
        self._looked = time.monotonic()
        self._pending.clear()
        return Seen(steps, saves > 0, stops > 0)


def mean_loss(accelerator: Accelerator, losses: dict[str, Tensor]) -> float:
    """The mean of a validation's loss over the processes; waits for it."""
    value = losses["loss"].detach().float().reshape(1)
    if accelerator.num_processes > 1:
        value = accelerator.reduce(value, "mean")
    return float(value)


def not_finite(stage: Stage, config: StageConfig, step: Step, checkpoints: Path) -> InputError:
    """The error to raise for a step whose loss or gradient is not finite."""
    rows = stage.rows["train"][step.places].tolist()
    some = ", ".join(map(str, rows[:8])) + (f", ... ({len(rows)} in all)" if rows[8:] else "")
    return InputError(
        f"{stage.name}: {step.bad} is {step.losses[str(step.bad)]} at step {step.number}; "
        f"the batch's studies are at the positions {some} of the training split. Look at "
        f"those; lower learning_rate (now {config.learning_rate}) or clip; use "
        f"precision=no. Checkpoints in {checkpoints} are from before"
    )
