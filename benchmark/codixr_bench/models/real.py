"""Reference point ``real``: each study's own outputs, the upper end of every scale.

It gets the evaluated studies through ``SeesTruth.reproduce``, the one door that ordinary models do
not have.
"""

from collections.abc import Sequence

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.task import Task


class RealModel:
    """Copies the truth."""

    name = "real"
    version = "1"
    uses_conditions = False
    takes_checkpoint = False
    summary = "each study's own outputs: the upper reference"

    def supports(self, task: Task) -> bool:
        """Every task."""
        return True

    def reproduce(self, studies: Sequence[Study], task: Task) -> list[Sample]:
        """The studies' own outputs; InputError for a study that lacks one."""
        samples: list[Sample] = []
        for number, study in enumerate(studies):
            sample: dict[Modality, Content] = {}
            for modality in task.outputs:
                content = study.get(modality)
                if content is None:
                    raise InputError(f"study {number} of a batch has no {modality} to copy")
                sample[modality] = content
            samples.append(sample)
        return samples

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Not possible from conditions: InputError."""
        raise InputError("model 'real' copies the evaluated studies: run it with codixr-bench")
