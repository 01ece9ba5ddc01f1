"""Released weights as our folder: names, arithmetic, what is dropped, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from codixr.cli import main
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.convert import as_released, convert, take_component
from codixr.model.convert.source import Source
from codixr.model.pipeline import CoDiXRPipeline, Settings
from helpers.codi_release import WORDS, Released, image_unet, report_unet, small, tokenizers


@pytest.fixture(scope="module", params=["codi", "xgem"])
def converted(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    source = Released(request.param)
    target = folder / "out"
    record = convert(source.write(folder), target, preset=small(), tokenizers=tokenizers())
    return source, target, record


@torch.no_grad()
def test_every_module_computes_what_the_source_computes(converted: tuple[Any, Path, Any]) -> None:
    source, folder, _ = converted
    pipe = CoDiXRPipeline.from_pretrained(folder)
    near = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)  # noqa: E731
    torch.manual_seed(1)
    t = torch.tensor([3, 700])
    z, c, e = torch.randn(2, 4, 8, 8), torch.randn(2, 32), torch.randn(2, 48)
    views = list(source.views.values())
    for view, unet in ((Modality.F, views[0]), (Modality.L, views[-1])):
        ours = pipe.denoisers[view]
        near(ours(z, t, c), unet(z, t, c))
        near(ours(z, t, c, e), unet(z, t, c, e))
        assert (unet(z, t, c) - unet(z, t, c, e)).abs().max() > 1e-2
        near(ours.encode_environment(z, t), unet.vector(z, t))
    y, ours = torch.randn(2, 32), pipe.denoisers[Modality.T]
    near(ours(y, t, c), source.report(y, t, c))
    near(ours(y, t, c, e), source.report(y, t, c, e))
    near(ours.encode_environment(y, t), source.report.vector(y, t))
    images = torch.rand(2, 1, 64, 64)
    raw = source.vae.mean(images.expand(-1, 3, -1, -1) * 2 - 1)
    near(pipe.image_vae.encode(images), raw * 0.18215)
    near(pipe.image_vae.reconstruct(raw), (source.vae.decode(raw).mean(1, keepdim=True) + 1) / 2)
    ids = torch.randint(3, 66, (2, 7))
    mask = torch.ones_like(ids)
    pooled = source.bert(input_ids=ids, attention_mask=mask).pooler_output
    near(pipe.report_vae.encode(ids, mask), source.posterior(pooled).chunk(2, 1)[0] * 4.3108)
    near(pipe.report_vae.logits(y, ids), source.decoder(y, ids))
    ended = torch.cat([ids, torch.full((2, 1), 67)], 1)
    mask = torch.ones_like(ended)
    text = source.clip.text_model(input_ids=ended, attention_mask=mask).last_hidden_state[:, -1]
    near(
        pipe.prompt_encoder.encode_text(ended, mask), F.normalize(source.clip.text_projection(text))
    )
    pixels = torch.rand(2, 1, 32, 32)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1)
        for v in (presets.paper().prompt.image_mean, presets.paper().prompt.image_std)
    )
    seen = source.clip.vision_model(pixel_values=(pixels - mean) / std).pooler_output
    near(pipe.prompt_encoder.encode_image(pixels), F.normalize(source.clip.visual_projection(seen)))


def test_the_folder_generates_and_the_record_names_what_was_left(
    converted: tuple[Any, Path, Any],
) -> None:
    source, folder, record = converted
    video = [n for n in source.tensors if "temporal" in n]
    assert sum(record.video_dropped.values()) == sum(source.tensors[n].numel() for n in video)
    assert set(record.unused) == {
        "audio",
        "masks and positions: computed",
        "noise schedule and scales: in the preset",
        "CLIP's temperature: for its training only",
        "GPT-2's head: the same as its embeddings",
    }
    assert json.loads((folder / "conversion.json").read_text())["kind"] == record.kind
    pipe = CoDiXRPipeline.from_pretrained(folder)
    prompt = {Modality.T: f"{WORDS[0]} {WORDS[5]}"}
    settings = Settings(steps=2, attend_to="own")
    made = pipe.generate([prompt], [Modality.F, Modality.L], [0], settings)[0]
    assert made[Modality.F].shape == (1, 64, 64)


def test_a_missing_weight_an_occupied_folder_and_code_in_a_file_are_refused(tmp_path: Path) -> None:
    files = Released("codi").write(tmp_path)
    without = [path for path in files if path.stem != "unet_text"]
    target = tmp_path / "out"
    with pytest.raises(InputError, match=r"denoiser_t: .* are missing.*CoDi_text_diffuser.pth"):
        convert(without, target, preset=small(), tokenizers=tokenizers())
    assert not target.exists()
    with pytest.raises(InputError, match="give a new folder"):
        convert(files, tmp_path, preset=small(), tokenizers=tokenizers())
    torch.save({"x": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(InputError, match="more than tensors"):
        convert([tmp_path / "code.pth"], target)
    (tmp_path / "cut.pth").write_bytes(files[0].read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.pth: cannot be read"):
        convert([tmp_path / "cut.pth"], target)


@torch.no_grad()
def test_a_release_without_environment_parts_makes_flows_that_do_not_hear_each_other() -> None:
    module = report_unet()
    prefix = "model.diffusion_model.unet_text."
    tensors = {prefix + n: t for n, t in module.state_dict().items() if "connecters" not in n}
    meta, weights = take_component(Source(tensors), "denoiser_t", small(), "codi")
    assert not all(p.is_meta for p in meta.parameters())
    ours = components.BUILDERS["denoiser_t"](small()).eval()
    ours.load_state_dict(weights)
    z, t, c = torch.randn(2, 32), torch.tensor([3, 700]), torch.randn(2, 32)
    torch.testing.assert_close(ours(z, t, c, torch.randn(2, 48)), module(z, t, c))
    some = {n: t for n, t in tensors.items() if "middle_block.1" not in n}
    with pytest.raises(InputError, match="are missing"):
        take_component(Source(some), "denoiser_t", small(), "codi")


def test_the_command_names_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "a.pth"), "--to", str(tmp_path / "b")]) == 2
    assert "a.pth: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("component", "unet"), [("denoiser_f", "image"), ("denoiser_t", "text")])
def test_the_names_fit_at_full_width(component: str, unet: str) -> None:
    with torch.device("meta"):
        module = image_unet(320) if unet == "image" else report_unet(320)
    prefix = f"model.diffusion_model.unet_{unet}."
    source = Source({prefix + name: tensor for name, tensor in module.state_dict().items()})
    _, weights = take_component(source, component, presets.paper(), "codi")
    assert not source.unused()
    total = round(sum(w.numel() for w in weights.values()) / 1e6, 1)
    assert total == {"image": 1155.8, "text": 2048.4}[unet]


@pytest.mark.parametrize(("kind", "offset", "lower"), [("codi", 1, False), ("xgem", 0, True)])
def test_a_converted_folder_samples_as_its_release_does(
    kind: Any, offset: int, lower: bool
) -> None:
    preset = as_released(kind)
    diffusion = preset.diffusion
    assert (diffusion.steps_offset, preset.tokenizers.lower_case) == (offset, lower)
    assert (diffusion.report_temperature, diffusion.report_tokens) == (1.0, 30)
