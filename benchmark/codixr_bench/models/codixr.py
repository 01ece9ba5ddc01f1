"""CoDi_XR itself: the pipeline of package ``codixr`` behind the benchmark's protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Sample
from codixr_bench.models.placing import PlacedModel, Steps
from codixr_bench.task import Task

if TYPE_CHECKING:
    from codixr.model.pipeline import CoDiXRPipeline, Settings
    from codixr.model.sampling import StepCallback
    from codixr_bench.models.codi import CoDiModel


def embedded_sha256() -> str:
    """The digest of the embedded checkpoint, whose files are read and not loaded: no torch.

    InputError for one that is missing, truncated or corrupt.
    """
    from codixr.model.checkpoint_info import describe, embedded_checkpoint

    return describe(embedded_checkpoint()).sha256


class CoDiXRModel(PlacedModel):
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
        self._given = checkpoint is not None
        self.pipeline = CoDiXRPipeline.from_pretrained(checkpoint)
        self.checkpoint_sha256 = self.pipeline.sha256
        diffusion = self.pipeline.preset.diffusion
        self.settings = {
            "preset": self.pipeline.preset.name,
            "scheduler": scheduler or type(self.pipeline.scheduler).__name__,
            "steps": diffusion.steps if steps is None else steps,
            "guidance": diffusion.guidance if guidance is None else guidance,
            "lateral_guidance": diffusion.guidance_of(Modality.L, scale=guidance)[0],
            "report_guidance": diffusion.guidance_of(Modality.T, scale=guidance)[0],
            "guidance_interval": "{:g}-{:g}".format(*diffusion.guidance_interval),
            "joint": diffusion.joint,
        }
        self.sampling = Settings(steps, guidance, scheduler=scheduler)

    def check_track(self, name: str, image_size: int | None, *, simulated: bool) -> None:
        """InputError where the track's pictures have another size than the checkpoint's."""
        side = self.pipeline.size
        if image_size is None or image_size == side:
            return
        what = "this checkpoint" if self._given else "the embedded checkpoint"
        of = "" if self._given else ", simulated ones (the track phantom)"
        raise InputError(
            f"model 'codixr': {what} makes {side}×{side} pictures{of}; track '{name}' evaluates "
            f"{image_size}×{image_size}: give a checkpoint of that size, --model codixr:FOLDER, or "
            "train one on your data: codixr train all --preset small --data DIR (docs/training.md)"
        )

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


def made_by(
    model: "CoDiXRModel | CoDiModel",
    conditions: Sequence[Conditions],
    task: Task,
    seeds: Sequence[int],
) -> list[Sample]:
    """Samples of a pipeline of ours, which says how far it is."""
    model.placed()
    pipeline, settings = model.pipeline, model.sampling
    told = None if model._tell is None else _steps(model._tell, pipeline, settings, task)
    return list(pipeline.generate(conditions, task.outputs, seeds, settings, told))


def _steps(
    tell: Steps, pipeline: "CoDiXRPipeline", settings: "Settings", task: Task
) -> "StepCallback":
    from codixr.model.generation import rounds_of

    steps = pipeline.preset.diffusion.steps if settings.steps is None else settings.steps
    steps *= len(rounds_of(pipeline.preset, list(task.outputs), settings))

    def after(index: int, timestep: Any, latents: Any) -> None:
        tell(min(index + 1, steps), steps)

    return after
