"""Learned scorers through radeval's interface, and null with a reason without it."""

import sys
from types import ModuleType

import numpy as np
import pytest

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.clinical import NOT_INSTALLED, SCORERS, ClinicalMetric
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import by_name

REAL = ["No edema.", "Small left effusion.", "Clear lungs.", "Mass."]
MADE = ["No edema.", "Large left effusion.", "", "Clear."]
NAMES = ("radgraph_f1", "ratescore", "bertscore")


class RadEval:
    """radeval 2.2's class as its documentation describes it, with word overlap as every score."""

    KEYS = {  # noqa: RUF012
        "radgraph": ("radgraph_simple", "radgraph_partial", "radgraph_complete"),
        "rouge": ("rouge1", "rouge2", "rougeL"),
        "f1chexbert": ("f1chexbert_sample_acc_5", "f1chexbert_sample_acc_all"),
        "f1radbert_ct": ("f1radbert_ct_sample_acc",),
        "radcliq": ("radcliq_v1",),
        "srrbert": ("srrbert_weighted_f1", "srrbert_weighted_precision"),
        "temporal": ("temporal_f1",),
        "radfact_ct": ("radfact_ct_precision", "radfact_ct_recall", "radfact_ct_f1"),
    }
    asked: list = []  # noqa: RUF012

    def __init__(self, metrics=None, per_sample=False, show_progress=True):
        assert per_sample
        assert not show_progress
        self.metrics = metrics
        RadEval.asked += metrics

    def __call__(self, refs, hyps):
        assert all(hyps)
        pairs = [({*a.split()}, {*b.split()}) for a, b in zip(refs, hyps, strict=True)]
        values = [len(a & b) / len(a | b) for a, b in pairs]
        return {key: values for m in self.metrics for key in self.KEYS.get(m, (m,))}


@pytest.fixture
def radeval(monkeypatch):
    module = ModuleType("radeval")
    module.RadEval = RadEval
    monkeypatch.setitem(sys.modules, "radeval", module)
    monkeypatch.setattr(RadEval, "asked", [])
    return module


def metric(name="radeval", scores=NAMES, positions=range(4)):
    made = ClinicalMetric(name, scores)
    studies = [Study(study_id=r, subject_id=r, split="test", report=r) for r in REAL]
    made.update(
        positions, [studies[i] for i in positions], [{Modality.T: MADE[i]} for i in positions]
    )
    return made


def test_a_score_is_the_mean_over_reports_and_an_empty_one_is_0(radeval):
    found = by_name(metric().compute())
    assert list(found) == list(NAMES)
    for score in found.values():
        assert score.value == pytest.approx((1.0 + 2 / 4 + 0.0 + 0.0) / 4)
        assert score.ci95[0] < score.value < score.ci95[1]
    assert RadEval.asked == ["radgraph", "ratescore", "bertscore"]
    assert "|radgraph:radgraph_partial|" in found["radgraph_f1"].signature
    influence = metric().statistics()["ratescore.influence"]
    np.testing.assert_allclose(influence, np.array([1.0, 0.5, 0, 0]) - 0.375)


def test_shards_in_any_order_give_the_same(radeval):
    shard = metric(positions=[2, 3])
    shard.merge(metric(positions=[0, 1]))
    assert shard.compute() == metric().compute()
    with pytest.raises(ValueError, match="added twice"):
        shard.merge(metric(positions=[1]))


def test_without_the_package_scores_are_null_with_the_reason(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "radeval", None)
    found = metric()
    assert [(s.value, s.reason, s.ci95) for s in found.compute()] == [
        (None, NOT_INSTALLED, None)
    ] * 3
    assert found.statistics() == {}
    assert "pip install 'codixr[radeval]'" in capsys.readouterr().err


def test_a_model_that_cannot_be_loaded_leaves_the_others_and_quotes_no_report(
    radeval, monkeypatch, capsys
):
    def call(self, refs, hyps):
        if self.metrics == ["ratescore"]:
            raise OSError(f"cannot score {hyps[0]}")
        return plain(self, refs, hyps)

    plain = RadEval.__call__
    monkeypatch.setattr(RadEval, "__call__", call)
    found = by_name(metric().compute())
    assert found["ratescore"].value is None
    assert found["ratescore"].reason == "radeval could not load or run ratescore"
    assert found["bertscore"].value == pytest.approx(0.375)
    said = capsys.readouterr().err
    assert "OSError" in said
    assert "edema" not in said


@pytest.mark.parametrize("wrong", [[1.0], [np.nan] * 3, [[1.0]] * 3])
def test_what_is_no_value_a_report_is_null(radeval, monkeypatch, wrong):
    monkeypatch.setattr(RadEval, "__call__", lambda *_, **__: {"green": wrong})
    (score,) = metric("green", ("green",)).compute()
    assert score.value is None
    assert "no finite green value" in score.reason


def test_the_families_are_asked_for_by_name():
    track, task = Track.load("openi"), Task.parse("F->T")
    (found,) = track.metrics(task, ("radeval",))
    assert found.scores == NAMES
    (found,) = track.metrics(task, ("green",))
    assert found.scores == ("green",)


THEIRS = {
    "bleu", "rouge", "bertscore", "radeval_bertscore", "f1chexbert", "f1radbert_ct", "radgraph",
    "ratescore", "radgraph_radcliq", "radcliq", "srrbert", "temporal", "green", "mammo_green",
    "crimson", "radfact_ct",
}  # fmt: skip
"""The sixteen of radeval's own documentation."""


def test_each_of_radevals_sixteen_metrics_has_a_score_that_is_asked_for_by_name(radeval):
    assert {scorer.name for scorer in SCORERS.values()} == THEIRS
    track, task = Track.load("phantom"), Task.parse("F->T")
    for name, scorer in SCORERS.items():
        (found,) = track.metrics(task, (name,))
        assert found.scores == (name,)
        (score,) = metric(found.name, found.scores).compute()
        told = np.array([1.0, 0.5, 0.0]) * scorer.scale
        assert score.value == pytest.approx((told.sum() + scorer.empty) / 4), name
        low, high = score.ci95
        assert low < score.value < high
        assert score.higher_is_better is (name != "radcliq")
        assert f"|{scorer.name}:{scorer.key}|" in score.signature


def test_named_scores_come_beside_the_familys_own():
    track, task = Track.load("openi"), Task.parse("F->T")
    (found,) = track.metrics(task, ("radeval", "srrbert"))
    assert found.scores == (*NAMES, "srrbert")


def test_an_empty_report_has_the_worst_value(radeval):
    assert SCORERS["crimson"].empty == -1.0
    # RadCliQ-v1 of four zeros, by the published means, scales and coefficients of its parts.
    means = np.array([0.53792312, 0.61757256, 0.76479421, 0.44738335])
    scales = np.array([0.30282584, 0.22430938, 0.25394391, 0.29892717])
    coefficients = np.array([-3.77083683e-01, -3.70300100e-01, -2.52616218e-01, 4.31504841e-12])
    assert SCORERS["radcliq"].empty == pytest.approx(float(-means / scales @ coefficients))


def test_a_value_beyond_its_ends_is_null(radeval, monkeypatch):
    monkeypatch.setattr(RadEval, "__call__", lambda *_, **__: {"crimson": [1.5, 0.0, 0.0]})
    (score,) = metric("radeval", ("crimson",)).compute()
    assert (score.value, score.reason) == (None, "radeval gave no finite crimson value a report")


@pytest.mark.parametrize("name", ["mammo_green", "radfact_ct"])
def test_patients_reports_are_sent_to_no_service(name):
    with pytest.raises(InputError, match=f"'{name}' sends reports to a company's service"):
        Track.load("openi").metrics(Task.parse("F->T"), (name,))
