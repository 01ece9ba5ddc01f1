"""Random numbers that belong to a study and an epoch, made on the device that needs them.

Notable: a counter-based generator, SplitMix64 (Steele et al., 2014), in whole numbers: the same
numbers on any device, for any batch, any cut of it and any number of processes, and nothing is
drawn for other studies. A step that draws for its whole batch on the CPU first (``draw.Draw``) is
how ``tiny``'s embedded checkpoint was trained, and stays for it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
"""SplitMix64's constants, as signed numbers of 64 bits."""
_VALIDATION = 0x2545F491
_BITS = 24
"""Bits of a float32's fraction, and so of a drawn number."""


class StudyDraw:
    """Random numbers for the studies ``rows`` of a split, each in its ``epochs``: int64 [B] both.

    Calls follow each other as those of ``Draw`` do: the same call in the same order is the same
    numbers.
    """

    def __init__(
        self,
        seed: int,
        rows: Tensor,
        epochs: Tensor,
        device: torch.device | str = "cpu",
        *,
        validation: bool = False,
    ) -> None:
        # Made small on the CPU, and copied once: a step waits for nothing.
        start = _mixed(torch.tensor([seed ^ (_VALIDATION if validation else 0)]))
        own = _mixed(start + rows * _GOLDEN)
        self._keys = _mixed(own + epochs * _GOLDEN).to(device, non_blocking=True)
        self._drawn = 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Standard normal numbers [B, *shape], in pairs by Box and Muller (1958)."""
        count = math.prod(shape)
        bits = self._bits((count + 1) // 2)
        # In (0, 1], so that its logarithm is finite; the longest is 5.8 standard deviations.
        length = (-2 * (_fraction(bits, 40) + 2.0**-_BITS).log()).sqrt()
        angle = 2 * math.pi * _fraction(bits, 16)
        both = torch.cat([length * angle.cos(), length * angle.sin()], 1)
        return both[:, :count].unflatten(1, tuple(shape)) if shape else both[:, 0]

    def uniform(self, shape: Sequence[int] = ()) -> Tensor:
        """Numbers in [0, 1), [B, *shape]."""
        return self._shaped(_fraction(self._bits(math.prod(shape)), 40), shape)

    def integers(self, high: int, shape: Sequence[int] = ()) -> Tensor:
        """Whole numbers in [0, high), high at most 2**31, [B, *shape]."""
        top = (self._bits(math.prod(shape)) >> 33) & (2**31 - 1)
        return self._shaped(top * high >> 31, shape)

    def _bits(self, count: int) -> Tensor:
        """The next 64-bit numbers of every study, int64 [B, count]."""
        places = torch.arange(self._drawn + 1, self._drawn + count + 1, device=self._keys.device)
        self._drawn += count
        return _mixed(self._keys[:, None] + places * _GOLDEN)

    def _shaped(self, numbers: Tensor, shape: Sequence[int]) -> Tensor:
        return numbers.unflatten(1, tuple(shape)) if shape else numbers[:, 0]


def _mixed(x: Tensor) -> Tensor:
    """SplitMix64's output function; products wrap around at 64 bits."""
    x = (x ^ (x >> 30 & 2**34 - 1)) * _FIRST
    x = (x ^ (x >> 27 & 2**37 - 1)) * _SECOND
    return x ^ (x >> 31 & 2**33 - 1)


def _fraction(bits: Tensor, low: int) -> Tensor:
    """``_BITS`` of them from bit ``low`` on, as float32 in [0, 1)."""
    return (bits >> low & 2**_BITS - 1).float() * 2.0**-_BITS
