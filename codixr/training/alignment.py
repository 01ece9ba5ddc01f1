"""Stage 3: cross-modal alignment of two flows (paper, eq. 3-5).

Only environment encoders and cross-modal transformers learn. First F+L given T; then F+T given L,
with everything of F frozen.
"""

from torch import Tensor, nn

from codixr.training.contrastive import info_nce
from codixr.training.denoising import add_noise, target
from codixr.training.draw import Draw


def alignment_loss(
    first: nn.Module,
    second: nn.Module,
    latents: tuple[Tensor, Tensor],
    condition: Tensor,
    abars: Tensor,
    draw: Draw,
    *,
    temperature: float,
    contrast_weight: float,
    prediction_type: str = "epsilon",
) -> dict[str, Tensor]:
    """L_D of both flows, each attending to the other's V, + ``contrast_weight`` CL(V_1, V_2).

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
