"""The stages by name, each in a file of its own."""

from collections.abc import Callable
from functools import partial

from codixr.modality import Modality
from codixr.training.alignment import AlignmentStage
from codixr.training.folder import TrainingFolder
from codixr.training.image_vae import ImageVAEStage
from codixr.training.latent_diffusion import DenoiserStage
from codixr.training.prompt_encoders import PromptStage
from codixr.training.prompt_wording import WordingStage
from codixr.training.report_vae import ReportVAEStage
from codixr.training.settings import resolved
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig

F, L, T = Modality.F, Modality.L, Modality.T


def build(folder: TrainingFolder, name: str, config: StageConfig) -> Stage:
    """The stage ``name``, ready to be trained."""
    builders: dict[str, Callable[..., Stage]] = {
        "image-vae": ImageVAEStage,
        "prompt-encoders": PromptStage,
        "prompt-wording": WordingStage,
        "prompt-details": partial(PromptStage, again=True),
        "report-vae": ReportVAEStage,
        "image-ldm-F": partial(DenoiserStage, made=F),
        "image-ldm-L": partial(DenoiserStage, made=L),
        "report-ldm": partial(DenoiserStage, made=T),
        "alignment-F+L": partial(AlignmentStage, second=L),
        "alignment-F+T": partial(AlignmentStage, second=T),
        "prompt-lexicon": partial(WordingStage, again=True),
    }
    stage = builders[name](folder, name, config)
    stage.config = resolved(config, len(stage.rows["train"]))
    return stage
