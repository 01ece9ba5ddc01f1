"""README's examples of generation give what they promise, read by the judges."""

import re
from pathlib import Path

import pytest
import torch

from codixr import CoDiXRPipeline
from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.attributes import ATTRIBUTES
from codixr.data.phantom.judge import load_judge
from codixr.data.phantom.second_judge import ANSWERS, QUESTIONS, load_second_judge
from codixr.modality import Modality

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROMPTS = sorted(
    {*re.findall(r"--from 'T=([^']+)'", README), *re.findall(r'pipe\(\{"T": "([^"]+)"', README)}
)
SAMPLES = 8


def test_there_are_examples():
    assert "Small left pleural effusion." in PROMPTS
    assert len(PROMPTS) >= 2
    assert all("left pleural effusion" in prompt for prompt in PROMPTS), "say what is asked below"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_pictures_show_the_effusion_on_its_side_and_nothing_else(prompt):
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    made = pipe({"T": prompt}, "F+L", num_images=SAMPLES, seed=0, output_type="pt").images
    for view in (Modality.F, Modality.L):
        judge = load_judge(view)
        with torch.no_grad():
            seen = torch.sigmoid(judge.model(made[view].float()))
        for k, name in enumerate(judge.model.classes):
            if name in PATHOLOGIES:
                share = float((seen[:, k] >= judge.thresholds[name]).float().mean())
                assert share >= 0.9 if name == "Pleural Effusion" else share <= 0.1, (view, name)
    with torch.no_grad():
        answers = load_second_judge(Modality.F).model.outputs(made[Modality.F].float())[1]
    sides = answers[:, QUESTIONS.index("Pleural Effusion"), ANSWERS["side"]].argmax(1)
    assert (sides == ATTRIBUTES["side"].index("left")).float().mean() >= 0.95
