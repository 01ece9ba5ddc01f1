"""Presets from nothing at 256x256: ``small``, its start from another autoencoder, other sizes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from codixr.cli import main
from codixr.commands.train import Request, train
from codixr.data.phantom.phantom_plan import plan_phantom
from codixr.data.shards import prepare
from codixr.errors import InputError
from codixr.model import components, presets
from codixr.model.byte_tokenizer import byte_tokenizer
from codixr.model.official.start import with_image_vae
from codixr.model.parameters import sizes
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.tokenizer import decode, encode
from codixr.training.data import open_training_data
from codixr.training.folder import TrainingFolder
from codixr.training.recipes import SMALL
from codixr_bench.cli import main as bench
from codixr_bench.result import Result
from codixr_bench.task import GROUPS
from helpers.prepared_folders import prepared_folder

FEW = {
    "validate_every": "0",
    "tracker": "none",
    "precision": "no",
    "refine_steps": "0",
}


def sd_vae(folder: Path, width: int = 32) -> Path:
    """An autoencoder as Stable Diffusion's, narrow, with random weights."""
    torch.manual_seed(3)
    numbers = presets.paper().image_vae.autoencoder
    AutoencoderKL(
        **numbers | {"block_out_channels": [width] * 4, "layers_per_block": 1}
    ).save_pretrained(folder)
    return folder


def test_small_has_100_to_200_million_parameters_with_its_own_vae_and_with_stable_diffusions() -> (
    None
):
    own = presets.named("small")
    theirs = with_image_vae(own, presets.paper().image_vae)
    counts = [sizes(preset).total.parameters / 1e6 for preset in (own, theirs)]
    assert [round(count, 1) for count in counts] == [121.6, 195.0]
    assert theirs.latent_size == own.latent_size == 32
    assert theirs.image_unet == own.image_unet


def test_small_is_in_every_table_that_names_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--preset", "small"]) == 0
    assert "121.63" in capsys.readouterr().out
    with pytest.raises(InputError, match="--preset big: give one of tiny, small, paper"):
        presets.named("big")


@pytest.mark.parametrize(
    "text",
    ["No acute process.", "HEART  SIZE\nnormal; 3.5 cm, ill-defined", "Lungenödem – čistý 肺"],
)
def test_bytes_are_read_and_written_to_the_letter(text: str) -> None:
    tokenizer = byte_tokenizer(["No acute process. Heart size normal."] * 3)
    ids, _ = encode(tokenizer, [text], 128)
    assert decode(tokenizer, ids[:, 1:]) == [text]


def test_the_same_reports_give_the_same_tokens() -> None:
    reports = ["large left effusion", "no effusion", "left lung clear", "large heart"] * 5
    first, second = (byte_tokenizer(reports).get_vocab() for _ in range(2))
    assert first == second
    assert len(byte_tokenizer(reports, 270)) == 270


@pytest.mark.parametrize(("name", "size"), [("tiny", 256), ("small", 512), ("paper", 512)])
def test_a_preset_at_another_size_is_the_same_networks(name: str, size: int) -> None:
    old = presets.named(name)
    new = presets.at_size(old, size)
    assert (new.image_size, new.latent_size) == (size, size // 8)
    with torch.device("meta"):
        for part, build in components.BUILDERS.items():
            ours, theirs = build(new).state_dict(), build(old).state_dict()
            different = [n for n in theirs if ours[n].shape != theirs[n].shape]
            # The vision tower has a place for each patch.
            assert all("position_embedding" in n for n in different), part
    assert presets.at_size(old, old.image_size) == old


@pytest.mark.parametrize(("name", "cure"), [("tiny", "16, e.g. 112"), ("small", "32, e.g. 128")])
def test_a_size_that_cannot_be_halved_is_refused_with_the_next_that_can(
    name: str, cure: str
) -> None:
    with pytest.raises(InputError, match=f"--image-size 100: .* give a multiple of {cure}"):
        presets.at_size(presets.named(name), 100)


@pytest.mark.slow
def test_tiny_trains_at_another_size_by_one_option(tmp_path: Path) -> None:
    out = tmp_path / "run"
    few = FEW | {"steps": "1", "batch": "2", "vocabulary_texts": "300"}
    request = Request(
        "all", "tiny", "phantom", out, settings=few, image_size=256, limit=2, threads=1
    )
    train(request)
    pipe = CoDiXRPipeline.from_pretrained(out / "model")
    made = pipe({"T": "large left pleural effusion."}, "F+L", num_inference_steps=1)
    assert {m: np.asarray(image[0]).shape[:2] for m, image in made.images.items()} == {
        "F": (256, 256),
        "L": (256, 256),
    }
    with pytest.raises(InputError, match="makes pictures of 256 pixels, not --image-size 64"):
        train(replace(request, image_size=64))


def test_data_of_another_size_name_the_option(tmp_path: Path) -> None:
    prepare(plan_phantom(limit=2), tmp_path / "data", quiet=True)
    with pytest.raises(InputError, match=r"64 pixels wide, the model's 256; .*--image-size 64"):
        train(Request("all", "small", str(tmp_path / "data"), tmp_path / "run", settings=FEW))
    assert not (tmp_path / "run" / "model_index.json").exists()


def test_a_folder_of_another_size_says_so_and_not_that_its_data_is_other(tmp_path: Path) -> None:
    def opened(side: int) -> TrainingFolder:
        data = open_training_data("phantom", side, 2)
        return TrainingFolder(tmp_path / "run", "tiny", "phantom", data, side)

    opened(256)
    with pytest.raises(InputError, match="makes pictures of 256 pixels, not --image-size 64"):
        opened(64)


def test_a_start_brings_the_autoencoder_alone_and_says_what_belongs_to_paper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, to = str(sd_vae(tmp_path / "vae")), str(tmp_path / "start")
    words = ["init", "--preset", "small", "--vae", place, "--to", to]
    assert main([*words, "--clip", place]) == 2
    assert "--clip belongs to --preset paper" in capsys.readouterr().err
    assert main(["init", "--preset", "paper", "--vae", place, "--to", to]) == 2
    assert "--preset paper needs --unet too" in capsys.readouterr().err
    assert main(words) == 0
    preset = components.load_preset(tmp_path / "start")
    assert (preset.name, preset.image_vae.channels, preset.latent_size) == ("small", 3, 32)
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
def test_another_autoencoder_stays_frozen_through_a_training(tmp_path: Path) -> None:
    assert main(["init", "--preset", "small", "--vae", str(sd_vae(tmp_path / "vae")),
                 "--to", str(tmp_path / "start")]) == 0  # fmt: skip
    few = FEW | {"steps": "1", "batch": "2"}
    request = Request(
        "image-vae", "small", "phantom", tmp_path / "run", settings=few, init=tmp_path / "start",
        limit=4, threads=1,
    )  # fmt: skip
    train(request)
    assert not (tmp_path / "run" / "stages" / "image-vae").exists()
    for stage in ("prompt-encoders", "image-ldm"):
        train(replace(request, stage=stage))
    preset = components.load_preset(tmp_path / "run")
    ours = components.load_component(preset, "image_vae", tmp_path / "run")
    theirs = AutoencoderKL.from_pretrained(tmp_path / "vae").state_dict()
    for name, weight in ours.get_submodule("autoencoder").state_dict().items():
        assert torch.equal(weight, theirs[name])
    assert len(preset.prompt.text) == len(presets.named("small").prompt.text)
    assert preset.prompt.text["vocab_size"] < 8192  # of the four reports, not of the start


@pytest.mark.slow
def test_small_trains_on_an_archive_at_256_and_runs_every_task_of_the_paper(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 steps a stage, one or two studies at once, on a fake MIMIC-CXR; then the benchmark."""
    data = prepared_folder("mimic-cxr", tmp_path)
    settings = FEW | {"steps": "20", "batch": "2", "image-vae.batch": "1", "model.steps": "4"}
    out = tmp_path / "run"
    made = train(Request("all", "small", str(data), out, settings=settings))
    assert made == [out / "model"]
    for stage in SMALL:
        done = json.loads((out / "stages" / stage / "done.json").read_text())
        assert done["steps"] == 20, stage
        assert all(np.isfinite(value) for value in done["loss"].values()), stage
    words = ["run", "--model", f"codixr:{out / 'model'}", "--track", "mimic-cxr"]
    words += ["--data", str(data), "--limit", "2", "--task", "paper", "--out", str(tmp_path / "b")]
    assert bench(words) == 0, capsys.readouterr().err
    results = [Result.load(path) for path in sorted((tmp_path / "b").rglob("result.json"))]
    assert {result.task for result in results} == {task.name for task in GROUPS["paper"]}
    assert len(results) == 9
    assert {result.generation["preset"] for result in results} == {"small"}
