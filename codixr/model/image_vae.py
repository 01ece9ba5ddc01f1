"""The image VAE: one diffusers AutoencoderKL for both views (paper, section III-B)."""

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from codixr.model.presets import ImageVAEConfig

SLICE_PIXELS = 2**18
"""Decoded at once: four pictures of 256x256."""


class ImageVAE(nn.Module):
    """X-rays to latents and back.

    Latents are normalised: by the autoencoder's ``latents_mean`` and ``latents_std`` where its
    config has them, else by its ``scaling_factor`` (0.18215 for Stable Diffusion's).
    """

    def __init__(self, config: ImageVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.autoencoder = AutoencoderKL(**config.autoencoder)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw mean and log-variance of the latent, each [B, c, h, w], of images [B, 1, H, W]."""
        pixels = (images * 2 - 1).expand(-1, self.config.channels, -1, -1)
        pixels = F.pixel_unshuffle(pixels, self.config.pixel_unshuffle)
        latent = self.autoencoder.encode(pixels).latent_dist
        return latent.mean, latent.logvar

    def reconstruct(self, raw: Tensor) -> Tensor:
        """Images [B, 1, H, W], not clipped, of raw latents [B, c, h, w]."""
        pixels = F.pixel_shuffle(self.autoencoder.decode(raw).sample, self.config.pixel_unshuffle)
        return (pixels.mean(1, keepdim=True) + 1) / 2

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store per-channel statistics of the raw latents in the autoencoder's config."""
        self.autoencoder.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())

    def statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale of raw latents, broadcastable to [B, c, h, w]."""
        config = self.autoencoder.config
        if config.latents_mean is None or config.latents_std is None:
            zero = torch.zeros(1, device=like.device, dtype=like.dtype)
            return zero, zero + 1 / config.scaling_factor
        mean = torch.tensor(config.latents_mean, device=like.device, dtype=like.dtype)
        std = torch.tensor(config.latents_std, device=like.device, dtype=like.dtype)
        return mean.view(1, -1, 1, 1), std.view(1, -1, 1, 1)

    def encode(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """Normalised latents [B, c, h, w]: the posterior's mean, or a draw with ``noise``."""
        mean, logvar = self.posterior(images)
        raw = mean if noise is None else mean + (0.5 * logvar).exp() * noise
        shift, scale = self.statistics(raw)
        return (raw - shift) / scale

    def decode(self, latents: Tensor) -> Tensor:
        """Images [B, 1, H, W] in [0, 1] of normalised latents, a slice at a time.

        A slice holds ``SLICE_PIXELS`` at most (or one image), so that memory does not grow with B.
        """
        shift, scale = self.statistics(latents)
        fold = 2 ** (len(self.config.autoencoder["block_out_channels"]) - 1)
        fold *= self.config.pixel_unshuffle
        at_once = max(1, SLICE_PIXELS // (latents.shape[-2] * latents.shape[-1] * fold**2))
        raw = (latents * scale + shift).split(at_once)
        return torch.cat([self.reconstruct(part).clamp(0, 1) for part in raw])
