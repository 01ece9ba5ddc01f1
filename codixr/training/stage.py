"""What a training loop needs of a stage: its module, its batches, its loss, and what it leaves.

A stage is one module, whose forward is the loss: that is what Accelerate wraps for several
processes, precision and sharding.
"""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from codixr.data.study import Split
from codixr.modality import Modality
from codixr.training.draw import Randomness
from codixr.training.folder import TrainingFolder

Batch = dict[str, Tensor]


class Stage(nn.Module, ABC):
    """What the engine trains: parameters that require a gradient, batches by row, a loss."""

    name: str
    config: Any
    inputs: dict[str, str]
    """Frozen component -> hash of its weights: what the stage's result belongs to."""
    replaces: dict[str, str]
    """Component -> hash of the weights that the stage's own take the place of: what was trained
    with those stays valid."""

    def __init__(
        self,
        folder: TrainingFolder,
        name: str,
        needed: frozenset[Modality],
        pictures: frozenset[Modality] = frozenset(),
    ) -> None:
        """``needed`` are the modalities that a usable study has, ``pictures`` the views read."""
        super().__init__()
        self.folder, self.name = folder, name
        self.inputs, self.replaces = {}, {}
        splits: tuple[Split, ...] = ("train", "val")
        self.rows = {split: folder.rows(name, split, needed) for split in splits}
        for split in splits:
            for view in sorted(pictures):
                if len(self.rows[split]):
                    folder.studies(split).decode_together(view)

    def fetch(self, places: Tensor, split: Split) -> Batch:
        """The batch of studies at ``places`` among the usable ones of a split, on the CPU."""
        return self.read(self.rows[split][places], split)

    @abstractmethod
    def read(self, rows: Tensor, split: Split) -> Batch:
        """The batch of a split's rows."""

    @abstractmethod
    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """Losses by name; "loss" is trained."""

    @abstractmethod
    def finish(self) -> None:
        """Write what was learnt to the folder (called in the first process only)."""
