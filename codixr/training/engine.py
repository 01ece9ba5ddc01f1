"""One training loop for every stage: resumable, on any number of processes, with averaged weights.

Notable: nothing random is carried from step to step. A step draws its studies and its noise from
(seed, step) alone, so a run that was killed and goes on equals one that was not, and two processes
see what one would.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codixr.errors import InputError
from codixr.messages import say
from codixr.progress import Progress
from codixr.training import memory, sharding
from codixr.training.average import Average
from codixr.training.checkpoints import CheckpointFolder
from codixr.training.draw import Draw, epoch_rows
from codixr.training.processes import shares
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig

Preview = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """What a finished stage cost, and how good it got."""

    steps: int
    processes: int
    wall_seconds: float
    cpu_seconds: float
    """Of the first process, over all sittings."""
    loss: dict[str, float]
    validation: float | None
    best_validation: float | None
    best_step: int | None


class Engine:
    """The training of one stage, from its newest checkpoint to its last step."""

    def __init__(
        self, stage: Stage, config: StageConfig, folder: Path, accelerator: Accelerator
    ) -> None:
        self.stage, self.config, self.accelerator = stage, config, accelerator
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.share, self.micro = shares(stage.name, config, accelerator.num_processes)
        self.folder = folder
        self.sharded = sharding.is_sharded(accelerator)
        self.alone = sharding.unsharded(stage) if self.sharded else []
        self.step, self.spent, self.cpu = 0, 0.0, 0.0
        self.best: tuple[float, int] | None = None
        self.identity = {
            "stage": stage.name,
            "inputs": stage.inputs,
            "data": stage.folder.studies("train").fingerprint,
        }

    def run(self, preview: Preview | None = None) -> Outcome:
        """Train; leaves the averaged weights in the stage, in eval mode.

        Sharded, the stage is left in shards: ``whole_weights`` gathers what it has learnt.

        Raises InputError for a checkpoint of another config, a loss that is not finite, a full
        disk, or too little memory.
        """
        try:
            return self._run(preview)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not memory.out_of_memory(error):
                raise
            raise memory.too_little(self.stage.name, self.config, self.step, self.micro) from None

    def _run(self, preview: Preview | None) -> Outcome:
        config, accelerator, stage = self.config, self.accelerator, self.stage
        if config.checkpoint_gradients:
            memory.checkpoint_gradients(stage)
        order = torch.channels_last if config.channels_last else torch.preserve_format
        stage.to(memory_format=order)
        saved = self.checkpoints.to_go_on_from(stage.name, config, self.identity)
        if saved is not None:
            say("codixr train", f"{stage.name}: going on from step {saved['step']}")
        names = {name for name, p in stage.named_parameters() if p.requires_grad}
        if saved is not None:
            own = dict(stage.named_parameters())
            with torch.no_grad():
                for name in names:
                    own[name].copy_(saved["parameters"][name])
        optimizer: Any = torch.optim.AdamW(
            [p for p in stage.parameters() if p.requires_grad],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, config.beta2),
            foreach=False if self.alone else None,  # torch can't mix shards and plain tensors
        )
        if self.sharded:
            sharding.wrap_blocks(accelerator, stage)
        module, optimizer = accelerator.prepare(stage, optimizer)
        parameters = {n: p for n, p in stage.named_parameters() if p.requires_grad}
        average = Average(parameters)
        if saved is not None:
            average.load(saved["averaged"])
            state = sharding.shard_optimizer(saved["optimizer"], parameters.values())
            optimizer.load_state_dict(state)
            if accelerator.scaler is not None and saved["scaler"] is not None:
                accelerator.scaler.load_state_dict(saved["scaler"])
            self.step, self.best = saved["step"], saved["best"]
            self.spent, self.cpu = saved["seconds"], saved["cpu_seconds"]
        self.parameters, self.average, self.optimizer = parameters, average, optimizer
        if config.tracker != "none":
            accelerator.init_trackers(
                stage.name, config={k: str(v) for k, v in asdict(config).items()}
            )
        try:
            return self._loop(module, preview)
        finally:
            if config.tracker != "none":
                accelerator.end_training()
            for p in parameters.values():
                p.grad = None

    def _loop(self, module: nn.Module, preview: Preview | None) -> Outcome:
        config, stage, total = self.config, self.stage, self.config.total_steps
        average = self.average
        began, began_cpu = time.monotonic() - self.spent, time.process_time() - self.cpu
        last_save = time.monotonic()
        losses: dict[str, float] = {}
        validation = None
        module.train()
        with Progress(stage.name, total, self.step, "steps") as bar:
            while self.step < total:
                if config.refine_steps and self.step == config.steps:
                    self._restart()
                losses = self._train_step(module)
                _, at, _ = config.phase(self.step)
                average.follow(min(config.ema, (at + 1) / (at + 11)))
                self.step += 1
                self.spent = time.monotonic() - began
                self.cpu = time.process_time() - began_cpu
                bar.advance(1, partial(_shown, losses, bar, config.batch))
                if config.tracker != "none":
                    rate = config.rate(self.step - 1)
                    self.accelerator.log({**losses, "learning_rate": rate}, step=self.step)
                last = self.step == total
                best = False
                if self._validates(last):
                    validation = self._validate(module)
                    if best := self.best is None or validation < self.best[0]:
                        self.best = (validation, self.step)
                    if config.tracker != "none":
                        self.accelerator.log({"validation": validation}, step=self.step)
                if best or last or time.monotonic() - last_save > config.save_every:
                    self._save(best=best)
                    last_save = time.monotonic()
                looks = preview is not None and not self.sharded and not last
                if preview is not None and looks and _every(self.step, config.preview_every):
                    with average.in_place(stage):
                        preview(self.step)
        average.put()
        module.eval()
        return Outcome(
            steps=total,
            processes=self.accelerator.num_processes,
            wall_seconds=self.spent,
            cpu_seconds=self.cpu,
            loss=losses,
            validation=validation,
            best_validation=self.best[0] if self.best else None,
            best_step=self.best[1] if self.best else None,
        )

    def _train_step(self, module: nn.Module) -> dict[str, float]:
        """One step of the global batch; returns the losses' means over it."""
        config, accelerator = self.config, self.accelerator
        stage, device = self.stage, accelerator.device
        places = epoch_rows(len(stage.rows["train"]), config.batch, self.step, config.seed)
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate(self.step)
        shown: dict[str, float] = {}
        for part in range(config.accumulate):
            start = accelerator.process_index * self.share + part * self.micro
            own = slice(start, start + self.micro)
            draw = Draw(config.seed, self.step, config.batch, own.start, own.stop, device)
            # Dropout, where a module has it, is a function of the step and the slice too.
            torch.manual_seed(draw.seed * 31 + start)
            waits = part < config.accumulate - 1
            batch = to_device(stage.fetch(places[own], "train"), device)
            with accelerator.no_sync(module) if waits else nullcontext():
                losses = module(batch, draw, self.step)
                means = self._means(losses)
                self._check(means, places)
                accelerator.backward(losses["loss"] / config.accumulate)
            for name, value in means.items():
                shown[name] = shown.get(name, 0.0) + value / config.accumulate
        sharding.share_gradients(accelerator, self.alone)
        norm = accelerator.clip_grad_norm_(list(self.parameters.values()), config.clip)
        if accelerator.scaler is None and norm is not None:
            self._check({"gradient's norm": float(sharding.whole(norm))}, places)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return shown

    def _means(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Losses as numbers, the mean over the processes."""
        values = torch.stack([value.detach().float() for value in losses.values()])
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values, "mean")
        return dict(zip(losses, values.tolist(), strict=True))

    def _check(self, numbers: dict[str, float], places: Tensor) -> None:
        """InputError when a loss or the gradient is not finite."""
        bad = [name for name, value in numbers.items() if not abs(value) < float("inf")]
        if not bad:
            return
        rows = self.stage.rows["train"][places].tolist()
        some = ", ".join(map(str, rows[:8])) + (f", ... ({len(rows)} in all)" if rows[8:] else "")
        raise InputError(
            f"{self.stage.name}: {bad[0]} is {numbers[bad[0]]} at step {self.step}; the batch's "
            f"studies are at the positions {some} of the training split. Look at those; lower "
            f"learning_rate (now {self.config.learning_rate}) or clip; use precision=no. "
            f"Checkpoints in {self.checkpoints.folder} are from before"
        )

    def _restart(self) -> None:
        """Begin the second phase: from the averaged weights, with an empty optimizer."""
        self.average.put()
        self.optimizer.optimizer.state.clear()

    def _validates(self, last: bool) -> bool:
        if not self.config.validate_every or not len(self.stage.rows["val"]):
            return False
        return last or _every(self.step, self.config.validate_every)

    @torch.no_grad()
    def _validate(self, module: nn.Module) -> float:
        """The averaged weights' loss on the same validation studies and noise every time."""
        stage, world = self.stage, self.accelerator.num_processes
        rows = len(stage.rows["val"])
        batch = min(self.config.batch, rows) // world * world
        count = max(1, min(self.config.validate_batches, rows // max(1, batch)))
        if not batch:
            return float("nan")
        share = batch // world
        first = self.accelerator.process_index * share
        own = slice(first, first + share)
        total = 0.0
        with self.average.in_place(stage):
            module.eval()
            for k in range(count):
                places = torch.arange(k * batch, (k + 1) * batch)[own]
                data = to_device(stage.fetch(places, "val"), self.accelerator.device)
                draw = Draw(
                    0, k, batch, own.start, own.stop, self.accelerator.device, validation=True
                )
                total += self._means(module(data, draw, self.step - 1))["loss"] / count
            module.train()
        return total

    def _save(self, *, best: bool) -> None:
        parameters = {name: p.detach() for name, p in self.parameters.items()}
        averaged, optimizer = self.average.whole(), self.optimizer.state_dict()
        if self.sharded:  # gathered in every process, written by the first
            parameters, optimizer = map(sharding.whole_state, (parameters, optimizer))
        if not self.stage.folder.disk.writes:
            return
        scaler = self.accelerator.scaler
        self.checkpoints.save(
            {
                "identity": self.identity,
                "config": asdict(self.config),
                "step": self.step,
                "seconds": self.spent,
                "cpu_seconds": self.cpu,
                "best": self.best,
                "parameters": parameters,
                "averaged": averaged,
                "optimizer": optimizer,
                "scaler": None if scaler is None else scaler.state_dict(),
            },
            best=best,
        )


def to_device(batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The batch on ``device``."""
    return {name: x.to(device, non_blocking=True) for name, x in batch.items()}


def _shown(losses: dict[str, float], bar: Progress, batch: int) -> str:
    numbers = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
    return f"{numbers}, {bar.rate * batch:.3g} samples/s"


def _every(step: int, interval: int) -> bool:
    return bool(interval) and step % interval == 0
