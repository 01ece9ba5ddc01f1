"""The card's commands, pasted, train the same: every option, read by the command line itself."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from codixr import cli
from codixr.arguments import filled
from codixr.commands.train import Request, _configs, parse_settings
from codixr.model.components import save_preset
from codixr.model.presets import Preset, at_size, named
from codixr.training.folder import TrainingFolder
from codixr.training.founding import usual
from codixr.training.model_card import commands
from codixr.training.settings import resolved

STUDIES = 8000
SETTINGS: list[list[str]] = [
    [],
    ["steps=6", "batch=32", "precision=bf16"],
    ["epochs=1"],
    ["epochs=2", "report-ldm.steps=7", "alignment-F+T.seed=3"],
    ["steps=5", "image-ldm.epochs=2", "report-ldm.refine_steps=0"],
    ["steps=24000", "epochs=3"],
    ["report-vae.epochs=3", "report-vae.steps=3500", "steps=100"],
    ["model.steps=5", "guidance=2", "guidance_interval=0.1,0.9", "lateral_guidance=none"],
    ["condition_fusion=tokens", "scheduler=DDIM", "workers=3", "save_every=none", "cache=true"],
    ["report_clip=none", "report_tokens=30", "model.lower_case=true", "tf32=false"],
]


def asked(words: Sequence[str]) -> Request:
    """What a command line asks for."""
    options = cli._parsed(["train", *words])
    return filled(Request, options, settings=parse_settings(options.settings))


def trains(request: Request) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Every number of the stages, their steps worked out, and of the model that a request makes."""
    stages, model = _configs(request)
    begun = usual(request.preset, request.init)
    rest = {name: value for name, value in model.items() if name != "lower_case"}
    numbers = asdict(replace(begun.diffusion, **rest))
    numbers["lower_case"] = model.get("lower_case", begun.lower_case)
    about = {"limit": request.limit, "data": request.data, "init": request.init}
    about["image_size"] = request.image_size or begun.image_size
    each = {name: asdict(resolved(config, STUDIES)) for name, config in stages.items()}
    return each, numbers | about


def made(request: Request) -> tuple[TrainingFolder, dict[str, Any]]:
    """The folder that a request leaves, as the card reads it, and its stages' notes."""
    each, model = trains(request)
    preset: Preset = named(request.preset)
    rest = {n: model[n] for n in asdict(preset.diffusion)}
    preset = replace(
        at_size(preset, model["image_size"]),
        diffusion=replace(preset.diffusion, **rest),
        tokenizers=replace(preset.tokenizers, lower_case=model["lower_case"]),
    )
    told = {"data": {"studies": {"train": STUDIES}}}
    notes = {stage: told | {"config": json.loads(json.dumps(c))} for stage, c in each.items()}
    place = SimpleNamespace(
        preset=preset,
        data=request.data,
        init=request.init,
        limit=request.limit,
        keeps_official_vae=False,
    )
    return cast(TrainingFolder, place), notes


def pasted(folder: TrainingFolder, notes: Mapping[str, Any], init: Path | None) -> list[Request]:
    """What the card's commands ask for, with a place for their DIR and CHECKPOINT."""
    lines = [" \\\n        ".join(parts) for parts in commands(folder, notes)]
    joined = [line.replace("\\\n", "").replace("CHECKPOINT", str(init)) for line in lines]
    words = [shlex.split(line) for line in joined]  # as a shell, which joins such lines first
    assert all(some[:2] == ["codixr", "train"] for some in words)
    return [asked(some[2:]) for some in words]


@pytest.fixture(params=[None, "start"], ids=["from-nothing", "init"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """A checkpoint to begin with, whose model is not the preset's own; or none."""
    return None if request.param is None else tmp_path / request.param


def with_start(start: Path | None, preset: str) -> list[str]:
    if start is None:
        return []
    own = replace(named(preset).diffusion, guidance=4.5, report_clip=2.0)
    save_preset(replace(named(preset), diffusion=own), start)
    (start / named(preset).tokenizers.prompt).mkdir()
    return ["--init", str(start)]


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
@pytest.mark.parametrize("settings", SETTINGS, ids=" ".join)
@pytest.mark.parametrize(
    "others",
    [
        ["--data", "phantom"],
        ["--data", "my archive/o'clock", "--limit", "40", "--image-size", "512"],
    ],
    ids=["phantom", "archive"],
)
def test_all(start: Path | None, preset: str, settings: list[str], others: list[str]) -> None:
    sets = [f"--set={setting}" for setting in settings]
    words = ["all", "--preset", preset, *others, "--out", "DIR", *with_start(start, preset), *sets]
    request = asked(words)
    (again,) = pasted(*made(request), start)
    assert again.stage == "all"
    assert trains(again) == trains(request)
    if not settings:
        assert again.settings == {}


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_stages_one_by_one_have_each_its_own_settings(tmp_path: Path, preset: str) -> None:
    init = with_start(tmp_path / "start", preset)
    shared = ["--preset", preset, "--data", "phantom", "--out", "DIR", *init, "--limit", "40"]
    shared += ["--set", "model.guidance=2"]
    runs = [
        ["image-ldm", "--view", "F", "--set", "steps=7", "--set", "low_noise=0.25"],
        ["report-vae", "--set", "epochs=3", "--set", "free_bits=0.5"],
        ["alignment", "--pair", "F+T", "--set", "seed=4", "--set", "report_spread=0.1"],
    ]
    asked_for = [asked([*run, *shared]) for run in runs]
    notes: dict[str, Any] = {}
    for minute, request in enumerate(asked_for):
        folder, own = made(request)
        notes |= {s: n | {"finished": f"2025-01-01T00:0{minute}:00Z"} for s, n in own.items()}
    recipe_order = ("report-vae", "image-ldm-F", "alignment-F+T")
    again = pasted(folder, {s: notes[s] for s in recipe_order}, tmp_path / "start")
    assert [one.stage for one in again] == ["image-ldm", "report-vae", "alignment"]
    assert [trains(one) for one in again] == [trains(request) for request in asked_for]
    assert all("." not in key or key.startswith("model.") for one in again for key in one.settings)


@pytest.mark.parametrize("settings", [[], ["--set", "steps=100"]], ids=["recipe", "alike"])
def test_a_folder_whose_ignored_epochs_were_noted_keeps_its_steps(settings: list[str]) -> None:
    """Before, epochs beside a recipe's steps changed nothing, and were noted all the same."""
    request = asked(["all", "--preset", "tiny", "--data", "phantom", "--out", "DIR", *settings])
    folder, notes = made(request)
    for stage in ("image-ldm-F", "report-vae"):
        notes[stage]["config"]["epochs"] = 1.0
    (again,) = pasted(folder, notes, None)
    found = trains(again)[0]
    assert found == {stage: note["config"] for stage, note in notes.items()}


def test_a_start_that_is_gone_leaves_the_preset_to_compare_with(tmp_path: Path) -> None:
    words = ["all", "--preset", "tiny", "--data", "phantom", "--out", "DIR"]
    init = with_start(tmp_path / "start", "tiny")
    folder, notes = made(asked([*words, *init]))
    folder.init = tmp_path / "gone"
    assert "--set model.guidance=4.5" in commands(folder, notes)[0]
