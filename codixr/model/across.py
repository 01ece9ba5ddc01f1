"""Sums and rows over the processes that train together, with gradients.

As ``torch.distributed.nn.functional`` has them, which is deprecated; what is to follow it has no
gradients for all of them yet.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        # Every process' loss depends on every process' part.
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        own = rows.contiguous()
        context.count = len(own)
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        first = dist.get_rank() * context.count
        return total[first : first + context.count]


def summed(x: Tensor) -> Tensor:
    """The sum of every process' ``x``."""
    return x if world_size() == 1 else _Sum.apply(x)


def all_rows(rows: Tensor) -> Tensor:
    """Rows [B, ...] of every process, [world * B, ...], in the order of ranks."""
    return rows if world_size() == 1 else _Rows.apply(rows)
