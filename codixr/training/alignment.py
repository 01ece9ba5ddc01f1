"""Stage 3: cross-modal alignment of two flows (paper, eq. 3-5).

Only environment encoders and cross-modal transformers learn. First F+L given T; then F+T given L,
with everything of F frozen.
"""

from typing import Any

from torch import Tensor, nn

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training.cache import hash_weights
from codixr.training.contrastive import info_nce
from codixr.training.denoising import add_noise, target
from codixr.training.draw import Randomness
from codixr.training.folder import TrainingFolder
from codixr.training.latent_diffusion import LatentStage, conditions
from codixr.training.parts import stage_command
from codixr.training.stage import Batch
from codixr.training.stage_config import AlignmentTraining

F, L, T = Modality.F, Modality.L, Modality.T


def alignment_loss(
    first: Any,
    second: Any,
    latents: tuple[Tensor, Tensor],
    condition: Tensor,
    abars: Tensor,
    draw: Randomness,
    *,
    temperature: float,
    contrast_weight: float,
    prediction_type: str = "epsilon",
) -> dict[str, Tensor]:
    """L_D of two flows, each attending to the other's V, + ``contrast_weight`` CL(V_1, V_2).

    Both flows stand at the same timestep, as they do in the joint sampler.
    """
    timestep = draw.integers(len(abars))
    noises = [draw.normal(z.shape[1:]) for z in latents]
    noisy = [add_noise(z, e, abars[timestep]) for z, e in zip(latents, noises, strict=True)]
    v_first = first.encode_environment(noisy[0], timestep)
    v_second = second.encode_environment(noisy[1], timestep)
    wanted = [
        target(z, e, abars[timestep], prediction_type) for z, e in zip(latents, noises, strict=True)
    ]
    error_first = first(noisy[0], timestep, condition, v_second).float() - wanted[0]
    error_second = second(noisy[1], timestep, condition, v_first).float() - wanted[1]
    denoise = error_first.square().mean(), error_second.square().mean()
    contrast = info_nce(v_first, v_second, 1 / temperature)
    return {
        "loss": denoise[0] + denoise[1] + contrast_weight * contrast,
        "first": denoise[0].detach(),
        "second": denoise[1].detach(),
        "contrast": contrast.detach(),
    }


class AlignmentStage(LatentStage):
    """F+L given T, or F+T given L with everything of F frozen."""

    def __init__(
        self, folder: TrainingFolder, name: str, config: AlignmentTraining, second: Modality
    ) -> None:
        given = T if second is L else L
        if second is T and folder.done("alignment-F+L") is None and not folder.comes("denoiser_f"):
            # F's environment parts stay as they are in this stage: they must have learnt.
            command = stage_command("alignment-F+L", folder)
            raise InputError(f"{name} needs alignment-F+L, which is not finished: first {command}")
        super().__init__(
            folder,
            name,
            (F, second),
            conditions(folder, (given,), config.drop),
            {F: 1.0, L: 1.0, T: config.report_spread},
            cache=config.cache,
        )
        self.names = [f"denoiser_{m.lower()}" for m in (F, second)]
        flows = [folder.component(part, name).module for part in self.names]
        self.flows = nn.ModuleList(flows)
        learning = flows if second is L else flows[1:]
        for part, flow in zip(self.names, flows, strict=True):
            self.inputs[part] = hash_weights(flow, "unet." if flow in learning else "")
        for flow in learning:
            flow.environment.requires_grad_(True)

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """L_D of both flows, and the contrast of their V."""
        batch = self.encoded(batch)
        condition = self.condition(batch, draw)
        latents = [self.clean(batch, m, draw) for m in self.made]
        first, second = self.flows
        return alignment_loss(
            first,
            second,
            (latents[0], latents[1]),
            condition,
            self.abars,
            draw,
            temperature=self.config.temperature,
            contrast_weight=self.config.contrast_weight,
            prediction_type=self.folder.preset.diffusion.prediction_type,
        )

    def finish(self) -> None:
        """Write the flows."""
        for part, flow in zip(self.names, self.flows, strict=True):
            if any(p.requires_grad for p in flow.parameters()):
                self.folder.save(part, flow)
