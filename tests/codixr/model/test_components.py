"""Saving and loading the components, and what happens to damaged ones."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from codixr.errors import InputError
from codixr.model import components, presets
from codixr.model.checkpoint_info import checkpoint_sha256
from codixr.model.pipeline import CoDiXRPipeline


def test_the_tiny_model_keeps_within_ten_million_parameters() -> None:
    preset = presets.tiny(80)
    total = sum(p.numel() for b in components.BUILDERS.values() for p in b(preset).parameters())
    assert total <= 10_000_000


def test_a_preset_survives_a_round_trip(tmp_path: Path) -> None:
    preset = presets.tiny(80)
    components.save_preset(preset, tmp_path)
    assert components.load_preset(tmp_path) == preset


def test_weights_survive_a_round_trip_and_tied_ones_stay_tied(tmp_path: Path) -> None:
    preset = presets.tiny(80)
    vae = components.BUILDERS["report_vae"](preset)
    components.save_component(vae, tmp_path / "report_vae")
    loaded = components.load_component(preset, "report_vae", tmp_path)
    for (name, a), b in zip(vae.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    head, words = loaded.decoder.lm_head.weight, loaded.decoder.transformer.wte.weight
    assert head.data_ptr() == words.data_ptr()


def copied(checkpoint: Path, to: Path) -> Path:
    shutil.copytree(checkpoint, to)
    return to


def test_a_missing_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint at"):
        CoDiXRPipeline.from_pretrained(tmp_path / "nowhere")


def test_a_name_that_no_folder_can_have_is_no_damaged_checkpoint() -> None:
    with pytest.raises(InputError, match=r"^no checkpoint there: .* is too long for the name"):
        CoDiXRPipeline.from_pretrained("x" * 300)


def test_a_missing_component_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    (folder / "denoiser_l" / "environment" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks .*denoiser_l"):
        CoDiXRPipeline.from_pretrained(folder)


def test_a_truncated_component_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    path = folder / "image_vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"image_vae.*damaged or cut short"):
        CoDiXRPipeline.from_pretrained(folder)


def test_a_component_of_another_size_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    index = json.loads((folder / "model_index.json").read_text())
    index["preset"]["image_unet"]["block_out_channels"] = [64, 96]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"denoiser_f.*does not fit the preset"):
        CoDiXRPipeline.from_pretrained(folder)


def test_a_damaged_index_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    (folder / "model_index.json").write_text('{"name": "tiny", "surprise": 1}')
    with pytest.raises(InputError, match="unknown fields: surprise"):
        CoDiXRPipeline.from_pretrained(folder)
    (folder / "model_index.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        CoDiXRPipeline.from_pretrained(folder)


def test_the_checkpoint_hash_changes_with_one_byte(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    before = checkpoint_sha256(folder)
    path = folder / "denoiser_f" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert checkpoint_sha256(folder) != before


def test_a_word_that_the_index_may_not_hold_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = copied(checkpoint, tmp_path / "c")
    index = folder / "model_index.json"
    index.write_text(
        index.read_text().replace('"condition_fusion": "mean"', '"condition_fusion": "sum"')
    )
    with pytest.raises(InputError, match="says 'sum' where it must be one of mean, tokens"):
        components.load_preset(folder)
