"""Few tokens on a CPU are attended to with plain products, many by torch's own choice."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from codixr.model.presets import Preset, named
from codixr.training.cpu_attention import attention_kernel

TINY = named("tiny")
LARGE = replace(TINY, latent_size=64)


def attended(preset: Preset) -> tuple[torch.Tensor, set[str]]:
    """The gradient of an attention within the kernel of ``preset``, and the operations that ran."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 16, 20, requires_grad=True) for _ in range(3))
    with (
        profile(activities=[ProfilerActivity.CPU]) as seen,
        attention_kernel(preset, torch.device("cpu")),
    ):
        F.scaled_dot_product_attention(query, key, value).square().sum().backward()
    assert query.grad is not None
    return query.grad, {event.key for event in seen.key_averages()}


def test_few_tokens_are_not_left_to_the_flash_kernel() -> None:
    plain, few = attended(TINY)
    chosen, many = attended(LARGE)
    assert not any("flash" in name for name in few)
    assert any("flash" in name for name in many)
    torch.testing.assert_close(plain, chosen)


@pytest.mark.parametrize("preset", [TINY, LARGE])
def test_a_gpus_kernel_is_torchs_choice(preset: Preset) -> None:
    before = torch.backends.cuda.flash_sdp_enabled()
    with attention_kernel(preset, torch.device("cuda")):
        assert torch.backends.cuda.flash_sdp_enabled() == before
