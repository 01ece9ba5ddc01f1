"""`codixr init`: official layouts, random weights, one folder to train from."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from codixr.cli import main
from codixr.commands.train import Request, train
from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.model import components
from codixr.model.convert import take_component
from codixr.model.convert.source import read
from codixr.model.official import components as official
from codixr.model.official.start import Places, starting_preset, write_start
from codixr.model.presets import paper
from codixr.model.tokenizer import word_tokenizer
from helpers.codi_release import small
from helpers.official_weights import UNET, VAE, Optimus, gpt2_tokenizer, whole_size_places

REPORTS = [PhantomDataset("train", limit=40)[i].report or "" for i in range(40)]
WIDTH = 32


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Narrow weights as diffusers, transformers and CoDi write them."""
    folder, preset = tmp_path_factory.mktemp("official"), small()
    torch.manual_seed(2)
    AutoencoderKL(**preset.image_vae.autoencoder).save_pretrained(folder / "vae")
    UNet2DConditionModel(**preset.image_unet).save_pretrained(folder / "unet")
    words = word_tokenizer(REPORTS)
    tower: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    ends = {"vocab_size": len(words), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    CLIPModel(
        CLIPConfig(
            text_config={**tower, **ends},
            vision_config={**tower, "image_size": 32, "patch_size": 16},
            projection_dim=WIDTH,
        )
    ).save_pretrained(folder / "clip")
    for name in ("clip", "bert"):
        words.save_pretrained(folder / name)
    known = gpt2_tokenizer(folder / "gpt2", REPORTS)
    optimus = Optimus(len(words), known + 3)
    weights = {f"optimus.{name}": w for name, w in optimus.state_dict().items()}
    torch.save(weights, folder / "CoDi_encoders.pth")
    return Places(
        *(str(folder / n) for n in ("vae", "unet", "clip", "CoDi_encoders.pth", "bert", "gpt2"))
    )


@pytest.fixture(scope="module")
def start(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "folder"
    write_start(places, folder, small())
    return folder


def test_the_folder_holds_the_official_weights(places: Places, start: Path) -> None:
    preset = components.load_preset(start)
    assert preset.name == "paper"
    assert preset.report_unet.context_dim == preset.prompt.embed_dim == WIDTH
    for name, kind, part, place in (
        ("image_vae", AutoencoderKL, "autoencoder", places.vae),
        ("denoiser_f", UNet2DConditionModel, "unet", places.unet),
        ("denoiser_l", UNet2DConditionModel, "unet", places.unet),
    ):
        ours = components.load_component(preset, name, start).get_submodule(part).state_dict()
        theirs = kind.from_pretrained(place).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not (start / "denoiser_t").exists()


def shapes(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in state.items()}


def test_at_full_width_every_official_name_has_its_place(tmp_path: Path) -> None:
    """On ``meta``: names and shapes as published, and the sizes of the paper."""
    found = whole_size_places(tmp_path)
    places = Places(*(str(path) for path in found.values()), "bert", "gpt2")
    preset = starting_preset(places)
    with torch.device("meta"):
        ours: Any = {name: build(preset) for name, build in components.BUILDERS.items()}
        paper_s = {name: build(paper()) for name, build in components.BUILDERS.items()}
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        clip = CLIPModel(CLIPConfig.from_pretrained(found["clip"]))
    for name in ("denoiser_f", "denoiser_l"):
        assert shapes(ours[name].unet.state_dict()) == shapes(unet.state_dict())
    assert shapes(ours["image_vae"].autoencoder.state_dict()) == shapes(vae.state_dict())
    towers = [ours["prompt_encoder"].text, ours["prompt_encoder"].vision]
    used = {name: shape for tower in towers for name, shape in shapes(tower.state_dict()).items()}
    assert used.items() <= shapes(clip.state_dict()).items()
    assert set(clip.state_dict()) - set(used) == {"logit_scale"}
    source = read([found["CoDi_encoders"]])
    _, weights = take_component(source, "report_vae", preset, "codi")
    assert round(sum(w.numel() for w in weights.values()) / 1e6, 1) == 241.6
    for name, module in ours.items():
        assert sum(p.numel() for p in module.parameters()) == sum(
            p.numel() for p in paper_s[name].parameters()
        ), name


def test_an_autoencoder_in_diffusers_first_names_is_read(places: Places, tmp_path: Path) -> None:
    """Stable Diffusion 1.5's file still says query, key, value and proj_attn."""
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    shutil.copytree(places.vae, tmp_path / "vae")
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    state, renamed = load_file(path), {}
    for name, weight in state.items():
        for ours, theirs in older.items():
            name = name.replace(f"attentions.0.{ours}.", f"attentions.0.{theirs}.")
        renamed[name] = weight
    assert len(set(renamed) - set(state)) == 16
    save_file(renamed, path)
    loaded = official.load(small(), "image_vae", tmp_path / "vae", None).state_dict()
    for name, weight in state.items():
        assert torch.equal(loaded[f"autoencoder.{name}"], weight)


def test_what_is_new_changes_nothing_until_it_is_trained(start: Path) -> None:
    denoiser: Any = components.load_component(components.load_preset(start), "denoiser_f", start)
    x, t, condition = torch.randn(2, 4, 8, 8), torch.tensor([5, 5]), torch.randn(2, WIDTH)
    with torch.no_grad():
        alone = denoiser(x, t, condition)
        joint = denoiser(x, t, condition, torch.randn(2, 48))
    torch.testing.assert_close(alone, joint)


def test_parts_that_do_not_fit_are_refused(places: Places, tmp_path: Path) -> None:
    wide = UNet2DConditionModel(**{**small().image_unet, "cross_attention_dim": 64})
    wide.save_pretrained(tmp_path / "wide")
    with pytest.raises(InputError, match="prompts' width would be 32, the denoisers take 64"):
        starting_preset(replace(places, unet=str(tmp_path / "wide")), small())
    with pytest.raises(InputError, match="is a folder; give a file"):
        starting_preset(replace(places, optimus=places.clip), small())


def test_the_command_says_which_place_is_missing(
    places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["init", "--preset", "paper", "--vae", "./nowhere", "--unet", places.unet]
    words += ["--clip", places.clip, "--optimus", places.optimus, "--to", str(tmp_path / "to")]
    assert main(words) == 2
    assert "--vae ./nowhere: no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


def test_the_papers_own_sizes_are_what_the_official_configs_say() -> None:
    """Stable Diffusion 1.5's and CLIP ViT-L/14's numbers, as their folders have them."""
    preset = paper()
    with torch.device("meta"):
        unet = UNet2DConditionModel(**preset.image_unet)
        vae = AutoencoderKL(**preset.image_vae.autoencoder)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863


@pytest.mark.slow
def test_every_stage_of_the_paper_trains_from_the_folder(start: Path, tmp_path: Path) -> None:
    settings = {"steps": "3", "batch": "4", "validate_every": "0", "tracker": "none"}
    settings |= {"precision": "no"}
    request = Request(
        stage="all",
        preset="paper",
        data="phantom",
        out=tmp_path / "run",
        init=start,
        settings=settings,
        limit=8,
        threads=1,
    )
    assert train(request) == [tmp_path / "run" / "model"]
    assert len(list((tmp_path / "run" / "stages").glob("*/done.json"))) == 7
