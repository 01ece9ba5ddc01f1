"""Which of torch's attention kernels a stage trains with.

Notable: for a few tokens torch's flash kernel for CPUs is a fifth of the step going backwards, and
more in bfloat16. Plain matrix products do the same sum; their memory grows with the tokens squared.
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
