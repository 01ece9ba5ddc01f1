"""Stage 3: cross-modal alignment of two flows (paper, eq. 3-5).

Only environment encoders and cross-modal transformers learn. First F+L given T; then F+T given L,
with everything of F frozen.
"""

import torch
from torch import Tensor, nn

from codixr.training.contrastive import info_nce
from codixr.training.denoising import add_noise


def alignment_loss(
    first: nn.Module,
    second: nn.Module,
    latents: tuple[Tensor, Tensor],
    condition: Tensor,
    abars: Tensor,
    generator: torch.Generator,
    *,
    inverse_temperature: float = 10.0,
    contrast_weight: float = 0.1,
) -> dict[str, Tensor]:
    """L_D of both flows, each attending to the other's V, + InfoNCE(V_first, V_second).

    Both flows stand at the same timestep, as they do in the joint sampler.
    """
    timestep = torch.randint(len(abars), (len(condition),), generator=generator)
    noises = [torch.randn(z.shape, generator=generator) for z in latents]
    noisy = [add_noise(z, e, abars[timestep]) for z, e in zip(latents, noises, strict=True)]
    v_first = first.encode_environment(noisy[0], timestep)
    v_second = second.encode_environment(noisy[1], timestep)
    error_first = first(noisy[0], timestep, condition, v_second) - noises[0]
    error_second = second(noisy[1], timestep, condition, v_first) - noises[1]
    denoise = error_first.square().mean(), error_second.square().mean()
    contrast = info_nce(v_first, v_second, inverse_temperature)
    return {
        "loss": denoise[0] + denoise[1] + contrast_weight * contrast,
        "first": denoise[0].detach(),
        "second": denoise[1].detach(),
        "contrast": contrast.detach(),
    }
