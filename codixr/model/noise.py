"""A generator for each sample, so that no sample depends on its batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality


def sample_generators(
    generator: torch.Generator | Sequence[torch.Generator] | None,
    seed: int | None,
    count: int,
    outputs: Sequence[Modality],
) -> dict[Modality, list[torch.Generator]]:
    """One generator a sample and output; a sample's outputs share what the user gave."""
    if generator is None:
        first = int(torch.randint(2**62, ())) if seed is None else seed
        return {m: from_seeds(range(first, first + count), m) for m in outputs}
    if seed is not None:
        raise InputError("give a generator or a seed, not both")
    if isinstance(generator, torch.Generator):
        one = generator
        seeds = [
            int(torch.randint(2**62, (), generator=one, device=one.device)) for _ in range(count)
        ]
        generator = [torch.Generator().manual_seed(s) for s in seeds]
    if len(generator) != count:
        raise InputError(f"{len(generator)} generators for {count} samples: give one for each")
    return {m: list(generator) for m in outputs}


def from_seeds(seeds: Sequence[int], modality: Modality) -> list[torch.Generator]:
    """Each sample's generator, from its own seed and modality."""
    flow = list(Modality).index(modality)
    mixed = [(seed + flow * 0x9E3779B97F4A7C15) % 2**63 for seed in seeds]
    return [torch.Generator().manual_seed(seed) for seed in mixed]


def draw(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal noise [B, *shape], each row from its sample's generator."""
    rows = [torch.randn(shape, generator=g, device=g.device).cpu() for g in generators]
    return torch.stack(rows)
