"""The sampler's call of a UNet beside diffusers' own, at three shapes."""

import copy
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

from codixr.model import presets, unet_call
from codixr.model.image_ldm import XrayDenoiser

TINY = presets.tiny(80)
CROSS, UP = ["CrossAttnDownBlock2D"], ["CrossAttnUpBlock2D"]
MIDDLE: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": [*CROSS * 2, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *UP * 2],
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 1,
    "cross_attention_dim": 256,
    "attention_head_dim": 8,
}
SD15: dict[str, Any] = {
    **presets.paper().image_unet,
    "sample_size": 16,
    "block_out_channels": [32, 64, 128, 128],
    "cross_attention_dim": 256,
}
SHAPES = {"tiny": TINY.image_unet, "middle": MIDDLE, "sd15": SD15}


def build(name: str, **changes: Any) -> tuple[XrayDenoiser, UNet2DConditionModel]:
    """A denoiser whose every layer has weights, and diffusers' UNet with the same ones."""
    torch.manual_seed(0)
    denoiser = XrayDenoiser(SHAPES[name] | changes, TINY.image_environment).eval()
    for weight in denoiser.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.05)
    plain = UNet2DConditionModel(**SHAPES[name] | changes).eval()
    plain.load_state_dict(denoiser.unet.state_dict())
    return denoiser, plain


def inputs(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Three pictures and their copies, one timestep, six different conditions."""
    side, channels = SHAPES[name]["sample_size"], SHAPES[name].get("in_channels", 4)
    generator = torch.Generator().manual_seed(1)
    half = torch.randn(3, channels, side, side, generator=generator)
    condition = torch.randn(6, 256, generator=generator) * 4
    return torch.cat([half, half]), torch.tensor(400).expand(6), condition


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_the_call_of_a_guidance_batch_equals_diffusers_own(name: str, tokens: int) -> None:
    denoiser, plain = build(name)
    z, t, c = inputs(name)
    context = torch.stack([c.roll(k, 0) for k in range(tokens)], 1)
    expected = plain(z, t, context, return_dict=False)[0]
    assert unet_call.sharable(denoiser.unet, z, t)
    with denoiser.same_condition():
        for _ in range(2):  # the second call finds what the first has kept
            made = denoiser(z, t, context)
            torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(denoiser(z, t, context), expected, atol=1e-5, rtol=0)
    assert (expected[:3] - expected[3:]).abs().max() > 1e-2, "the condition must show"


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_halves_that_differ_and_odd_batches_are_not_taken_for_equal(name: str) -> None:
    denoiser, plain = build(name)
    z, t, c = inputs(name)
    for batch in (z.roll(1, 0) + torch.arange(6.0).view(-1, 1, 1, 1) / 9, z[:3], z[:1]):
        n = len(batch)
        expected = plain(batch, t[:n], c[:n, None], return_dict=False)[0]
        with denoiser.same_condition():
            made = denoiser(batch, t[:n], c[:n])
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_one_half_goes_through_what_comes_before_the_first_cross_attention() -> None:
    denoiser, _ = build("tiny")
    z, t, c = inputs("tiny")
    seen: dict[str, int] = {}
    for name in ("conv_in", "down_blocks.0", "down_blocks.1.resnets.0", "mid_block.resnets.0"):
        denoiser.unet.get_submodule(name).register_forward_hook(
            lambda _module, args, _out, name=name: seen.update({name: len(args[0])})
        )
    denoiser(z, t, c)
    assert list(seen.values()) == [3, 3, 3, 6]


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_the_environment_is_still_heard(name: str) -> None:
    denoiser, _ = build(name)
    z, t, c = inputs(name)
    vector = torch.randn(6, 64, generator=torch.Generator().manual_seed(2))
    plain = copy.deepcopy(denoiser)
    for block in plain.modules():
        if isinstance(block, BasicTransformerBlock):
            block.attn2.set_processor(AttnProcessor2_0())
    expected = plain(z, t.clone(), c, vector)  # one timestep a row in memory: the plain call
    with denoiser.same_condition():
        made = denoiser(z, t, c, vector)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
    assert (made - denoiser(z, t, c)).abs().max() > 1e-3


@torch.no_grad()
def test_timesteps_that_may_differ_gradients_and_other_unets_take_the_plain_call() -> None:
    denoiser, plain = build("middle")
    z, _, c = inputs("middle")
    different = torch.tensor([0, 100, 200, 300, 400, 999])
    assert not unet_call.sharable(denoiser.unet, z, different)
    expected = plain(z, different, c[:, None], return_dict=False)[0]
    torch.testing.assert_close(denoiser(z, different, c), expected, atol=1e-5, rtol=0)
    t = torch.tensor(400).expand(6)
    assert unet_call.sharable(denoiser.unet, z, t)
    with torch.enable_grad():
        assert not unet_call.sharable(denoiser.unet, z, t)
    odd = z[..., :7]
    assert not unet_call.sharable(denoiser.unet, odd, t)
    torch.testing.assert_close(
        denoiser(odd, t, c), plain(odd, t, c[:, None], return_dict=False)[0], atol=1e-5, rtol=0
    )
    classes, _ = build(
        "middle", class_embed_type="projection", projection_class_embeddings_input_dim=256
    )
    assert not unet_call.sharable(classes.unet, z, t), "the condition also enters through the time"


@torch.no_grad()
def test_changed_weights_count_after_sampling_and_nothing_is_left_behind() -> None:
    denoiser, _ = build("middle")
    z, t, c = inputs("middle")
    names = list(denoiser.state_dict())
    before = denoiser(z, t, c)
    with denoiser.same_condition():
        assert list(denoiser.state_dict()) == names
        denoiser(z, t, c)
    assert not any("forward" in vars(module) for module in denoiser.modules())
    for upsampler in (m for m in denoiser.modules() if type(m).__name__ == "Upsample2D"):
        upsampler.conv.weight.mul_(2)
    with denoiser.same_condition():
        assert (denoiser(z, t, c) - before).abs().max() > 1e-2


@pytest.mark.parametrize("whole", [True, False], ids=["the denoiser", "its UNet"])
@torch.inference_mode()
def test_what_is_compiled_follows_a_new_condition_and_environment(whole: bool) -> None:
    """A UNet that is compiled alone is called whole; a denoiser still shares what it can."""
    denoiser, plain = build("tiny")
    names = list(denoiser.state_dict())
    z, t, c = inputs("tiny")
    compiled = denoiser if whole else denoiser.unet
    compiled.compile(backend="eager")  # traces as any backend does, without its C++
    assert list(denoiser.state_dict()) == names
    assert unet_call.sharable(denoiser.unet, z, t) is whole
    for condition in (c, 2 * c):
        expected = plain(z, t, condition[:, None], return_dict=False)[0]
        with denoiser.same_condition():
            made = denoiser(z, t, condition)
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
    vector = torch.randn(6, 64, generator=torch.Generator().manual_seed(2))
    made, expected = denoiser(z, t, c, vector), build("tiny")[0](z, t, c, vector)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)
