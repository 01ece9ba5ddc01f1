"""Learned scorers through radeval's interface, and null with a reason without it."""

import sys
from types import ModuleType

import numpy as np
import pytest

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metrics.clinical import NOT_INSTALLED, ClinicalMetric
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import by_name

REAL = ["No edema.", "Small left effusion.", "Clear lungs.", "Mass."]
MADE = ["No edema.", "Large left effusion.", "", "Clear."]
NAMES = ("radgraph_f1", "ratescore", "bertscore")


class RadEval:
    """radeval 2.2's class as its documentation describes it, with word overlap as every score."""

    KEYS = {"radgraph": ("radgraph_simple", "radgraph_partial", "radgraph_complete")}  # noqa: RUF012
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
