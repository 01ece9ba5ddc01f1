"""The report denoiser: a UNet of fully connected residual blocks over one latent vector.

After Versatile Diffusion's flat UNet (paper, section III-B): the hidden state has ``channels``
features at a few positions; residual blocks mix all of them linearly, attention runs over the
positions and to the prompt.
"""

import math
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

from codixr.model.attention import ContextAttention, as_tokens, attend_by
from codixr.model.environment import (
    CrossModalTransformer,
    ReportEnvironmentEncoder,
    TimeEmbedding,
)
from codixr.model.presets import EnvironmentConfig, ReportUNetConfig


class FCResBlock(nn.Module):
    """GroupNorm-SiLU-linear, + time, GroupNorm-SiLU-zero linear, + skip; on [B, width]."""

    def __init__(self, inside: int, outside: int, time_dim: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(math.gcd(groups, inside), inside)
        self.linear1 = nn.Linear(inside, outside)
        self.time = nn.Linear(time_dim, outside)
        self.norm2 = nn.GroupNorm(math.gcd(groups, outside), outside)
        self.linear2 = nn.Linear(outside, outside)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)
        self.skip = nn.Linear(inside, outside) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """One residual step."""
        h = self.linear1(F.silu(self.norm1(x))) + self.time(F.silu(time))
        return self.skip(x) + self.linear2(F.silu(self.norm2(h)))


class PromptAttention(nn.Module):
    """Self-attention over the positions, cross-attention to the prompt, GEGLU; residual.

    State [B, channels * positions], context [B, K, D].
    """

    def __init__(self, channels: int, config: ReportUNetConfig) -> None:
        super().__init__()
        self.channels, self.positions = channels, config.positions
        self.norm = nn.GroupNorm(math.gcd(config.norm_groups, channels), channels)
        self.proj_in = nn.Linear(channels, channels)
        self.block = BasicTransformerBlock(
            channels,
            config.heads,
            channels // config.heads,
            cross_attention_dim=config.context_dim,
            activation_fn="geglu",
            ff_inner_dim=int(channels * config.feed_forward_mult),
        )
        self.proj_out = nn.Linear(channels, channels)

    def tokens(self, state: Tensor) -> Tensor:
        """[B, channels * positions] -> [B, positions, channels]."""
        return state.view(-1, self.channels, self.positions).transpose(1, 2)

    def forward(self, state: Tensor, context: Tensor) -> Tensor:
        """Let the state see its prompt."""
        h = self.norm(state.view(-1, self.channels, self.positions)).transpose(1, 2)
        h = self.proj_out(self.block(self.proj_in(h), encoder_hidden_states=context))
        return state + h.transpose(1, 2).flatten(1)


class _Stage(nn.Module):
    """A residual block, then attention where the level has it."""

    def __init__(
        self, inside: int, outside: int, time_dim: int, config: ReportUNetConfig, attend: bool
    ) -> None:
        super().__init__()
        p = config.positions
        self.residual = FCResBlock(inside * p, outside * p, time_dim, config.norm_groups)
        self.attention = PromptAttention(outside, config) if attend else None

    def forward(self, state: Tensor, time: Tensor, context: Tensor) -> Tensor:
        state = self.residual(state, time)
        return state if self.attention is None else self.attention(state, context)


class FlatUNet(nn.Module):
    """The UNet: latent [B, d], timestep [B], condition [B, (K,) D] -> predicted noise [B, d]."""

    def __init__(self, config: ReportUNetConfig) -> None:
        super().__init__()
        self.config = config
        p, widths = config.positions, [config.channels * m for m in config.channel_mult]
        time_dim = 4 * config.channels
        self.time = TimeEmbedding(config.channels, time_dim)
        self.stem = nn.Linear(config.latent_dim, widths[0] * p)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        skips, width = [widths[0]], widths[0]
        for level, wider in enumerate(widths):
            attend = level in config.attention_levels
            for _ in range(config.blocks_per_level):
                self.down.append(_Stage(width, wider, time_dim, config, attend))
                width = wider
                skips.append(width)
            if level < len(widths) - 1:
                self.shrink.append(nn.Linear(width * p, width * p))
                skips.append(width)
        self.middle = nn.ModuleList(
            [
                _Stage(width, width, time_dim, config, True),
                _Stage(width, width, time_dim, config, False),
            ]
        )
        for level, wider in reversed(list(enumerate(widths))):
            attend = level in config.attention_levels
            for _ in range(config.blocks_per_level + 1):
                self.up.append(_Stage(width + skips.pop(), wider, time_dim, config, attend))
                width = wider
            if level > 0:
                self.grow.append(nn.Linear(width * p, width * p))
        self.norm = nn.GroupNorm(math.gcd(config.norm_groups, width * p), width * p)
        self.out = nn.Linear(width * p, config.latent_dim)

    def attention_blocks(self) -> list[PromptAttention]:
        """The attention blocks of the down and up paths, in order."""
        stages = (*self.down, *self.up)
        return [s.attention for s in stages if isinstance(s.attention, PromptAttention)]

    def forward(self, latents: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Predict the noise in ``latents``."""
        time, context = self.time(timestep), as_tokens(condition)
        state = self.stem(latents)
        skips = [state]
        per_level = self.config.blocks_per_level
        for i, stage in enumerate(self.down):
            state = stage(state, time, context)
            skips.append(state)
            level, last = divmod(i + 1, per_level)
            if last == 0 and level <= len(self.shrink):
                state = self.shrink[level - 1](state)
                skips.append(state)
        for stage in self.middle:
            state = stage(state, time, context)
        for i, stage in enumerate(self.up):
            state = stage(torch.cat([state, skips.pop()], dim=1), time, context)
            level, last = divmod(i + 1, per_level + 1)
            if last == 0 and level <= len(self.grow):
                state = self.grow[level - 1](state)
        return self.out(F.silu(self.norm(state)))


class ReportEnvironment(nn.Module):
    """V and the cross-modal transformers of the report flow."""

    def __init__(self, latent_dim: int, channels: list[int], config: EnvironmentConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ReportEnvironmentEncoder(latent_dim, config)
        self.cross = nn.ModuleList(CrossModalTransformer(c, config) for c in channels)


class ReportDenoiser(nn.Module):
    """Predicts the noise in a report's latent; the same interface as XrayDenoiser."""

    def __init__(self, unet: ReportUNetConfig, environment: EnvironmentConfig) -> None:
        super().__init__()
        self.unet = FlatUNet(unet)
        self.prompt_attention = ContextAttention()
        attend_by(self.prompt_attention, self.unet)
        blocks = self.unet.attention_blocks()
        self.environment = ReportEnvironment(
            unet.latent_dim, [b.channels for b in blocks], environment
        )
        self.vector: Tensor | None = None
        for block, cross in zip(blocks, self.environment.cross, strict=True):
            block.register_forward_hook(_CrossModalHook(self, cross))

    def encode_environment(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """This flow's V: one unit vector [B, E]."""
        return self.environment.encoder(latents, timestep)

    def same_condition(self) -> AbstractContextManager[None]:
        """Within it the condition must not change: what it adds is computed once, not per step."""
        return self.prompt_attention.held()

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition: Tensor,
        environment: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """The predicted noise, the shape of ``latents``; ``log_weights`` [K] weigh the tokens."""
        self.vector = environment
        self.prompt_attention.log_weights = log_weights
        return self.unet(latents, timestep, condition)


class _CrossModalHook:
    """As in image_ldm, on the report's tokens."""

    def __init__(self, denoiser: ReportDenoiser, cross: CrossModalTransformer) -> None:
        self.denoiser, self.cross = denoiser, cross

    def __call__(self, block: Any, _args: Any, output: Tensor) -> Tensor:
        if self.denoiser.vector is None:
            return output
        tokens = self.cross(block.tokens(output), self.denoiser.vector)
        return tokens.transpose(1, 2).flatten(1)
