"""Sentences that the embedded model once misread, as the judges read its pictures now."""

import pytest
import torch

from codixr import CoDiXRPipeline
from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.judge import load_judge
from codixr.modality import Modality

SAMPLES = 6
IMPLIED = {
    "Cardiomegaly": ("Enlarged Cardiomediastinum",),
    "Pneumonia": ("Consolidation", "Lung Opacity"),
    "Edema": ("Lung Opacity",),
}
SENTENCES = (
    ("The lungs are free of nodules and masses.", None),
    ("The lungs are clear of infiltrates, masses and effusions.", None),
    ("No evidence of congestive heart failure or pulmonary edema.", None),
    ("Heart, mediastinum and lungs are all normal.", None),
    ("No airspace opacities.", None),
    ("No new consolidation.", None),
    ("No change in the left pleural effusion.", "Pleural Effusion"),
    ("No change in cardiomegaly.", "Cardiomegaly"),
    ("Cardiomegaly, pacemaker in place.", "Cardiomegaly"),
    ("Pulmonary edema has not improved.", "Edema"),
    ("Right upper lobe pneumonia, effusion absent.", "Pneumonia"),
    ("Mediastinal fullness.", "Enlarged Cardiomediastinum"),
)


@pytest.fixture(scope="module")
def pipe():
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(("text", "finding"), SENTENCES, ids=[text for text, _ in SENTENCES])
def test_a_sentence_shows_its_finding_or_none(pipe, text, finding):
    made = pipe({"T": text}, "F", num_images=SAMPLES, seed=0, output_type="pt").images[Modality.F]
    judge = load_judge(Modality.F)
    with torch.no_grad():
        seen = torch.sigmoid(judge.model(made.float()))
    shares = {
        name: float((seen[:, k] >= judge.thresholds[name]).float().mean())
        for k, name in enumerate(judge.model.classes)
        if name in PATHOLOGIES
    }
    allowed = {finding, *IMPLIED.get(finding or "", ())}
    assert all(share <= 0.2 for name, share in shares.items() if name not in allowed), shares
    assert finding is None or shares[finding] >= 0.8, shares
