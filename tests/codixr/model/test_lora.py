"""LoRA on the denoisers' UNets: trained, saved, loaded, mixed, fused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

peft = pytest.importorskip("peft")

from diffusers import StableDiffusionPipeline, UNet2DConditionModel  # noqa: E402

from codixr.errors import InputError  # noqa: E402
from codixr.modality import Modality  # noqa: E402
from codixr.model import lora  # noqa: E402
from codixr.model.pipeline import CoDiXRPipeline  # noqa: E402

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "latent"}
NAME = "pytorch_lora_weights.safetensors"


@pytest.fixture
def own(checkpoint: Path) -> CoDiXRPipeline:
    return CoDiXRPipeline.from_pretrained(checkpoint)


def made(pipe: CoDiXRPipeline, outputs: str = "F") -> Tensor:
    result = pipe(TEXT if "T" not in outputs else {}, outputs, **CALL)
    return result.images[F] if "F" in outputs else result.reports


def trained(pipe: CoDiXRPipeline, *names: str, **options: Any) -> CoDiXRPipeline:
    """Adapters whose second matrices are no longer zero, as after some training."""
    pipe.add_adapter(components=names or ("denoiser_f", "denoiser_l", "denoiser_t"), **options)
    generator = torch.Generator().manual_seed(0)
    adapter = options.get("adapter_name", "default")
    for module in pipe.modules.values():
        for name, weight in module.named_parameters():
            if f"lora_B.{adapter}" in name:
                weight.data = 0.3 * torch.randn(weight.shape, generator=generator)
    return pipe


def test_a_new_adapter_changes_nothing_and_is_all_that_learns(own: CoDiXRPipeline) -> None:
    usual, report = made(own), made(own, "T")
    own.add_adapter(rank=4)
    assert torch.equal(made(own), usual)
    assert torch.equal(made(own, "T"), report)
    for name in ("denoiser_f", "denoiser_t"):
        unet = getattr(own, name).unet
        learns = {n for n, p in unet.named_parameters() if p.requires_grad}
        assert learns
        assert all(".lora_" in n for n in learns)
    z, t = torch.randn(2, 12, 8, 8), torch.tensor([5, 9])
    own.denoiser_f(z, t, torch.randn(2, 256)).square().mean().backward()
    second = [p for n, p in own.denoiser_f.named_parameters() if ".lora_B." in n]
    assert all(p.grad is not None and p.grad.any() for p in second)


def test_it_adds_the_product_of_its_matrices(own: CoDiXRPipeline, checkpoint: Path) -> None:
    """By hand: W + alpha / r B A in every map that has an adapter."""
    trained(own, "denoiser_f", config=peft.LoraConfig(r=2, lora_alpha=6, target_modules=lora.USED))
    by_hand = CoDiXRPipeline.from_pretrained(checkpoint)
    state = dict(own.denoiser_f.unet.named_parameters())
    changed = 0
    for name, weight in by_hand.denoiser_f.unet.named_parameters():
        stem = name.removesuffix(".weight")
        if f"{stem}.lora_A.default.weight" in state:
            a, b = (state[f"{stem}.lora_{m}.default.weight"] for m in "AB")
            weight.data += 3 * b @ a
            changed += 1
    assert changed > 8
    torch.testing.assert_close(made(own), made(by_hand), atol=1e-4, rtol=1e-4)


def test_a_saved_adapter_comes_back_and_is_no_part_of_the_model(
    own: CoDiXRPipeline, checkpoint: Path, tmp_path: Path
) -> None:
    usual = made(CoDiXRPipeline.from_pretrained(checkpoint))
    adapted, report = made(trained(own)), made(own, "T")
    assert (adapted - usual).abs().max() > 1e-2
    own.save_lora_weights(tmp_path / "lora")
    own.save_pretrained(tmp_path / "model")
    again = CoDiXRPipeline.from_pretrained(tmp_path / "model")
    assert torch.equal(made(again), usual)
    again.load_lora_weights(tmp_path / "lora")
    assert torch.equal(made(again), adapted)
    assert torch.equal(made(again, "T"), report)
    assert again.get_list_adapters() == {
        name: ["default"] for name in ("denoiser_f", "denoiser_l", "denoiser_t")
    }
    again.unload_lora_weights()
    assert torch.equal(made(again), usual)
    assert again.get_list_adapters() == {}
    again.load_lora_weights(load_file(tmp_path / "lora" / NAME))
    torch.testing.assert_close(made(again), adapted)  # ranks are read off the shapes


def test_diffusers_own_unet_reads_the_file_the_same(own: CoDiXRPipeline, tmp_path: Path) -> None:
    trained(own, "denoiser_f", config=peft.LoraConfig(r=4, lora_alpha=2, target_modules=lora.USED))
    own.save_lora_weights(tmp_path / "lora")
    own.save_pretrained(tmp_path / "model")
    theirs = UNet2DConditionModel.from_pretrained(tmp_path / "model" / "denoiser_f")
    theirs.load_lora_adapter(tmp_path / "lora", prefix="denoiser_f", weight_name=NAME)
    z, t, c = torch.randn(2, 12, 8, 8), torch.tensor([5, 900]), torch.randn(2, 256)
    with torch.no_grad():
        ours = own.denoiser_f(z, t, c)
        torch.testing.assert_close(theirs(z, t, c[:, None]).sample, ours, atol=1e-4, rtol=1e-4)


def test_a_file_that_diffusers_pipelines_write_goes_to_both_views(
    own: CoDiXRPipeline, tmp_path: Path
) -> None:
    unet = own.denoiser_l.unet
    unet.add_adapter(peft.LoraConfig(r=3, target_modules=["to_v", "to_out.0"]))
    for name, weight in unet.named_parameters():
        if "lora_B" in name:
            weight.data = 0.3 * torch.randn(weight.shape)
    state = peft.get_peft_model_state_dict(unet)
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=state)
    own.unload_lora_weights()
    usual = made(own)
    own.load_lora_weights(tmp_path)
    assert own.get_list_adapters() == {"denoiser_f": ["default"], "denoiser_l": ["default"]}
    assert (made(own) - usual).abs().max() > 1e-3
    for name in ("denoiser_f", "denoiser_l"):
        loaded = peft.get_peft_model_state_dict(getattr(own, name).unet)
        assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_adapters_are_mixed_switched_and_fused(own: CoDiXRPipeline) -> None:
    usual = made(own)
    trained(own, adapter_name="one")
    one = made(own)
    trained(own, adapter_name="two", config=peft.LoraConfig(r=2, target_modules=["to_v"]))
    two = made(own)
    assert own.get_active_adapters() == ["two"]
    own.set_adapters(["one", "two"], [1.0, 0.0])
    torch.testing.assert_close(made(own), one)
    own.set_adapters("two")
    torch.testing.assert_close(made(own), two)
    own.set_adapters(["one", "two"], 0.5)
    both = made(own)
    assert min((both - x).abs().max() for x in (usual, one, two)) > 1e-3
    own.disable_lora()
    assert torch.equal(made(own), usual)
    own.enable_lora()
    torch.testing.assert_close(made(own), both)
    own.fuse_lora()
    torch.testing.assert_close(made(own), both, atol=1e-4, rtol=1e-4)
    own.unfuse_lora()
    torch.testing.assert_close(made(own), both, atol=1e-4, rtol=1e-4)
    own.delete_adapters("one")
    assert own.get_list_adapters()["denoiser_f"] == ["two"]


def test_fused_weights_are_saved(own: CoDiXRPipeline, tmp_path: Path) -> None:
    adapted = made(trained(own))
    own.fuse_lora()
    own.save_pretrained(tmp_path)
    again = made(CoDiXRPipeline.from_pretrained(tmp_path))
    torch.testing.assert_close(again, adapted, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(
    "target", ["ff.net.0.proj", "proj_out", "conv", "conv1", "time_emb_proj", "linear_1"]
)
def test_no_shortcut_of_the_sampler_passes_an_adapter_by(own: CoDiXRPipeline, target: str) -> None:
    """The sampler's own call of the UNet beside diffusers' plain one."""
    config = peft.LoraConfig(r=2, target_modules=[target])
    trained(own, "denoiser_f", config=config)
    z, c = torch.randn(2, 12, 8, 8), torch.randn(2, 256)
    t = torch.tensor(500)
    unet = own.denoiser_f.unet
    with torch.no_grad(), own.denoiser_f.same_condition():
        ours = own.denoiser_f(z, t.expand(2), c)
    with torch.no_grad():
        theirs = unet(z, t, c[:, None]).sample
        own.disable_lora()
        without = unet(z, t, c[:, None]).sample
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert (theirs - without).abs().max() > 1e-3


def _file(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file(tensors, path)
    return path


def test_what_is_no_adapter_of_this_model_is_refused_in_words(
    own: CoDiXRPipeline, tmp_path: Path
) -> None:
    one = torch.zeros(2, 2)
    key = "down_blocks.9.attn1.to_q.lora_A.weight"
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    wrong: list[tuple[Any, str]] = [
        (tmp_path / "none", "no LoRA weights at"),
        (tmp_path / "bad.safetensors", "cannot be read as LoRA weights"),
        (_file(tmp_path / "a.safetensors", {"text_encoder.x.lora_A.weight": one}), "not a LoRA"),
        (_file(tmp_path / "b.safetensors", {"denoiser_f.conv_in.weight": one}), "not a LoRA"),
        (_file(tmp_path / "c.safetensors", {f"denoiser_f.{key}": one}), "adapter 'default'"),
        ({f"denoiser_x.{key}": one}, "'denoiser_x' is not one of denoiser_f"),
    ]
    trained(own, "denoiser_f", rank=2)
    own.save_lora_weights(tmp_path)
    own.unload_lora_weights()
    narrow = {k: v[..., :3] if "lora_A" in k else v for k, v in load_file(tmp_path / NAME).items()}
    wrong.append((narrow, "is of another network"))
    usual = made(own)
    for place, message in wrong:
        with pytest.raises(InputError, match=message):
            own.load_lora_weights(place)
        assert own.get_list_adapters() == {}
    assert torch.equal(made(own), usual)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.add_adapter(), "adapter 'default' is there already"),
        (lambda p: p.add_adapter({"r": 2}, "new"), r"give a peft\.LoraConfig, not dict"),
        (lambda p: p.add_adapter(components=["unet"]), "'unet' is not one of denoiser_f"),
        (lambda p: p.set_adapters("other"), "there is no adapter 'other'; there are default"),
        (lambda p: p.set_adapters(["default"], [1, 2]), "2 adapter_weights for 1 adapters"),
        (lambda p: p.save_lora_weights("x", adapter_name="other"), "there is no adapter 'other'"),
    ],
)
def test_names_and_numbers_that_do_not_fit_are_refused(
    own: CoDiXRPipeline, call: Any, message: str
) -> None:
    own.add_adapter(rank=2)
    with pytest.raises(InputError, match=message):
        call(own)


def test_without_peft_it_says_what_to_install(
    own: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"pip install 'codixr\[lora\]'"):
        own.add_adapter()
