"""What channels-last maps make cheap on a CPU; the numbers are those of the plain functions.

A 1x1 convolution is a matrix product of its pixels: given few pictures and one thread, torch would
lay the map out anew for it. A 3x3 pooling by the maximum, every other pixel, is that of shifted
maps, without the places of the maxima that torch keeps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 convolution: [B, C, H, W], [D, C, 1, 1] -> [B, D, H, W]."""
    made = F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias)
    return made.permute(0, 3, 1, 2)


def pool_by_two(x: Tensor) -> Tensor:
    """``max_pool2d(x, 3, stride=2)``: [B, C, H, W] -> [B, C, (H - 1) // 2, (W - 1) // 2]."""
    for side in (2, 3):
        n = (x.shape[side] - 1) // 2
        first, second, third = (_every_other(x, side, at, n) for at in range(3))
        x = torch.maximum(torch.maximum(first, second), third)
    return x


def _every_other(x: Tensor, side: int, first: int, n: int) -> Tensor:
    places = slice(first, first + 2 * n - 1, 2)
    return x[:, :, places] if side == 2 else x[:, :, :, places]
