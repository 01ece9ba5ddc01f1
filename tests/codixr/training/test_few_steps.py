"""A training of a few steps says that it teaches nothing."""

from codixr.cli import main
from codixr.commands.train import Request, few_steps

ENDS = ["train", "report-ldm", "--preset", "tiny"]  # there is no --data: it ends with exit code 2


def test_a_few_steps_are_said_to_make_noise(capsys):
    assert main([*ENDS, "--set", "steps=10"]) == 2
    said = capsys.readouterr().err
    assert "note: report-ldm: 10 of the recipe's 9,600 steps" in said
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
