"""Stage 2a and 2b: the denoising loss of a latent diffusion model, for X-rays and reports alike.

Notable: the paper prints alpha_t := 1 - beta_t, sigma_t := 1 - prod(alpha_s); the closed form is
z_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps with abar_t = prod_s (1 - beta_s).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codixr.model.presets import DiffusionConfig


def alphas_cumulative(config: DiffusionConfig) -> Tensor:
    """abar_t for t = 0 .. train_steps - 1, float32; betas are "scaled linear"."""
    start, end = config.beta_start**0.5, config.beta_end**0.5
    betas = torch.linspace(start, end, config.train_steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def add_noise(latents: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """z_t of clean latents [B, ...] at abar [B]."""
    shape = (-1, *[1] * (latents.ndim - 1))
    return abar.sqrt().view(shape) * latents + (1 - abar).sqrt().view(shape) * noise


def mix_conditions(
    prompts: Sequence[Tensor],
    nulls: Sequence[Tensor],
    subsets: Sequence[tuple[int, ...]],
    drop: float,
    generator: torch.Generator,
) -> Tensor:
    """One condition vector a study [B, D], from a random subset of its prompts' vectors.

    ``prompts[k]`` [B, D] and ``nulls[k]`` [D] are a prompt's vectors and its unconditional one;
    ``subsets`` the allowed mixes (``condition_mix``). With probability ``drop`` the same mix of
    unconditional vectors stands instead, for guidance without a classifier.
    """
    batch = len(prompts[0])
    choice = torch.randint(len(subsets), (batch,), generator=generator)
    weights = torch.zeros(len(subsets), len(prompts))
    for row, subset in enumerate(subsets):
        weights[row, list(subset)] = 1 / len(subset)
    chosen = weights[choice]
    given = torch.einsum("bk,kbd->bd", chosen, torch.stack(list(prompts)))
    null = chosen @ torch.stack(list(nulls))
    dropped = torch.rand((batch, 1), generator=generator) < drop
    return torch.where(dropped, null, given)


def denoising_loss(
    denoiser: nn.Module,
    latents: Tensor,
    condition: Tensor,
    abars: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """L_D = mean |eps - eps_theta(z_t, t, c)|^2 at random timesteps."""
    timestep = torch.randint(len(abars), (len(latents),), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    noisy = add_noise(latents, noise, abars[timestep])
    return (denoiser(noisy, timestep, condition) - noise).square().mean()
