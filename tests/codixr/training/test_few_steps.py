"""A training of a few steps says that it teaches nothing; both phases are shortened alike."""

from dataclasses import asdict
from pathlib import Path

import pytest

from codixr.cli import main
from codixr.commands.train import Request, few_steps
from codixr.training.data import open_training_data
from codixr.training.folder import MODEL_FIELDS, TrainingFolder
from codixr.training.model_card import settings
from codixr.training.recipes import recipe
from codixr.training.settings import override

ENDS = ["train", "report-ldm", "--preset", "tiny"]  # there is no --data: it ends with exit code 2


def test_a_few_steps_are_said_to_make_noise(capsys):
    assert main([*ENDS, "--set", "steps=10"]) == 2
    said = capsys.readouterr().err
    assert "note: report-ldm: 20 of the recipe's 19,200 steps" in said
    assert "is noise" in said


def test_the_recipe_s_own_steps_and_most_of_them_are_not_remarked_on(capsys):
    assert main(ENDS) == 2
    assert main([*ENDS, "--set", "steps=960"]) == 2
    assert "noise" not in capsys.readouterr().err


def test_every_stage_is_judged_by_its_own_recipe():
    request = Request(stage="all", preset="tiny", data="phantom", settings={"steps": "340"})
    found = [line.partition(":")[0] for line in few_steps(request)]
    assert "image-ldm-F" in found
    assert "alignment-F+L" not in found


def test_a_second_phase_is_as_much_shorter_as_the_first_unless_it_is_given():
    def phases(settings: dict[str, str]) -> list[tuple[int | None, int]]:
        found = override(recipe("tiny"), settings, frozenset())[0]
        return [(found[s].steps, found[s].refine_steps) for s in ("image-ldm-F", "report-ldm")]

    assert phases({}) == [(24000, 9000), (9600, 9600)]
    assert phases({"image-ldm.steps": "6000"}) == [(6000, 2250), (9600, 9600)]
    assert phases({"steps": "6", "report-ldm.refine_steps": "3"}) == [(6, 2), (6, 3)]
    assert phases({"image-ldm.refine_steps": "0"}) == [(24000, 0), (9600, 9600)]
    assert phases({"image-ldm.steps": "none", "image-ldm.epochs": "2"}) == [(None, 0), (9600, 9600)]


@pytest.mark.parametrize(
    "asked",
    [
        {"steps": "6"},
        {"image-ldm.steps": "6000", "image-ldm.refine_steps": "9000"},
        {"report-vae.steps": "3000", "report-vae.refine_steps": "0"},
    ],
)
def test_a_card_s_settings_give_both_phases_again(asked: dict[str, str], tmp_path: Path) -> None:
    configs, _ = override(recipe("tiny"), asked, MODEL_FIELDS)
    done = {
        name: {"config": asdict(config), "data": {"studies": {"train": 8000}}}
        for name, config in configs.items()
    }
    folder = TrainingFolder(tmp_path, "tiny", "phantom", open_training_data("phantom", 64, 12), 64)
    told = dict(text.split("=", 1) for text in settings(folder, done))
    assert override(recipe("tiny"), told, MODEL_FIELDS)[0] == configs
