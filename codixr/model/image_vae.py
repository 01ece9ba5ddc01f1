"""The image VAE: one diffusers AutoencoderKL for both views (paper, section III-B)."""

import math

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from codixr.model.presets import ImageVAEConfig

SLICE_PIXELS = 2**18
"""Decoded at once: four pictures of 256x256."""


def cosines(count: int, side: int) -> Tensor:
    """The ``count`` lowest patterns [count, 1, side, side] of the orthonormal 2-D DCT-II, float32.

    JPEG's basis (Ahmed et al. 1974), the longest periods first. ValueError when a block of ``side``
    pixels has fewer.
    """
    if count > side**2:
        raise ValueError(f"a block of {side} x {side} has {side**2} patterns, not {count}")
    place = torch.arange(side) + 0.5
    waves = torch.cos(math.pi / side * torch.arange(side)[:, None] * place) * (2 / side) ** 0.5
    waves[0] /= 2**0.5
    pairs = sorted((u * u + v * v, u, v) for u in range(side) for v in range(side))
    return torch.stack([torch.outer(waves[u], waves[v]) for _, u, v in pairs[:count]])[:, None]


class ImageVAE(nn.Module):
    """X-rays to latents and back.

    Latents are normalised: by the autoencoder's ``latents_mean`` and ``latents_std`` where its
    config has them, else by its ``scaling_factor`` (0.18215 for Stable Diffusion's).

    With ``dct_scale`` the autoencoder learns what a block's lowest cosine patterns miss: a latent's
    channels are those coefficients plus the encoder's, and the picture that they give is added to
    the decoder's. Nothing of that is learnt or saved.
    """

    patterns: Tensor | None

    def __init__(self, config: ImageVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.autoencoder = AutoencoderKL(**config.autoencoder)
        patterns = None
        if config.dct_scale:
            patterns = cosines(self.autoencoder.config.latent_channels, self.fold)
        self.register_buffer("patterns", patterns, persistent=False)

    @property
    def fold(self) -> int:
        """Pixels a side that one latent stands for."""
        halvings = len(self.config.autoencoder["block_out_channels"]) - 1
        return int(self.config.pixel_unshuffle * 2**halvings)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw mean and log-variance of the latent, each [B, c, h, w], of images [B, 1, H, W]."""
        grey = images * 2 - 1
        pixels = grey.expand(-1, self.config.channels, -1, -1)
        pixels = F.pixel_unshuffle(pixels, self.config.pixel_unshuffle)
        latent = self.autoencoder.encode(pixels).latent_dist
        mean: Tensor = latent.mean
        if self.patterns is not None:
            blocks = F.conv2d(grey, self.patterns, stride=self.fold)
            mean = mean + blocks / self.config.dct_scale
        return mean, latent.logvar

    def reconstruct(self, raw: Tensor) -> Tensor:
        """Images [B, 1, H, W], not clipped, of raw latents [B, c, h, w]."""
        pixels = F.pixel_shuffle(self.autoencoder.decode(raw).sample, self.config.pixel_unshuffle)
        grey = pixels.mean(1, keepdim=True)
        if self.patterns is not None:
            blocks = raw * self.config.dct_scale
            grey = grey + F.conv_transpose2d(blocks, self.patterns, stride=self.fold)
        return (grey + 1) / 2

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
        pixels = latents.shape[-2] * latents.shape[-1] * self.fold**2
        at_once = max(1, SLICE_PIXELS // pixels)
        raw = (latents * scale + shift).split(at_once)
        return torch.cat([self.reconstruct(part).clamp(0, 1) for part in raw])
