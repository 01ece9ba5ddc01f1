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
from torch import Tensor, nn

from codixr.model.attention import (
    ContextAttention,
    as_tokens,
    attend_by,
    cross_attending_block,
    weigh,
)
from codixr.model.environment import (
    CrossModalTransformer,
    ReportEnvironmentEncoder,
    SmallReportEnvironmentEncoder,
    TimeEmbedding,
)
from codixr.model.fc_blocks import ChannelNorm, FCResBlock
from codixr.model.presets import EnvironmentConfig, ReportUNetConfig


class PromptAttention(nn.Module):
    """Self-attention over the positions, cross-attention to the prompt, GEGLU; residual.

    State [B, channels * positions], context [B, K, D].
    """

    def __init__(self, channels: int, config: ReportUNetConfig) -> None:
        super().__init__()
        self.channels, self.positions = channels, config.positions
        groups = math.gcd(config.norm_groups, channels)
        self.norm = nn.GroupNorm(groups, channels, eps=config.norm_eps)
        self.proj_in = nn.Linear(channels, channels)
        self.block = cross_attending_block(
            channels, config.heads, config.context_dim, config.feed_forward_mult
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
        groups = math.gcd(config.norm_groups, width * p)
        self.norm = (
            ChannelNorm(config.norm_groups, width)
            if config.shared_out_norm
            else nn.GroupNorm(groups, width * p)
        )
        self.out = nn.Linear(width * p, config.latent_dim)

    def attention_blocks(self) -> list[PromptAttention]:
        """The attention blocks of the down and up paths, in order."""
        stages = (*self.down, *self.up)
        return [s.attention for s in stages if isinstance(s.attention, PromptAttention)]

    def cross_modal_places(self, after_upsampling: bool) -> list[nn.Module]:
        """The modules whose output a cross-modal transformer reads, one an attention block.

        The attention blocks themselves, or the last of an up level's its change of level.
        """
        places: list[nn.Module] = list(self.attention_blocks())
        per_level = self.config.blocks_per_level + 1
        for i, grow in enumerate(self.grow):
            last = self.up[(i + 1) * per_level - 1].attention
            if after_upsampling and isinstance(last, PromptAttention):
                places[places.index(last)] = grow
        return places

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

    def __init__(
        self, unet: ReportUNetConfig, channels: list[int], config: EnvironmentConfig
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder: nn.Module
        if config.blocks_per_level:
            d, p, time_dim = unet.latent_dim, unet.positions, 4 * unet.channels
            self.encoder = ReportEnvironmentEncoder(d, p, time_dim, config)
        else:
            self.encoder = SmallReportEnvironmentEncoder(unet.latent_dim, config)
        self.cross = nn.ModuleList(CrossModalTransformer(c, config) for c in channels)


class ReportDenoiser(nn.Module):
    """Predicts the noise in a report's latent; the same interface as XrayDenoiser."""

    def __init__(self, unet: ReportUNetConfig, environment: EnvironmentConfig) -> None:
        super().__init__()
        self.unet = FlatUNet(unet)
        self.prompt_attention = ContextAttention()
        attend_by(self.prompt_attention, self.unet)
        blocks = self.unet.attention_blocks()
        self.environment = ReportEnvironment(unet, [b.channels for b in blocks], environment)
        self.vector: Tensor | None = None
        places = self.unet.cross_modal_places(environment.after_upsampling)
        for block, place, cross in zip(blocks, places, self.environment.cross, strict=True):
            place.register_forward_hook(_CrossModalHook(self, block, cross))

    def encode_environment(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """This flow's V: one unit vector [B, E]."""
        encoder: Any = self.environment.encoder
        embed = self.unet.time if encoder.time is None else encoder.time
        return encoder(latents, embed(timestep))

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
        weigh(self.prompt_attention, self.unet, log_weights)
        return self.unet(latents, timestep, condition)


class _CrossModalHook:
    """As in image_ldm, on the report's tokens."""

    def __init__(self, denoiser: ReportDenoiser, block: PromptAttention, cross: nn.Module) -> None:
        """``cross`` is a CrossModalTransformer."""
        self.denoiser, self.block, self.cross = denoiser, block, cross

    def __call__(self, _module: Any, _args: Any, output: Tensor) -> Tensor:
        if self.denoiser.vector is None:
            return output
        tokens = self.cross(self.block.tokens(output), self.denoiser.vector)
        return tokens.transpose(1, 2).flatten(1)
