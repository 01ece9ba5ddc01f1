"""Fully connected blocks over a state of ``channels`` features at a few positions.

The state is flat, [B, channels * positions], a channel's positions side by side (Versatile
Diffusion's flat UNet).
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn


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


class ChannelNorm(nn.GroupNorm):
    """Group norm of a flat state, with one scale and shift a channel."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__(math.gcd(groups, channels), channels)

    def forward(self, state: Tensor) -> Tensor:
        """[B, channels * positions], the same shape out."""
        return super().forward(state.unflatten(1, (self.num_channels, -1))).flatten(1)
