"""CoDi_XR itself: the pipeline of package ``codixr`` behind the benchmark's protocol."""

from collections.abc import Sequence
from pathlib import Path

from codixr_bench.model import Conditions, Sample
from codixr_bench.task import Task


class CoDiXRModel:
    """The embedded checkpoint, or the one in ``checkpoint``: ``--model codixr:FOLDER``.

    Raises InputError for a missing, damaged or half-written checkpoint.
    """

    name = "codixr"

    def __init__(
        self,
        checkpoint: Path | None = None,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> None:
        from codixr import __version__
        from codixr.model.pipeline import CoDiXRPipeline, Settings

        self.version = __version__
        self.pipeline = CoDiXRPipeline.from_pretrained(checkpoint)
        self.checkpoint_sha256 = self.pipeline.sha256
        diffusion = self.pipeline.preset.diffusion
        self.settings: dict[str, str | int | float] = {
            "preset": self.pipeline.preset.name,
            "scheduler": scheduler or diffusion.scheduler,
            "steps": diffusion.steps if steps is None else steps,
            "guidance": diffusion.guidance if guidance is None else guidance,
        }
        self._settings = Settings(steps, guidance, scheduler=scheduler)

    def supports(self, task: Task) -> bool:
        """All tasks: any modalities from any others."""
        return True

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """Sample ``task.outputs`` for a batch."""
        return list(self.pipeline.generate(conditions, task.outputs, seeds, self._settings))
