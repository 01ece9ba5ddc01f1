"""Table III by torchxrayvision's judges: two of them, by name, at a chosen operating point."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchxrayvision

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones import published_judge as judges
from codixr_bench.backbones.published import PublishedBackbone
from codixr_bench.backbones.published_judge import PublishedJudge, published_judge
from codixr_bench.backbones.xrv import xrv_input
from codixr_bench.metrics.classification import CLASSIFICATION, ClassificationMetric
from codixr_bench.runs.scoring import load_networks
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.backbone_fakes import saved, xrv_peer

TASK = Task.parse("T->F")
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(256, size=(12, 1, 32, 32)).astype("f4") / np.float32(255)


class Studies(list):
    split = "val"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return saved(xrv_peer(), tmp_path_factory.mktemp("weights") / "xrv.pth")


def backbone(weights, name="xrv"):
    return PublishedBackbone(name, weights, allow_unpinned=True)


def studies(n=12):
    # Every class has both kinds of labels.
    return Studies(
        SimpleNamespace(
            labels={name: (i + c) % 2 for c, name in enumerate(PATHOLOGIES)},
            subject_id=str(i),
            get={Modality.F: PICTURES[i]}.get,
        )
        for i in range(n)
    )


def samples():
    return [{Modality.F: picture} for picture in PICTURES]


def scored(judge, name=""):
    metric = ClassificationMetric(judge, Modality.F, TASK, name)
    metric.update(range(12), studies(), samples())
    return metric


@pytest.fixture
def cached(weights, monkeypatch):
    """The judges as a run makes them, from a file of random weights."""
    published_judge.cache_clear()
    monkeypatch.setattr(judges, "published", lambda name: backbone(weights, name))
    yield
    published_judge.cache_clear()


@pytest.mark.parametrize("trained_on", ["all", "chex"])
def test_outputs_are_torchxrayvisions_by_name(weights, trained_on):
    name = "xrv" if trained_on == "all" else f"xrv-{trained_on}"
    peer = xrv_peer()
    table = torchxrayvision.models.model_urls[f"densenet121-res224-{trained_on}"]
    with torch.inference_mode():
        raw = torch.sigmoid(peer(xrv_input((PICTURES * 255).round().astype("u1"))))
        points = torch.tensor(table["op_threshs"])
        normalised = torchxrayvision.models.op_norm(raw, points).numpy()
    places = [table["labels"].index(n.replace("Pleural Effusion", "Effusion")) for n in PATHOLOGIES]
    found = PublishedJudge(backbone(weights, name)).probabilities(PICTURES)
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, normalised[:, places], atol=1e-4)


def test_the_second_judge_of_a_track_has_names_of_its_own(cached):
    metrics = CLASSIFICATION.metrics(TASK, Track.load("mimic-cxr"))
    load_networks(metrics)
    found = {}
    for metric in metrics:
        metric.update(range(12), studies(), samples())
        found |= {score.name: score for score in metric.compute()}
    assert {"auroc_macro", "f1_macro", "chex_auroc_macro", "chex_f1_weighted"} <= set(found)
    assert len(found) == 12
    assert "densenet121-res224-all|" in found["auroc_micro"].signature
    assert "densenet121-res224-chex|" in found["chex_auroc_micro"].signature
    assert "|outputs:op-norm|" in found["auroc_micro"].signature
    assert "|thr:xrv_op50|" in found["chex_f1_macro"].signature
    given = CLASSIFICATION.influences(metrics[1].statistics())
    assert given["chex_auroc_macro"].value == pytest.approx(found["chex_auroc_macro"].value)


def test_only_frontal_pictures_have_this_judge(cached):
    track = Track.load("mimic-cxr-jpg")
    assert CLASSIFICATION.metrics(Task.parse("F->L"), track) == []
    assert [m.name for m in CLASSIFICATION.metrics(Task.parse("T->F+L"), track)] == [
        "classification[F]",
        "chex_classification[F]",
    ]


def test_absent_weights_give_null_scores_with_the_reason(tmp_path, monkeypatch, capsys):
    for name, value in (("CODIXR_CACHE", tmp_path), ("HOME", tmp_path), ("CODIXR_OFFLINE", 1)):
        monkeypatch.setenv(name, str(value))
    judge = PublishedJudge(PublishedBackbone("xrv"))
    metric = ClassificationMetric(judge, Modality.F, TASK)
    load_networks([metric])
    assert "note: classification: the weights" in capsys.readouterr().err
    metric.update(range(12), studies(), samples())
    scores = metric.compute()
    assert [score.value for score in scores] == [None] * 6
    assert all("'xrv' are not on this machine" in score.reason for score in scores)
    assert [score.n for score in scores] == [12] * 6
    assert metric.statistics() == {}


def test_a_wrong_range_raises(weights):
    with pytest.raises(InputError, match="range from 0 to 255"):
        PublishedJudge(backbone(weights)).probabilities(PICTURES * 255)


def test_an_operating_point_is_found_on_validation_pictures_only(weights):
    judge = PublishedJudge(backbone(weights), "f1max-on-real-val")
    assert not judge.tuned
    with pytest.raises(InputError, match="was not found yet"):
        _ = judge.thresholds
    evaluated = studies()
    evaluated.split = "test"
    with pytest.raises(InputError, match="not on 'test'"):
        judge.tune(evaluated)
    judge.tune(studies())
    own = scored(judge).compute()
    plain = scored(PublishedJudge(backbone(weights))).compute()
    assert "|thr:f1max-on-real-val|" in own[4].signature
    # Tuned on the very same pictures here, so no class can do worse than at 0.5.
    for name, one in own[4].per_class.items():
        assert one.value >= plain[4].per_class[name].value
    assert own[0].value == plain[0].value


def test_a_recipe_chooses_the_operating_point(cached):
    track = Track.load("mimic-cxr")
    chosen = replace(track, backbones={**track.backbones, "operating_points": "fixed-0.30"})
    assert CLASSIFICATION.metrics(TASK, chosen)[0].classifier.thresholds == pytest.approx(
        [0.3] * 10
    )
    with pytest.raises(InputError, match="known: xrv_op50, f1max-on-real-val"):
        CLASSIFICATION.metrics(
            TASK, replace(track, backbones={**track.backbones, "operating_points": "best"})
        )
