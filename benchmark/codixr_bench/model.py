"""What the benchmark asks of a model: one method on a batch, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from codixr.data.study import Image
from codixr.modality import Modality
from codixr_bench.task import Task

Content = Image | str
"""An X-ray, float32 [1, H, W] in [0, 1], or a report."""
Conditions = Mapping[Modality, Content]
"""The inputs of one study: exactly the task's."""
Sample = Mapping[Modality, Content]
"""The outputs for one study: exactly the task's."""


class GenerativeModel(Protocol):
    """A model of any kind, plugged in.

    ``generate`` gets one Conditions and one 63-bit seed a study, and returns one Sample a study, in
    the same order. The same conditions and seed must give the same sample, whatever else is in the
    batch: draw a study's noise from its seed alone.
    """

    name: str
    version: str

    def supports(self, task: Task) -> bool:
        """Whether the model can run ``task``."""
        ...

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Make ``task.outputs`` for each study of a batch."""
        ...
