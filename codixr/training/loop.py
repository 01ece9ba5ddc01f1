"""One training loop for every stage: resumable, seeded by the step, with averaged weights.

Notable: nothing random is carried from step to step. A step draws its batch and its noise from
(seed, step) alone, so a run that was killed and goes on equals one that was not.
"""

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from codixr.errors import InputError

LossFunction = Callable[[Tensor, torch.Generator, float], dict[str, Tensor]]
"""(row numbers [B], the step's generator, progress 0..1) -> losses by name; "loss" is trained."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a stage learns."""

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 1e-4
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; then it falls as a cosine."""
    ema: float = 0.0
    """Decay of the averaged weights; 0 keeps the last weights."""
    clip: float = 1.0
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate at ``step``."""
        rise = max(1, round(self.steps * self.warmup))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        fall = (step - rise) / max(1, self.steps - rise)
        return self.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * fall)) / 2)


def train(
    module: nn.Module,
    loss_function: LossFunction,
    rows: int,
    schedule: Schedule,
    checkpoint: Path,
    *,
    save_every_seconds: float = 120.0,
) -> float:
    """Train ``module``'s parameters that require a gradient; returns the CPU seconds spent.

    ``checkpoint`` is written every two minutes, atomically, and resumed from when it is there.
    Raises InputError when the loss is not finite, naming the step and what to try.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay, betas=(0.9, 0.99)
    )
    averaged = [p.detach().clone() for p in parameters]
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        with torch.no_grad():
            for p, saved in zip(parameters, state["parameters"], strict=True):
                p.copy_(saved)
        averaged = state["averaged"]
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    start, last_save, last_print = time.process_time() - spent, time.monotonic(), 0.0
    module.train()
    while step < schedule.steps:
        generator = torch.Generator().manual_seed(schedule.seed * 1_000_003 + step)
        batch = torch.randint(rows, (schedule.batch,), generator=generator)
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        losses = loss_function(batch, generator, step / schedule.steps)
        if not torch.isfinite(losses["loss"]):
            raise InputError(
                f"the loss is {losses['loss'].item()} at step {step}: lower the learning rate "
                f"(now {schedule.learning_rate}) or start again from {checkpoint}"
            )
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(parameters, schedule.clip)
        optimizer.step()
        step += 1
        decay = min(schedule.ema, step / (step + 10))
        with torch.no_grad():
            for average, p in zip(averaged, parameters, strict=True):
                average.lerp_(p, 1 - decay)
        if time.monotonic() - last_print > 20 or step == schedule.steps:
            last_print, used = time.monotonic(), time.process_time() - start
            shown = " ".join(f"{k} {v.item():.4f}" for k, v in losses.items())
            left = used / step * (schedule.steps - step)
            print(
                f"step {step}/{schedule.steps} {shown} {used:.0f} CPU-s, {left:.0f} left",
                file=sys.stderr,
                flush=True,
            )
        if time.monotonic() - last_save > save_every_seconds or step == schedule.steps:
            last_save = time.monotonic()
            _save(
                {
                    "parameters": [p.detach() for p in parameters],
                    "averaged": averaged,
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "spent": time.process_time() - start,
                },
                checkpoint,
            )
    with torch.no_grad():
        for p, average in zip(parameters, averaged, strict=True):
            p.copy_(average)
    module.eval()
    return time.process_time() - start


def _save(state: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
