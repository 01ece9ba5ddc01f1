"""The CoDi baseline: the released weights, as ``codixr convert`` writes them, run as released.

Notable: with joint outputs a flow attends to its own environment vector, as in CoDi's code
(``attend_to="own"``); the papers say the other's. DDIM, 50 steps, guidance 7.5;
reports are drawn at temperature 1, 30 tokens at the most.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.errors import InputError
from codixr_bench.model import Conditions, Sample
from codixr_bench.models.codixr import made_by
from codixr_bench.models.placing import PlacedModel
from codixr_bench.task import Task

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline

_FILES = "CoDi_encoders.pth CoDi_text_diffuser.pth CoDi_video_diffuser_8frames.pth"
_HOW = (
    f"download {_FILES.replace(' ', ', ')} (29.6 GB, MIT licence) from "
    f"https://huggingface.co/ZinengTang/CoDi, run `codixr convert {_FILES} --to DIR`, and give "
    "--model codi:DIR"
)


class CoDiModel(PlacedModel):
    """CoDi's released model from a converted folder: ``--model codi:FOLDER``.

    Raises InputError without a folder (it says what to download, and how to convert it), and for a
    missing, damaged or half-written one.
    """

    name = "codi"
    version = "i-Code-V3"

    def __init__(self, checkpoint: Path | None = None, *, steps: int = 50) -> None:
        if checkpoint is None:
            raise InputError(f"CoDi's weights are not in this package: {_HOW}")
        if not checkpoint.is_dir():
            raise InputError(f"model codi: {checkpoint} is not a folder; {_HOW}")
        from codixr.model.pipeline import CoDiXRPipeline, Settings

        self.pipeline = CoDiXRPipeline.from_pretrained(checkpoint)
        self.checkpoint_sha256 = self.pipeline.sha256
        self.settings = {
            "scheduler": "DDIMScheduler",
            "steps": steps,
            "guidance": 7.5,
            "attend_to": "own",
        }
        self.sampling = Settings(steps, 7.5, scheduler="DDIMScheduler", attend_to="own")

    def supports(self, task: Task) -> bool:
        """All tasks: any modalities from any others."""
        return True

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Sample ``task.outputs`` for a batch."""
        return made_by(self, conditions, task, seeds)

    def network(self) -> "CoDiXRPipeline":
        """The pipeline."""
        return self.pipeline
