"""Where parts are while a pipeline works: slices, tiles, offloading, device maps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import nn

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import presets
from codixr.model.image_vae import ImageVAE
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.pipeline_memory import placement

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "pt"}


@pytest.fixture
def own(checkpoint: Path) -> CoDiXRPipeline:
    return CoDiXRPipeline.from_pretrained(checkpoint)


def test_slices_of_the_vae_are_single_pictures_and_the_same(own: CoDiXRPipeline) -> None:
    sizes: list[int] = []
    own.image_vae.autoencoder.decoder.register_forward_hook(
        lambda _m, a, _o: sizes.append(len(a[0]))
    )
    usual = own(TEXT, "F", num_images=3, **CALL).images[F]
    own.enable_vae_slicing()
    sliced = own(TEXT, "F", num_images=3, **CALL).images[F]
    assert sizes == [3, 1, 1, 1]
    torch.testing.assert_close(sliced, usual, atol=1e-5, rtol=0)
    own.disable_vae_slicing()
    own(TEXT, "F", num_images=3, **CALL)
    assert sizes[4:] == [3]


@torch.no_grad()
def test_tiles_bound_what_the_vae_sees_at_once(own: CoDiXRPipeline) -> None:
    """At 192 pixels: tiles of the autoencoder's 32 x 32 (64 before folding), blended."""
    vae: ImageVAE = own.image_vae
    sides: list[int] = []
    vae.autoencoder.decoder.register_forward_hook(lambda _m, a, _o: sides.append(a[0].shape[-1]))
    picture = torch.linspace(0.2, 0.8, 192).expand(1, 1, 192, 192)
    whole = vae.decode(vae.encode(picture))
    own.enable_vae_tiling()
    tiled = vae.decode(vae.encode(picture))
    assert sides[0] == 24
    assert len(sides) > 9
    assert max(sides[1:]) <= 8
    assert tiled.shape == whole.shape
    assert 0 < (tiled - whole).abs().mean() < 0.2
    own.disable_vae_tiling()
    torch.testing.assert_close(vae.decode(vae.encode(picture)), whole)


@torch.no_grad()
def test_pictures_of_the_model_s_own_size_are_one_tile(own: CoDiXRPipeline) -> None:
    usual = own(TEXT, "F", **CALL).images[F]
    own.enable_vae_tiling()
    assert torch.equal(own(TEXT, "F", **CALL).images[F], usual)
    preset = presets.paper()
    assert preset.image_vae.autoencoder["sample_size"] == preset.image_size


class Moves:
    """Stands for an accelerator: says what was sent there and back; the weights stay."""

    def __init__(self, pipe: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        names = {id(module): name for name, module in pipe.modules.items()}
        real = nn.Module.to

        def to(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
            if id(module) not in names or not isinstance(args[0], torch.device | str):
                return real(module, *args, **kwargs)
            self.log.append(f"{names[id(module)]} to {args[0]}")
            return module

        monkeypatch.setattr(nn.Module, "to", to)
        here = lambda check_available=False: torch.device("cuda")  # noqa: E731
        monkeypatch.setattr(torch.accelerator, "current_accelerator", here)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)

    def taken(self) -> list[str]:
        log, self.log = self.log, []
        return log


def test_offloaded_parts_come_when_they_are_needed_and_go_again(
    own: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = own(TEXT, "F", **CALL).images[F]
    moves = Moves(own, monkeypatch)
    own.enable_model_cpu_offload()
    assert set(moves.taken()) == {f"{name} to cpu" for name in own.modules}
    assert own._execution_device == torch.device("cuda")
    assert torch.equal(own(TEXT, "F", **CALL).images[F], usual)
    assert moves.taken() == [
        "prompt_encoder to cuda",
        "prompt_encoder to cpu",
        "denoiser_f to cuda",
        "denoiser_f to cpu",
        "image_vae to cuda",
        "image_vae to cpu",
    ]
    with pytest.raises(InputError, match=r"call remove_all_hooks\(\) before to"):
        own.to("cpu")
    own.remove_all_hooks()
    own(TEXT, "F", **CALL)
    assert moves.taken() == []


def test_denoisers_of_one_call_stay_together_for_all_its_steps(
    own: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves = Moves(own, monkeypatch)
    own.enable_model_cpu_offload(gpu_id=0)
    moves.taken()
    own(TEXT, "F+L", joint="together", **CALL)
    assert [m for m in moves.taken() if "denoiser" in m] == [
        "denoiser_f to cuda:0",
        "denoiser_l to cuda:0",
        "denoiser_f to cpu",
        "denoiser_l to cpu",
    ]
    own.generate([{L: torch.zeros(1, 64, 64).numpy()}], [T], [1])
    log = moves.taken()
    assert [m.split()[0] for m in log[::2]] == ["prompt_encoder", "denoiser_t", "report_vae"]
    assert log[-1] == "report_vae to cpu"


def test_a_call_that_fails_leaves_nothing_on_the_accelerator(
    own: CoDiXRPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves = Moves(own, monkeypatch)
    own.enable_model_cpu_offload()
    moves.taken()

    def fails(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own(TEXT, "F", callback_on_step_end=fails, **CALL)
    assert moves.taken()[-1] == "denoiser_f to cpu"


def test_without_an_accelerator_it_is_said_so(own: CoDiXRPipeline) -> None:
    if torch.accelerator.is_available():
        pytest.skip("there is one here")
    with pytest.raises(InputError, match="torch sees no accelerator here"):
        own.enable_model_cpu_offload()
    with pytest.raises(InputError, match="device 'cuda': torch sees no accelerator here"):
        own.enable_model_cpu_offload(device="cuda")
    with pytest.raises(InputError, match="device 'cuda': torch sees no accelerator here"):
        own.to("cuda", torch.bfloat16)
    with pytest.raises(InputError, match="'balanced': torch sees no accelerator here"):
        CoDiXRPipeline.from_pretrained(device_map="balanced")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.enable_model_cpu_offload(device="cpu"), "the CPU is where parts wait"),
        (lambda p: p.enable_model_cpu_offload(1, "cuda:0"), "gpu_id 1 and device 'cuda:0'"),
        (
            lambda p: p.enable_sequential_cpu_offload(),
            "use enable_model_cpu|not with this pipeline",
        ),
        (lambda p: p.enable_group_offload("cuda"), "use enable_model_cpu_offload"),
        (lambda p: p.to("gpu"), r"to\(gpu\): give a device"),
        (lambda p: p.enable_model_cpu_offload(device="gpu"), "device 'gpu': give cpu, cuda"),
    ],
)
def test_what_cannot_be_placed_is_refused_in_words(
    own: CoDiXRPipeline, call: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(own)


SIZES = {"a": 5, "b": 4, "c": 3, "d": 2}


def test_balanced_parts_go_where_most_room_is_left() -> None:
    placed = placement("balanced", SIZES, {"cuda:0": 8, "cuda:1": 7})
    assert placed is not None
    assert {name: str(device) for name, device in placed.items()} == {
        "a": "cuda:0",
        "b": "cuda:1",
        "c": "cuda:0",
        "d": "cuda:1",
    }
    with pytest.raises(InputError, match=r"c needs 0\.00 GB and no accelerator has that left"):
        placement("balanced", SIZES, {"cuda:0": 7, "cuda:1": 6})


def test_a_device_map_names_one_device_or_some_components(checkpoint: Path) -> None:
    assert placement(None, SIZES) is None
    cuda, cpu = torch.device("cuda:1"), torch.device("cpu")
    assert placement("cuda:1", SIZES) == dict.fromkeys(SIZES, cuda)
    assert placement({"a": "cuda:1", "default": "cpu"}, SIZES) == {
        "a": cuda,
        **dict.fromkeys("bcd", cpu),
    }
    assert placement({"": cpu}, SIZES) == dict.fromkeys(SIZES, cpu)
    for wrong, message in (
        ({"vae": "cpu"}, "device_map: 'vae' is not one of a, b"),
        ({"a": "cpu"}, "device_map: where is b, c, d"),
        ("gpu", "device 'gpu': give cpu, cuda"),
    ):
        with pytest.raises(InputError, match=message):
            placement(wrong, SIZES)
    pipe = CoDiXRPipeline.from_pretrained(checkpoint, device_map={"default": "cpu"})
    assert pipe.device == cpu


def test_a_mapped_pipeline_stays_where_it_is(own: CoDiXRPipeline) -> None:
    own.hf_device_map = {"prompt_encoder": "cpu", "image_vae": "cuda:0"}
    with pytest.raises(InputError, match=r"call reset_device_map\(\) before to"):
        own.to("cpu")
    with pytest.raises(InputError, match=r"call reset_device_map\(\) first"):
        own.enable_model_cpu_offload(device="cuda")
    own.reset_device_map()
    assert own.to("cpu") is own


def test_diffusers_places_a_folder_on_one_device(own: CoDiXRPipeline, tmp_path: Path) -> None:
    own.save_pretrained(tmp_path)
    again = DiffusionPipeline.from_pretrained(tmp_path, device_map="cpu")
    assert torch.equal(again(TEXT, "F", **CALL).images[F], own(TEXT, "F", **CALL).images[F])
    with pytest.raises(InputError, match=r"use CoDiXRPipeline\.from_pretrained"):
        DiffusionPipeline.from_pretrained(tmp_path, device_map="balanced")


def test_the_embedded_model_once_saved_opens_with_diffusers(tmp_path: Path) -> None:
    """Its prompts have a tokenizer of their own."""
    own = CoDiXRPipeline.from_pretrained()
    own.save_pretrained(tmp_path)
    inputs = {"T": "Large left pleural effusion."}
    for again in (
        DiffusionPipeline.from_pretrained(tmp_path),
        CoDiXRPipeline.from_pretrained(tmp_path),
    ):
        ours, theirs = (pipe(inputs, "F+L", **CALL) for pipe in (own, again))
        assert torch.equal(ours.images[F], theirs.images[F])
        picture = ours.images[F][0].numpy()
        assert (
            own({"F": picture}, "T", **CALL).reports == again({"F": picture}, "T", **CALL).reports
        )
        assert replace(again.preset, tokenizers=own.preset.tokenizers) == own.preset
