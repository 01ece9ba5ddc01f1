"""The shipped judges read simulated pictures well, and refuse what is not one."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom import judge as judge_module
from codixr.data.phantom.judge import CLASSES, PhantomJudge, load_judge
from codixr.errors import InputError
from codixr.modality import Modality

N = 300
FLOORS = {Modality.F: (0.96, 0.88), Modality.L: (0.93, 0.80)}
"""Macro and worst AUROC on 300 test studies: the goals (.97/.90, .93) less sampling error."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    data = PhantomDataset("test", limit=N, cache_dir=tmp_path_factory.mktemp("judge"))
    return data, data.label_matrix(CLASSES)


@pytest.mark.parametrize("view", [Modality.F, Modality.L])
def test_the_judge_finds_the_findings(studies, view):
    data, labels = studies
    judge = load_judge(view)
    x = torch.from_numpy(np.array(data.images(view)))[:, None].float() / 255
    with torch.no_grad():
        scores = torch.sigmoid(judge.model(x)).numpy()
    values = []
    for k, _ in enumerate(PATHOLOGIES):
        known = labels[:, k] >= 0
        values.append(roc_auc_score(labels[known, k], scores[known, k]))
    macro, worst = FLOORS[view]
    assert np.mean(values) > macro
    assert min(values) > worst


def test_judges_are_in_eval_mode_with_thresholds_for_each_class():
    judge = load_judge(Modality.F)
    assert not judge.model.training
    assert tuple(judge.thresholds) == CLASSES == judge.model.classes
    assert all(0.0 < value < 1.0 for value in judge.thresholds.values())
    assert len(judge.sha256) == 64
    assert judge.metadata["view"] == "F"


def test_features_and_logits_have_their_shapes_and_do_not_depend_on_the_batch():
    model = load_judge(Modality.F).model
    x = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert model.features(x).shape == (3, 128)
    assert model(x).shape == (3, len(CLASSES))
    assert torch.allclose(model(x)[1:2], model(x[1:2]), atol=1e-4)


def test_larger_pictures_are_averaged():
    model = load_judge(Modality.L).model
    small = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    large = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    assert torch.allclose(model(small), model(large), atol=1e-4)


@pytest.mark.parametrize(
    "x",
    [
        torch.full((1, 1, 64, 64), 1.5),
        torch.full((1, 1, 64, 64), -0.1),
        torch.full((1, 1, 64, 64), float("nan")),
        torch.zeros(1, 3, 64, 64),
        torch.zeros(1, 64, 64),
        torch.zeros(1, 1, 32, 32),
        torch.zeros(1, 1, 64, 64, dtype=torch.float64),
    ],
)
def test_what_is_not_a_picture_is_refused(x):
    with pytest.raises(ValueError, match="judge"):
        PhantomJudge().eval()(x)


def test_a_missing_or_damaged_judge_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setattr(judge_module, "ASSETS", tmp_path)
    with pytest.raises(InputError, match="phantom_judge --view F"):
        load_judge.__wrapped__(Modality.F)
    (tmp_path / "phantom_judge_F.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_judge.__wrapped__(Modality.F)
    with pytest.raises(InputError, match="no pictures"):
        load_judge.__wrapped__(Modality.T)
