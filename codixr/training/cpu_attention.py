"""Which of torch's attention kernels a stage trains with.

Notable: in bfloat16 torch's flash kernel for CPUs going backwards is a quarter of a denoiser's step
at few tokens, and plain products next to nothing; in float32 both take the same time. The sum is
the same; the products' memory grows with the tokens squared. ``tests/perf/cpu_attention.py``.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from codixr.model.presets import Preset

FEW_TOKENS = 256
"""The most of a picture's latent for which the products' memory is small beside the rest."""


def attention_kernel(preset: Preset, device: torch.device) -> AbstractContextManager[None]:
    """Within it attention is plain products: on a CPU, at few tokens; else torch chooses."""
    if device.type != "cpu" or preset.latent_size**2 > FEW_TOKENS:
        return nullcontext()
    return sdpa_kernel(SDPBackend.MATH)
