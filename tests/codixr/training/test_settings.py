"""`codixr train --set`: what a setting may be, which of two decides; OUT stays unmade."""

import re
import typing
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from codixr import cli
from codixr.errors import InputError
from codixr.model.configs import DIFFUSION_RANGES, DIFFUSION_WORDS
from codixr.model.presets import DiffusionConfig, named
from codixr.ranges import Range
from codixr.training import stage_config
from codixr.training.folder import MODEL_FIELDS
from codixr.training.model_settings import model_values
from codixr.training.recipes import RECIPES, recipe
from codixr.training.setting_ranges import RANGES, out_of_range
from codixr.training.settings import override, resolved
from codixr.training.stage_config import contradiction

KINDS = [
    kind
    for kind in vars(stage_config).values()
    if isinstance(kind, type) and issubclass(kind, stage_config.StageConfig)
]
WRONG_STAGE = [
    ("seed", "99999999999999999999999", "a whole number from 0 to 100,000,000,000"),
    ("beta2", "1", "a number from 0 to below 1"),
    ("ema", "1", "a number from 0 to below 1"),
    ("prompt-encoders.temperature", "0", "a number from 0.01 to 100"),
    ("alignment.temperature", "1e-9", "a number from 0.01 to 100"),
    ("epochs", "1e300", "a number above 0 up to 1,000,000, or none"),
    ("learning_rate", "0", "a number above 0 up to 10"),
    ("steps", "-3", "a whole number from 1 to 1,000,000,000, or none"),
    ("shift", "-1", "a whole number from 0 to 10,000"),
    ("weight_decay", "1e30", "a number from 0 to 10"),
    ("workers", "-1", "a whole number from 0 to 1,000, or none"),
    ("tracker", "nonsense", "one of aim, all, .*, or none"),
    ("tracker", "", "one of aim, all, .*, or none"),
]
WRONG_MODEL = [
    ("guidance", "-1", "give a number from 0 to 1,000$"),
    ("scheduler", "Foo", "'Foo' is not a scheduler of diffusers; use one of DDIM"),
    ("scheduler", "LCMScheduler", "LCMScheduler does not fit this model"),
    ("model.steps", "0", "give a whole number from 1 "),
    ("train_steps", "0", "give a whole number from 2 "),
    ("train_steps", "10", "24 sampling steps: give 1 to 10"),
    ("train_steps", "100000", "leave .* of a picture: give fewer steps or lower betas"),
    ("steps_offset", "-5", "give a whole number from 0 "),
    ("beta_start", "5", "give a number above 0 and below 1"),
    ("beta_start", "0.5", "beta_start 0.5 is above beta_end 0.012"),
    ("report_tokens", "0", "give a whole number from 1 to 100,000, or none"),
    ("report_clip", "0", "give a number above 0 up to 1,000, or none"),
    ("context_scale", "0", "give a number above 0"),
    ("report_temperature", "-1", "give a number from 0 to 100"),
    ("condition_fusion", "nonsense", "use mean or tokens"),
    ("guidance_interval", "0.8,0.2", "the lower one first"),
    ("lower_case", "maybe", "give true or false"),
]


@pytest.mark.parametrize("plan", [False, True])
@pytest.mark.parametrize(("key", "text", "match"), [*WRONG_STAGE, *WRONG_MODEL])
def test_a_wrong_value_is_one_line_that_names_it_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, text: str, match: str, plan: bool
) -> None:
    out = tmp_path / "new"
    words = ["train", "all", "--preset", "tiny", "--data", "phantom", "--out", str(out)]
    more = ["--plan"] if plan else ["--limit", "12"]
    assert cli.main([*words, "--set", f"{key}={text}", *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(match, line)
    assert line.startswith(f"codixr train: error: --set {key}={text}: ")
    assert not out.exists()


def test_every_number_of_every_stage_and_of_the_model_has_a_range() -> None:
    assert len(KINDS) == 7
    for kind, ranges in [*((k, RANGES) for k in KINDS), (DiffusionConfig, DIFFUSION_RANGES)]:
        hints = typing.get_type_hints(kind)
        numbers = {
            f.name: numbers
            for f in fields(kind)
            if (numbers := {int, float} & {hints[f.name], *typing.get_args(hints[f.name])})
            and f.name != "guidance_interval"
        }
        assert numbers.keys() <= ranges.keys(), kind
        for name, kinds in numbers.items():
            assert ranges[name].whole == (kinds == {int}), name
            assert ranges[name].none == (type(None) in typing.get_args(hints[name])), name
    words = {"prediction_type", "condition_fusion", "joint", "scheduler", "guidance_interval"}
    assert {f.name for f in fields(DiffusionConfig)} == {*DIFFUSION_RANGES, *words}
    assert {*DIFFUSION_WORDS} == words - {"scheduler", "guidance_interval"}


def test_every_recipe_is_within_the_ranges() -> None:
    for stages in RECIPES.values():
        for config in stages.values():
            assert out_of_range(config) is None


@pytest.mark.parametrize(
    ("numbers", "inside", "outside"),
    [
        (Range(0, 1), [0, 0.5, 1], [-1e-9, 1.1, float("nan"), float("inf"), None, True, "1"]),
        (Range(0, 1, above=True, below=True), [0.5], [0, 1]),
        (Range(1, 5, whole=True, none=True), [1, 5, None], [0, 6, 2.0, False, 10**400]),
    ],
)
def test_a_range_has_its_numbers_and_no_others(
    numbers: Range, inside: list[object], outside: list[object]
) -> None:
    assert all(value in numbers for value in inside)
    assert not any(value in numbers for value in outside)


@pytest.mark.parametrize(
    ("name", "value"),
    [("guidance", -1), ("steps", "24"), ("joint", "apart"), ("scheduler", None), ("beta_end", 1.0)],
)
def test_a_model_made_in_python_is_refused_likewise(name: str, value: typing.Any) -> None:
    with pytest.raises(InputError, match=f"^{name} {value!r}: give"):
        DiffusionConfig(**{name: value})


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
def test_settings_of_the_model_that_go_together_are_taken(preset: str) -> None:
    texts = {"train_steps": "400", "model.steps": "5", "scheduler": "DDIM", "lower_case": "true"}
    values = model_values(texts, named(preset).diffusion)
    assert values == {"train_steps": 400, "steps": 5, "scheduler": "DDIM", "lower_case": True}


def test_ddim_is_not_given_a_timestep_that_the_model_does_not_have() -> None:
    with pytest.raises(
        InputError, match=r"1000 sampling steps of DDIMScheduler begin behind the last"
    ):
        model_values({"scheduler": "DDIM", "model.steps": "1000"}, DiffusionConfig())


def steps(preset: str, *settings: str) -> dict[str, tuple[int | None, float | None, int]]:
    texts = dict(text.split("=", 1) for text in settings)
    found = override(recipe(preset), texts, MODEL_FIELDS)[0]
    stages = ("image-ldm-F", "image-ldm-L", "report-ldm")
    return {s: (found[s].steps, found[s].epochs, found[s].refine_steps) for s in stages}


def test_the_longer_prefix_decides_in_whatever_order() -> None:
    wanted = [(7, None, 3), (9, None, 3), (6, None, 6)]
    some = ("steps=6", "image-ldm.steps=9", "image-ldm-F.steps=7")
    for order in (some, some[::-1], (some[1], some[0], some[2])):
        assert list(steps("tiny", *order).values()) == wanted
    for order in (("model.guidance=2", "guidance=3"), ("guidance=3", "model.guidance=2")):
        texts = dict(text.split("=", 1) for text in order)
        assert override(recipe("tiny"), texts, MODEL_FIELDS)[1] == {"model.guidance": "2"}


def test_epochs_stand_in_place_of_the_recipe_s_steps_unless_steps_are_given_too() -> None:
    def first(preset: str, *settings: str) -> tuple[int | None, float | None, int]:
        return steps(preset, *settings)["image-ldm-F"]

    assert first("tiny", "epochs=1") == (None, 1.0, 0)
    assert first("tiny", "epochs=none") == (24000, None, 9000)
    assert first("tiny", "steps=8", "epochs=1") == (8, 1.0, 3)
    assert first("tiny", "epochs=1", "image-ldm.steps=8") == (8, 1.0, 3)
    assert first("tiny", "image-ldm.epochs=1", "steps=8") == (None, 1.0, 0)
    assert first("tiny", "epochs=1", "image-ldm.refine_steps=5") == (None, 1.0, 5)
    assert first("small", "steps=8") == (8, 250.0, 0)
    assert first("small", "epochs=2") == (None, 2.0, 0)


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("before", ["", "epochs=2", "steps=8", "steps=8 epochs=1", "batch=4"])
@pytest.mark.parametrize("now", ["", "epochs=3", "steps=9", "image-ldm.steps=7 clip=2"])
def test_what_a_refusal_offers_goes_on_with_what_was_begun(
    preset: str, before: str, now: str
) -> None:
    def image_ldm(words: str) -> stage_config.StageConfig:
        texts = dict(text.split("=", 1) for text in words.split())
        config = override(recipe(preset), texts, MODEL_FIELDS)[0]["image-ldm-F"]
        return resolved(config, studies=8000)

    saved = asdict(image_ldm(before))
    found = contradiction("image-ldm-F", saved, image_ldm(now))
    assert (found is None) == (before == now)
    if found is not None:
        cure = " ".join(re.findall(r"--set (\S+)", found.cure))
        assert contradiction("image-ldm-F", saved, image_ldm(f"{now} {cure}")) is None


def test_what_is_not_installed_here_may_be_planned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", lambda: ["tensorboard"])
    words = ["train", "report-ldm", "--preset", "tiny", "--set", "tracker=wandb"]
    assert cli.main([*words, "--plan"]) == 0
    capsys.readouterr()
    assert cli.main([*words, "--data", "phantom", "--out", str(tmp_path / "new")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "tracker wandb is not installed: `pip install wandb`, or --set tracker=none" in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("key", [".clip", "image-ldm.", ".", "model.", "image-ldm..clip", "a.b"])
def test_a_name_without_its_stage_or_its_key_is_refused(key: str) -> None:
    with pytest.raises(InputError, match=f"^--set {key}=5: "):
        override(recipe("tiny"), {key: "5"}, MODEL_FIELDS)


@pytest.mark.parametrize(
    ("key", "text", "match"),
    [
        ("weight_fl", "0", "are all 0: give one above 0"),
        ("prompt-encoders.near_misses", "3", "needs --set prompt-encoders.frozen_text=true"),
        ("report-ldm.condition_mix", "text-only", "its conditions are X-rays: use all-subsets"),
    ],
)
def test_what_contradicts_itself_is_said_before_any_stage_runs(
    key: str, text: str, match: str
) -> None:
    none = {"weight_tf": "0", "weight_tl": "0"} if key == "weight_fl" else {}
    with pytest.raises(InputError, match=match):
        override(recipe("tiny"), none | {key: text}, MODEL_FIELDS)


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("lora_rank=4", "lora_rank=4 trains beside finished weights"),
        ("precision=fp16", "precision=fp16 needs a GPU"),
        ("clip=5\n6", r"--set 'clip': "),
        ("clip=" + "9" * 200, r"--set clip=… \(\d+ characters\): give a number above 0"),
    ],
)
def test_nor_is_out_made_for_these(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, match: str
) -> None:
    out = tmp_path / "new"
    words = ["train", "report-ldm", "--preset", "tiny", "--data", "phantom", "--out", str(out)]
    assert cli.main([*words, "--set", setting]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(match, line)
    assert not out.exists()
