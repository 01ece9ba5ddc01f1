"""Stage 2a and 2b: the denoising loss of a latent diffusion model, for X-rays and reports alike.

Notable: the paper prints alpha_t := 1 - beta_t, sigma_t := 1 - prod(alpha_s); the closed form is
z_t = sqrt(abar_t) z + sqrt(1 - abar_t) eps with abar_t = prod_s (1 - beta_s).
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from codixr.model.presets import DiffusionConfig
from codixr.training.draw import Randomness

Subsets = Sequence[tuple[int, ...]]


def alphas_cumulative(config: DiffusionConfig) -> Tensor:
    """abar_t for t = 0 .. train_steps - 1, float32; betas are "scaled linear"."""
    start, end = config.beta_start**0.5, config.beta_end**0.5
    betas = torch.linspace(start, end, config.train_steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def add_noise(latents: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """z_t of clean latents [B, ...] at abar [B]."""
    shape = (-1, *[1] * (latents.ndim - 1))
    return abar.sqrt().view(shape) * latents + (1 - abar).sqrt().view(shape) * noise


def target(latents: Tensor, noise: Tensor, abar: Tensor, prediction_type: str) -> Tensor:
    """What a denoiser should give for ``add_noise`` of the same: eps, or sqrt(abar) eps - sigma z.

    The error of v is that of eps divided by abar: noisy latents, where large shapes are decided,
    weigh more.
    """
    if prediction_type == "epsilon":
        return noise
    return add_noise(noise, -latents, abar)


def every_subset(prompts: int) -> Subsets:
    """The non-empty subsets of ``prompts`` conditions, the small ones first."""
    return [c for size in range(1, prompts + 1) for c in combinations(range(prompts), size)]


def mix_conditions(
    prompts: Tensor, nulls: Tensor, subsets: Subsets, drop: float, draw: Randomness, *, tokens: bool
) -> Tensor:
    """Condition tokens [B, K, D] from a random subset of each study's prompts.

    ``prompts`` [B, P, D] are a study's prompt vectors, ``nulls`` [P, D] the unconditional ones;
    ``subsets`` the allowed mixes (``condition_mix``). With probability ``drop`` the same mix of
    unconditional vectors stands instead, for guidance without a classifier. K is 1, the mean of the
    subset; with ``tokens`` it is P, one token a condition, a smaller subset repeated in turn.
    """
    count = prompts.shape[1]
    weights = torch.zeros(len(subsets), count if tokens else 1, count, device=prompts.device)
    for row, subset in enumerate(subsets):
        if tokens:
            for token in range(count):
                weights[row, token, subset[token % len(subset)]] = 1.0
        else:
            weights[row, 0, list(subset)] = 1 / len(subset)
    chosen = weights[draw.integers(len(subsets))]
    dropped = draw.uniform((1, 1)) < drop
    return torch.where(dropped, chosen @ nulls, chosen @ prompts)


def denoising_loss(
    denoiser: nn.Module,
    latents: Tensor,
    condition: Tensor,
    abars: Tensor,
    draw: Randomness,
    prediction_type: str = "epsilon",
    low_noise: float = 0.0,
) -> Tensor:
    """L_D = mean |eps - eps_theta(z_t, t, c)|^2 at random timesteps (paper, eq. 2); or of v.

    ``low_noise`` is the share of the draws that fall into the first quarter of the timesteps.
    """
    timestep = draw.integers(len(abars))
    if low_noise:
        timestep = torch.where(draw.uniform() < low_noise, timestep // 4, timestep)
    noise = draw.normal(latents.shape[1:])
    noisy = add_noise(latents, noise, abars[timestep])
    wanted = target(latents, noise, abars[timestep], prediction_type)
    return (denoiser(noisy, timestep, condition).float() - wanted).square().mean()
