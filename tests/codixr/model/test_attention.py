"""Cross-attention to one vector without queries and keys, and to several tokens."""

import copy

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from codixr.model import components, presets
from codixr.model.attention import log_weights

PRESET = presets.tiny(80)
NAMES = ["denoiser_f", "denoiser_t"]


def build(name: str) -> nn.Module:
    """A denoiser in which everything has weights: what starts at zero would hide the prompt."""
    torch.manual_seed(0)
    denoiser = components.BUILDERS[name](PRESET).eval()
    for weight in denoiser.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.05)
    return denoiser


def plain(denoiser: nn.Module) -> nn.Module:
    """The same denoiser with diffusers' own attention everywhere."""
    other = copy.deepcopy(denoiser)
    for block in other.modules():
        if isinstance(block, BasicTransformerBlock):
            block.attn2.set_processor(AttnProcessor2_0())
    return other


def inputs(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(3, *((128,) if name == "denoiser_t" else (12, 8, 8)), generator=generator)
    condition, vector = (torch.randn(3, n, generator=generator) for n in (256, 64))
    return latent, torch.tensor([0, 500, 999]), condition, vector


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("joint", [False, True], ids=["alone", "joint"])
@torch.no_grad()
def test_the_single_token_shortcut_equals_plain_attention(name: str, joint: bool) -> None:
    denoiser = build(name)
    z, t, c, v = inputs(name)
    environment = v if joint else None
    expected = plain(denoiser)(z, t, c, environment)
    torch.testing.assert_close(denoiser(z, t, c, environment), expected, atol=1e-5, rtol=0)
    assert (denoiser(z, t, c, environment) - denoiser(z, t, -c, environment)).abs().max() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_the_shortcut_trains_like_plain_attention(name: str) -> None:
    denoiser = build(name)
    reference = plain(denoiser)
    z, t, c, v = inputs(name)
    for model in (denoiser, reference):
        model(z, t, c, v).square().mean().backward()
    compared = 0
    for (key, ours), theirs in zip(
        denoiser.named_parameters(), reference.parameters(), strict=True
    ):
        if ours.grad is None:  # Q, K and their norm: no influence on one token's attention
            assert theirs.grad is None or theirs.grad.abs().max() < 1e-6, key
            continue
        compared += 1
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-3, msg=key)
    assert compared > 0.8 * len(list(denoiser.parameters()))


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_held_condition_is_projected_once_and_forgotten_afterwards(name: str) -> None:
    denoiser = build(name)
    z, t, c, _ = inputs(name)
    values = [m.attn2.to_v for m in denoiser.unet.modules() if isinstance(m, BasicTransformerBlock)]
    calls = []
    for value in values:
        value.register_forward_hook(lambda *_: calls.append(1))
    expected = denoiser(z, t, c)
    calls.clear()
    with denoiser.same_condition():
        for _ in range(3):
            torch.testing.assert_close(denoiser(z, t, c), expected)
    assert len(calls) == len(values)
    assert (denoiser(z, t, 2 * c) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_identical_tokens_give_the_single_token_result(name: str) -> None:
    denoiser = build(name)
    z, t, c, v = inputs(name)
    twice = c.unsqueeze(1).expand(-1, 2, -1)
    uneven = log_weights([3.0, 0.5])
    for environment in (None, v):
        single = denoiser(z, t, c, environment)
        for weights in (None, uneven):
            same = denoiser(z, t, twice, environment, weights)
            torch.testing.assert_close(same, single, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_tokens_equal_plain_attention_and_do_not_care_about_order(name: str) -> None:
    denoiser = build(name)
    z, t, c, _ = inputs(name)
    tokens = torch.stack([c, c.flip(0) * 2], 1)
    made = denoiser(z, t, tokens)
    torch.testing.assert_close(made, denoiser(z, t, tokens.flip(1)), atol=1e-5, rtol=0)
    assert (made - denoiser(z, t, tokens.mean(1))).abs().max() > 1e-3
    if name == "denoiser_f":
        expected = plain(denoiser).unet(z, t, tokens, return_dict=False)[0]
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_token_of_weight_two_counts_like_two_tokens_and_one_of_zero_not_at_all(name: str) -> None:
    denoiser = build(name)
    z, t, c, _ = inputs(name)
    a, b = c, c.flip(0) * 2
    weighed = denoiser(z, t, torch.stack([a, b], 1), None, log_weights([2.0, 1.0]))
    counted = denoiser(z, t, torch.stack([a, a, b], 1))
    torch.testing.assert_close(weighed, counted, atol=1e-5, rtol=0)
    only = denoiser(z, t, torch.stack([a, b], 1), None, log_weights([1.0, 0.0]))
    torch.testing.assert_close(only, denoiser(z, t, a), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_copied_denoiser_listens_to_its_own_vector(name: str) -> None:
    denoiser = build(name)
    z, t, c, v = inputs(name)
    twin = copy.deepcopy(denoiser)
    denoiser(z, t, c)  # leaves the original without a vector
    torch.testing.assert_close(twin(z, t, c, v), denoiser(z, t, c, v))
    assert (twin(z, t, c, v) - twin(z, t, c)).abs().max() > 1e-3
