"""One training loop for every stage: resumable, on any number of processes, with averaged weights.

Notable: nothing random is carried from step to step. A step draws its studies and its noise from
(seed, step) alone, so a run that was killed and goes on equals one that was not, and two processes
see what one would. Nothing in a step waits for a GPU: batches are read ahead (``reading.py``), and
losses are looked at about once a second (``watch.py``).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from codixr.messages import say
from codixr.progress import Progress
from codixr.training import memory, sharding
from codixr.training.average import Average
from codixr.training.checkpoint_shards import are_rows
from codixr.training.checkpoints import CHECKPOINT_BYTES, CheckpointFolder, save_interval
from codixr.training.cpu_attention import attention_kernel
from codixr.training.draw import step_seed
from codixr.training.feed import Feed, Part
from codixr.training.processes import quiet, without_gradient
from codixr.training.reading import Batch, to_device
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig
from codixr.training.stopping import Stop, Stopped
from codixr.training.watch import Step, Watch, mean_loss, not_finite

Preview = Callable[[int], None]
NORM = "gradient's norm"


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
        self,
        stage: Stage,
        config: StageConfig,
        folder: Path,
        accelerator: Accelerator,
        stop: Stop | None = None,
    ) -> None:
        self.stage, self.config, self.accelerator = stage, config, accelerator
        self.stop = stop or Stop()
        self.checkpoints = CheckpointFolder(folder / "checkpoints")
        self.feed = Feed(stage, config, accelerator)
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
        disk, or too little memory; Stopped, with a checkpoint written, when it was asked to stop.
        """
        try:
            with self.stop.at_a_step():
                return self._run(preview)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not memory.out_of_memory(error):
                raise
            raise memory.too_little(
                self.stage.name, self.config, self.step, self.feed.micro
            ) from None

    def _run(self, preview: Preview | None) -> Outcome:
        config, accelerator, stage = self.config, self.accelerator, self.stage
        if config.checkpoint_gradients:
            memory.checkpoint_gradients(stage)
        order = torch.channels_last if config.channels_last else torch.preserve_format
        stage.to(memory_format=order)
        if config.compile:
            memory.compile_blocks(stage)
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
        with without_gradient(stage, accelerator, self.feed.sample), quiet():
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
        size = CHECKPOINT_BYTES * sum(p.numel() for p in parameters.values())
        self.interval, self.large = save_interval(config.save_every, size)
        if config.tracker != "none":
            accelerator.init_trackers(
                stage.name, config={k: str(v) for k, v in asdict(config).items()}
            )
        try:
            return self._loop(module, preview)
        finally:
            if config.tracker != "none":
                for tracker in accelerator.trackers:
                    tracker.finish()  # ``end_training`` would part the processes, too
            for p in parameters.values():
                p.grad = None

    def _loop(self, module: nn.Module, preview: Preview | None) -> Outcome:
        config, stage, total = self.config, self.stage, self.config.total_steps
        began, began_cpu = time.monotonic() - self.spent, time.process_time() - self.cpu
        self.watch, last_save = Watch(self.accelerator, self.step), time.monotonic()
        self.losses: dict[str, float] = {}
        validation = None
        module.train()
        with (
            Progress(stage.name, total, self.step, "steps") as bar,
            closing(self.feed.training(self.step)) as batches,
            attention_kernel(stage.folder.preset, self.accelerator.device),
        ):
            while self.step < total:
                if config.refine_steps and self.step == config.steps:
                    self._restart()
                self._train_step(module, batches)
                _, at, _ = config.phase(self.step)
                self.average.follow(min(config.ema, (at + 1) / (at + 11)))
                self.step += 1
                self.spent = time.monotonic() - began
                self.cpu = time.process_time() - began_cpu
                last = self.step == total
                if last or self._validates(last) or self.watch.due(self.step):
                    overdue = time.monotonic() - last_save > self.interval
                    seen = self.watch.look(self.step, save=overdue, stop=bool(self.stop.asked))
                    for step in seen.steps:
                        self._seen(step)
                    best, saves = False, last or seen.save or seen.stop
                    if self._validates(last, saves=saves):
                        validation = self._validate(module)
                        best = self._is_best(validation, saves=saves)
                    if best or saves:
                        self._save(best=best)
                        last_save = time.monotonic()
                    if seen.stop and not last:
                        name = self.stop.asked or "a signal to another process"
                        raise Stopped(name, f"{stage.name} after step {self.step} of {total}")
                bar.advance(1, partial(_shown, self.losses, bar, config.batch))
                shows = preview is not None and not self.sharded and not last
                if preview is not None and shows and _every(self.step, config.preview_every):
                    with self.average.in_place(stage):
                        preview(self.step)
        self.average.put()
        module.eval()
        return Outcome(
            steps=total,
            processes=self.accelerator.num_processes,
            wall_seconds=self.spent,
            cpu_seconds=self.cpu,
            loss=self.losses,
            validation=validation,
            best_validation=self.best[0] if self.best else None,
            best_step=self.best[1] if self.best else None,
        )

    def _train_step(self, module: nn.Module, batches: Iterator[tuple[Part, Batch]]) -> None:
        """One step of the global batch, noted in ``watch``."""
        config, accelerator, device = self.config, self.accelerator, self.accelerator.device
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate(self.step)
        shown: dict[str, Tensor] = {}
        for count in range(1, config.accumulate + 1):
            part, batch = next(batches)
            # Dropout, where a module has it, is a function of the step and the slice too.
            torch.manual_seed(step_seed(config.seed, self.step) * 31 + part.slice.start)
            draw = self.feed.draw(part)
            batch = to_device(batch, device)
            waits = count < config.accumulate
            with accelerator.no_sync(module) if waits else nullcontext():
                losses = module(batch, draw, self.step)
                for name, value in losses.items():
                    mean = value.detach().float() / config.accumulate
                    shown[name] = shown[name] + mean if name in shown else mean
                accelerator.backward(losses["loss"] / config.accumulate)
        sharding.share_gradients(accelerator, self.alone)
        norm = accelerator.clip_grad_norm_(list(self.parameters.values()), config.clip)
        if accelerator.scaler is None and norm is not None:
            shown[NORM] = sharding.whole(norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.watch.note(self.step, shown, part.places)

    def _seen(self, step: Step) -> None:
        """A step whose losses are known: they are finite, shown and tracked."""
        if step.bad is not None:
            raise not_finite(self.stage, self.config, step, self.checkpoints.folder)
        self.losses = {name: x for name, x in step.losses.items() if name != NORM}
        if self.config.tracker != "none":
            rate = self.config.rate(step.number)
            self.accelerator.log({**self.losses, "learning_rate": rate}, step=step.number + 1)

    def _restart(self) -> None:
        """Begin the second phase: from the averaged weights, with an empty optimizer."""
        self.average.put()
        self.optimizer.optimizer.state.clear()

    def _validates(self, last: bool, *, saves: bool = False) -> bool:
        """Whether to validate after this step; a large checkpoint that is written is looked at."""
        if not self.config.validate_every or not len(self.stage.rows["val"]):
            return False
        return last or _every(self.step, self.config.validate_every) or (saves and self.large)

    def _is_best(self, validation: float, *, saves: bool) -> bool:
        """Whether it is the best, and worth a checkpoint: a large one waits for its time."""
        if self.config.tracker != "none":
            self.accelerator.log({"validation": validation}, step=self.step)
        better = self.best is None or validation < self.best[0]
        if wanted := better and (saves or not self.large):
            self.best = (validation, self.step)
        return wanted

    @torch.no_grad()
    def _validate(self, module: nn.Module) -> float:
        """The averaged weights' loss on the same validation studies and noise every time."""
        total, parts = 0.0, self.feed.validation()
        if not parts:
            return float("nan")
        with self.average.in_place(self.stage):
            module.eval()
            for number, places in enumerate(parts):
                batch, draw = self.feed.held_out(number, places)
                total += mean_loss(self.accelerator, module(batch, draw, self.step - 1)) / len(
                    parts
                )
            module.train()
        return total

    def _save(self, *, best: bool) -> None:
        disk, scaler = self.stage.folder.disk, self.accelerator.scaler
        state = {
            "identity": self.identity,
            "config": asdict(self.config),
            "step": self.step,
            "seconds": self.spent,
            "cpu_seconds": self.cpu,
            "best": self.best,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        tensors: Any = {
            "parameters": {name: p.detach() for name, p in self.parameters.items()},
            "averaged": self.average.values,
            "optimizer": self.optimizer.state_dict(),
        }
        one_disk = disk.count == self.accelerator.num_processes
        if self.sharded and one_disk and are_rows(self.parameters.values()):
            self.checkpoints.save_rows(state | tensors, disk.index, disk.count, best=best)
            return
        if self.sharded:  # gathered by all processes, kept and written by the first of a disk
            tensors = sharding.whole_state(tensors, keep=disk.writes)
        if disk.writes:
            self.checkpoints.save(state | tensors, best=best)


def _shown(losses: dict[str, float], bar: Progress, batch: int) -> str:
    numbers = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
    return f"{numbers}, {bar.rate * batch:.3g} samples/s"


def _every(step: int, interval: int) -> bool:
    return bool(interval) and step % interval == 0
