"""What one process is given of a stage's steps: studies, read ahead, and their randomness."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from codixr.data.study import Split
from codixr.training.draw import Randomness, any_draw, epoch_rows, epochs_of
from codixr.training.processes import shares
from codixr.training.reading import Batch, read_ahead, to_device, workers_for
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig


@dataclass(frozen=True)
class Part:
    """What a process sees at once of a step's batch: its rows ``slice``."""

    step: int
    slice: slice
    places: Tensor
    """Of the whole batch, among the usable studies."""
    epochs: Tensor
    """Of the whole batch."""


class Feed:
    """The parts of a stage's steps that belong to this process."""

    def __init__(self, stage: Stage, config: StageConfig, accelerator: Accelerator) -> None:
        self.stage, self.config, self.accelerator = stage, config, accelerator
        self.share, self.micro = shares(stage.name, config, accelerator.num_processes)

    def training(self, first: int) -> Generator[tuple[Part, Batch]]:
        """Every part of the steps from ``first`` on, with its batch on the CPU, read ahead."""
        device = self.accelerator.device
        return read_ahead(
            self._parts(first),
            lambda part: self.stage.fetch(part.places[part.slice], "train"),
            workers_for(device, self.config.workers),
            pin=device.type == "cuda",
        )

    def _parts(self, first: int) -> Iterator[Part]:
        config, count = self.config, len(self.stage.rows["train"])
        for step in range(first, config.total_steps):
            places = epoch_rows(count, config.batch, step, config.seed)
            epochs = epochs_of(count, config.batch, step)
            for part in range(config.accumulate):
                start = self.accelerator.process_index * self.share + part * self.micro
                yield Part(step, slice(start, start + self.micro), places, epochs)

    def draw(self, part: Part) -> Randomness:
        """The randomness of a training part."""
        rows = self.stage.rows["train"][part.places[part.slice]]
        epochs, device = part.epochs[part.slice], self.accelerator.device
        return any_draw(self.config, part.step, part.slice, rows, epochs, device)

    def sample(self) -> tuple[Batch, Randomness]:
        """One study or two on the device: enough to see what a step touches."""
        count = min(2, self.micro)
        places = epoch_rows(len(self.stage.rows["train"]), count, 0, 0)
        return self._looked_at(places, "train", 0, slice(0, count), count)

    def validation(self) -> list[slice]:
        """The places of each validation batch; none where the processes outnumber the studies."""
        rows, world = len(self.stage.rows["val"]), self.accelerator.num_processes
        batch = min(self.config.batch, rows) // world * world
        if not batch:
            return []
        count = max(1, min(self.config.validate_batches, rows // batch))
        return [slice(k * batch, (k + 1) * batch) for k in range(count)]

    def held_out(self, number: int, places: slice) -> tuple[Batch, Randomness]:
        """This process' share of a validation batch, on the device, and the same noise always."""
        batch = places.stop - places.start
        share = batch // self.accelerator.num_processes
        first = self.accelerator.process_index * share
        own = slice(first, first + share)
        each = torch.arange(places.start, places.stop)[own]
        return self._looked_at(each, "val", number, own, batch)

    def _looked_at(
        self, places: Tensor, split: Split, number: int, own: slice, batch: int
    ) -> tuple[Batch, Randomness]:
        device, rows = self.accelerator.device, self.stage.rows[split][places]
        draw = any_draw(
            self.config, number, own, rows, rows * 0, device, batch=batch, validation=True
        )
        return to_device(self.stage.fetch(places, split), device), draw
