"""Cross-modal alignment: environment encoders V and cross-modal transformers (paper, eq. 3-5).

While two or more modalities are generated together, each flow's latent is summarised by its
environment encoder V into one vector, and every other flow attends to it. Notable: CoDi's released
code lets a flow attend to its OWN vector; we follow the papers.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn

from codixr.modality import Modality
from codixr.model.attention import ContextAttention, attend_by, cross_attending_block
from codixr.model.fc_blocks import ChannelNorm, FCResBlock
from codixr.model.presets import EnvironmentConfig


class TimeEmbedding(nn.Module):
    """Sinusoidal timestep embedding and two linear layers: int64 [B] -> [B, dim]."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.sinusoid = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.mlp = TimestepEmbedding(channels, dim)

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed a batch of timesteps."""
        return self.mlp(self.sinusoid(timestep).to(self.mlp.linear_1.weight.dtype))


class _ConvResBlock(nn.Module):
    """GroupNorm-SiLU-conv, + time, GroupNorm-SiLU-conv, + skip."""

    def __init__(self, inside: int, outside: int, time_dim: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(groups, inside), inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.time = nn.Linear(time_dim, outside)
        self.norm2 = nn.GroupNorm(math.gcd(groups, outside), outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class ImageEnvironmentEncoder(nn.Module):
    """V of an X-ray flow: latent [B, c, h, w] and time [B, time_dim] -> unit vector [B, embed_dim].

    ``time`` is its own timestep embedding, or None: then it is the UNet's, of width ``time_dim``.
    """

    def __init__(self, latent_channels: int, time_dim: int, config: EnvironmentConfig) -> None:
        super().__init__()
        own = config.own_time_channels
        time_dim = 4 * own or time_dim
        self.time = TimeEmbedding(own, time_dim) if own else None
        self.stem = nn.Conv2d(latent_channels, config.channels, 3, padding=1)
        blocks, downs, width = [], [], config.channels
        for level, mult in enumerate(config.channel_mult):
            wider = 2 * config.channels * mult
            blocks.append(_ConvResBlock(width, wider, time_dim, config.norm_groups))
            last = level == len(config.channel_mult) - 1
            downs.append(nn.Identity() if last else nn.Conv2d(wider, wider, 3, 2, 1))
            width = wider
        self.blocks, self.downs = nn.ModuleList(blocks), nn.ModuleList(downs)
        self.norm = nn.GroupNorm(math.gcd(config.norm_groups, width), width)
        self.out = nn.Conv2d(width, config.embed_dim, 3, padding=1)

    def forward(self, latents: Tensor, time: Tensor) -> Tensor:
        """Summarise noisy latents at their timestep."""
        h = self.stem(latents)
        for block, down in zip(self.blocks, self.downs, strict=True):
            h = down(block(h, time))
        h = self.out(F.silu(self.norm(h)))
        return F.normalize(h.mean((2, 3)), dim=-1)


class ReportEnvironmentEncoder(nn.Module):
    """V of the report flow: latent [B, d] and time [B, time_dim] -> unit vector [B, embed_dim]."""

    def __init__(
        self, latent_dim: int, positions: int, time_dim: int, config: EnvironmentConfig
    ) -> None:
        super().__init__()
        p, own, groups = positions, config.own_time_channels, config.norm_groups
        time_dim = 4 * own or time_dim
        self.time = TimeEmbedding(own, time_dim) if own else None
        self.stem = nn.Linear(latent_dim, config.channels * p)
        blocks: list[nn.Module] = []
        width = config.channels
        for level, mult in enumerate(config.channel_mult):
            wider = 2 * config.channels * mult
            for _ in range(config.blocks_per_level):
                blocks.append(FCResBlock(width * p, wider * p, time_dim, groups))
                width = wider
            if level < len(config.channel_mult) - 1:
                blocks.append(nn.Linear(width * p, width * p))
        self.blocks = nn.ModuleList(blocks)
        self.norm = ChannelNorm(groups, width)
        self.out = nn.Linear(width * p, config.embed_dim)

    def forward(self, latents: Tensor, time: Tensor) -> Tensor:
        """Summarise noisy latents at their timestep."""
        h = self.stem(latents)
        for block in self.blocks:
            h = block(h, time) if isinstance(block, FCResBlock) else block(h)
        return F.normalize(self.out(F.silu(self.norm(h))), dim=-1)


class SmallReportEnvironmentEncoder(nn.Module):
    """V of a small report flow, without residual blocks: two linear layers, the same interface."""

    def __init__(self, latent_dim: int, config: EnvironmentConfig) -> None:
        super().__init__()
        width = 4 * config.channels * config.channel_mult[-1]
        self.time = TimeEmbedding(config.own_time_channels, width)
        self.stem = nn.Linear(latent_dim, width)
        self.inner = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, config.embed_dim)

    def forward(self, latents: Tensor, time: Tensor) -> Tensor:
        """Summarise noisy latents at their timestep."""
        h = self.stem(latents) + time
        h = h + self.inner(F.silu(self.norm(h)))
        return F.normalize(self.out(F.silu(h)), dim=-1)


class CrossModalTransformer(nn.Module):
    """Attention of one flow's features to another flow's environment vector.

    Tokens [B, N, channels] and a vector [B, embed_dim]: GroupNorm, linear in, self-attention,
    cross-attention, GEGLU, linear out, added to the input. The last layer starts at zero, so an
    untrained one changes nothing.
    """

    def __init__(self, channels: int, config: EnvironmentConfig) -> None:
        super().__init__()
        groups = math.gcd(config.norm_groups, channels)
        self.norm = nn.GroupNorm(groups, channels, eps=config.norm_eps)
        self.proj_in = nn.Linear(channels, channels)
        self.block = cross_attending_block(
            channels, config.heads, config.embed_dim, config.feed_forward_mult
        )
        attend_by(ContextAttention(), self.block)
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, tokens: Tensor, vector: Tensor) -> Tensor:
        """Add what ``vector`` says to ``tokens``."""
        h = self.norm(tokens.transpose(1, 2)).transpose(1, 2)
        h = self.block(self.proj_in(h), encoder_hidden_states=vector.unsqueeze(1))
        return tokens + self.proj_out(h)

    def on_grid(self, features: Tensor, vector: Tensor) -> Tensor:
        """The same for features [B, channels, h, w]."""
        b, c, h, w = features.shape
        tokens = features.flatten(2).transpose(1, 2)
        return self(tokens, vector).transpose(1, 2).reshape(b, c, h, w)


def others_mean(vectors: Mapping[Modality, Tensor], own: Modality) -> Tensor | None:
    """What flow ``own`` attends to: the mean of the other flows' vectors, None without any."""
    others = [v for name, v in vectors.items() if name != own]
    return torch.stack(others).mean(0) if others else None
