"""Half precision on a CPU, and what a move to another device could leave behind.

No accelerator here: torch's fake tensors stand for CUDA's. They hold no numbers, but an operation
on tensors of two devices fails as on the real ones.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from codixr.model import components, presets, unet_call
from codixr.model.pipeline import CoDiXRPipeline

GREY = np.full((1, 64, 64), 0.4, np.float32)
REPORT = "Large left pleural effusion."
CALLS: list[tuple[dict[str, Any], str]] = [
    ({"T": REPORT}, "F+L"),
    ({"L": GREY, "T": REPORT}, "F"),
    ({"F": GREY, "L": GREY}, "T"),
    ({}, "F+L+T"),
]


def made(pipe: CoDiXRPipeline, inputs: dict[str, Any], outputs: str, kind: str) -> Any:
    return pipe(inputs, outputs, seed=0, num_images=2, num_inference_steps=3, output_type=kind)


@pytest.fixture(scope="module")
def full() -> CoDiXRPipeline:
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    ("dtype", "largest", "mean"), [(torch.bfloat16, 0.15, 0.01), (torch.float16, 0.02, 0.001)]
)
def test_half_precision_makes_every_output_as_full_precision_does(
    full: CoDiXRPipeline, dtype: torch.dtype, largest: float, mean: float
) -> None:
    half = CoDiXRPipeline.from_pretrained().to(dtype)
    half.set_progress_bar_config(disable=True)
    assert half.dtype is dtype
    for inputs, outputs in CALLS:
        ours, expected = (made(pipe, inputs, outputs, "pt") for pipe in (half, full))
        for view, pictures in ours.images.items():
            difference = (pictures - expected.images[view]).abs()
            assert torch.isfinite(pictures).all()
            assert difference.max() < largest, (inputs, view)
            assert difference.mean() < mean, (inputs, view)
        if "T" in outputs:
            assert all(isinstance(report, str) and report for report in ours.reports)
            latents = [made(pipe, inputs, outputs, "latent").reports for pipe in (half, full)]
            assert latents[0].dtype is torch.float32
            assert (latents[0] - latents[1]).abs().mean() < 10 * mean


def test_loading_in_half_precision_equals_moving_to_it() -> None:
    loaded = CoDiXRPipeline.from_pretrained(torch_dtype=torch.bfloat16)
    moved = CoDiXRPipeline.from_pretrained().to(torch.bfloat16)
    for pipe in (loaded, moved):
        pipe.set_progress_bar_config(disable=True)
    a, b = (made(pipe, {"T": REPORT}, "F", "pt").images["F"] for pipe in (loaded, moved))
    assert torch.equal(a, b)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, nn.Module]]:
    """Every component with its weights on a fake CUDA device, moved there from the CPU."""
    preset = presets.tiny(80)
    with FakeTensorMode(), torch.inference_mode(False), torch.no_grad():
        built = {name: build(preset).eval() for name, build in components.BUILDERS.items()}
        monkeypatch.setattr(torch, "equal", lambda *_: True)  # fake tensors have no numbers
        for module in built.values():
            _move(module, "cuda")
        yield built


def _move(module: nn.Module, device: str) -> None:
    """``module.to(device)``, which fake tensors do not take: parameters and buffers, no more."""
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(weight.to(device)))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, buffer.to(device))


def test_the_fake_device_notices_what_was_left_behind(cuda: dict[str, nn.Module]) -> None:
    vae: Any = cuda["image_vae"]
    with pytest.raises(RuntimeError, match="device"):
        vae.decode(torch.zeros(2, 12, 8, 8))


def test_no_component_leaves_a_tensor_on_the_cpu(cuda: dict[str, nn.Module]) -> None:
    parts: dict[str, Any] = cuda
    grey = torch.zeros(2, 1, 64, 64, device="cuda")
    large = torch.zeros(2, 1, 96, 96, device="cuda")
    ids = torch.ones(2, 7, dtype=torch.long, device="cuda")
    t = torch.zeros((), device="cuda", dtype=torch.long)
    clip, vae, reports = parts["prompt_encoder"], parts["image_vae"], parts["report_vae"]
    condition, vector = clip.encode_text(ids, ids), torch.zeros(2, 64, device="cuda")
    found = [condition, clip.encode_image(grey), clip.encode_image(large)]
    latent = vae.encode(grey, torch.zeros(2, 12, 8, 8, device="cuda"))
    found += [latent, vae.decode(latent)]
    mean = reports.encode(ids, ids)
    found += [mean, reports.logits(mean, ids)]
    for name, z in (("denoiser_f", latent), ("denoiser_l", latent), ("denoiser_t", mean)):
        denoiser = parts[name]
        with denoiser.same_condition():
            for environment in (None, vector):
                found.append(denoiser(z, t.expand(2), condition, environment))
        tokens = torch.stack([condition, condition], 1)
        weights = torch.zeros(2, device="cuda")
        found.append(denoiser(z, torch.zeros(2, device="cuda"), tokens, vector, weights))
        found.append(denoiser.encode_environment(z, t.expand(2)))
    assert unet_call.sharable(parts["denoiser_f"].unet, latent, t.expand(2))
    assert {tensor.device.type for tensor in found} == {"cuda"}
    assert not any("forward" in vars(m) for part in parts.values() for m in part.modules())
