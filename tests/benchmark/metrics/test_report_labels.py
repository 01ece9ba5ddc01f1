"""Label F1 equals sklearn's; policies, non-reports, shards and tracks."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.labeler.nonreports import is_report
from codixr_bench.labeler.rules import ChexpertRules
from codixr_bench.metrics.report_labels import ReportLabelsMetric
from codixr_bench.metrics.stored_labels import CLASSES
from codixr_bench.statistics.bootstrap import resampling_patients
from codixr_bench.task import Task
from codixr_bench.track import Track

NAMES = {
    "Atelectasis": "atelectasis", "Cardiomegaly": "cardiomegaly", "Consolidation": "consolidation",
    "Edema": "edema", "Enlarged Cardiomediastinum": "wide mediastinal silhouette",
    "Lung Lesion": "nodule", "Lung Opacity": "infiltrate", "Pleural Effusion": "effusion",
    "Pneumonia": "pneumonia", "Pneumothorax": "pneumothorax",
}  # fmt: skip


def report(row) -> str:
    shown = [f"{text.capitalize()}." for text, on in zip(NAMES.values(), row, strict=True) if on]
    return " ".join(shown) or "The lungs are clear."


def metric_of(made, real, uncertain="u-zeros") -> ReportLabelsMetric:
    metric = ReportLabelsMetric(ChexpertRules(), uncertain)
    studies = [
        Study(study_id=f"s{i}", subject_id=f"p{i}", split="test", report=r)
        for i, r in enumerate(real)
    ]
    metric.update(range(len(made)), studies, [{Modality.T: text} for text in made])
    return metric


def scores(metric):
    return {score.name: score for score in metric.compute()}


def test_label_f1_equals_sklearns_on_the_same_labels():
    rng = np.random.default_rng(0)
    real = rng.random((120, 10)) < 0.2
    made = np.where(rng.random((120, 10)) < 0.7, real, rng.random((120, 10)) < 0.3)
    found = scores(metric_of([report(r) for r in made], [report(r) for r in real]))
    true, pred = (np.column_stack([m, ~m.any(axis=1)]) for m in (real, made))
    assert list(NAMES) == list(PATHOLOGIES)
    assert found["label_f1_micro"].value == pytest.approx(f1_score(true, pred, average="micro"))
    assert found["label_f1_weighted"].value == pytest.approx(
        f1_score(true, pred, average="weighted")
    )
    ten = f1_score(true[:, :10], pred[:, :10], average="macro")
    assert found["label_f1_macro"].value == pytest.approx(ten)
    each = f1_score(true, pred, average=None)
    by_class = found["label_f1_macro"].per_class
    assert [by_class[name].value for name in CLASSES] == pytest.approx(list(each))
    low, high = found["label_f1_micro"].ci95
    assert low < found["label_f1_micro"].value < high
    assert by_class["Edema"].n_pos == int(real[:, 3].sum())
    assert "labeler:chexpert-rules@" in found["label_f1_macro"].signature


def test_uncertain_policies_count_a_hedged_finding_as_told():
    made, real = ["Possible edema.", "Edema.", "No edema."], ["Edema.", "Possible edema.", "Mass."]
    edema = {
        policy: scores(metric_of(made, real, policy))["label_f1_macro"].per_class["Edema"]
        for policy in ("u-zeros", "u-ones")
    }
    assert edema["u-zeros"].value == 0.0
    assert edema["u-ones"].value == 1.0
    ignored = scores(metric_of(made, real, "u-ignore"))["label_f1_macro"].per_class["Edema"]
    assert (ignored.n_pos, ignored.n_neg) == (0, 1)
    with pytest.raises(InputError, match="u-zeros, u-ones, u-ignore"):
        ReportLabelsMetric(ChexpertRules(), "u-maybe")


def test_gibberish_is_counted_and_earns_no_healthy_patient():
    real = ["No acute disease."] * 3 + ["Edema."]
    found = scores(metric_of(["qwer asdf"] * 2 + ["Clear lungs."] * 2, real))
    assert found["non_report_share"].value == 0.5
    normal = found["label_f1_macro"].per_class["No Finding"]
    assert normal.value == pytest.approx(2 * 1 / (2 + 3))
    # How many there are is a number beside the score: the signature only says how it was made.
    assert not any("non-reports" in score.signature for score in found.values())
    assert [is_report(text) for text in ("Negative.", "lorem ipsum", "")] == [True, False, False]


def test_a_loop_is_no_report_and_has_no_finding():
    real = ["Edema.", "Mass."] * 4
    found = scores(metric_of(["edema " * 50, "Mass."] * 4, real))
    assert found["non_report_share"].value == 0.5
    by_class = found["label_f1_macro"].per_class
    assert (by_class["Edema"].value, by_class["Lung Lesion"].value) == (0.0, 1.0)


def test_shards_in_any_order_give_the_same_scores_and_influences_sum_to_zero():
    real = ["Edema.", "Mass.", "No edema.", "Small effusion.", "Edema and mass."] * 4
    made = real[2:] + real[:2]
    whole = metric_of(made, real)
    parts = [ReportLabelsMetric(ChexpertRules()) for _ in range(2)]
    studies = [
        Study(study_id=f"s{i}", subject_id=f"p{i}", split="test", report=r)
        for i, r in enumerate(real)
    ]
    for part, positions in zip(parts, (range(12, 20), range(12)), strict=True):
        part.update(
            positions, [studies[i] for i in positions], [{Modality.T: made[i]} for i in positions]
        )
    parts[0].merge(parts[1])
    assert parts[0].compute() == whole.compute()
    influence = whole.statistics()["label_f1_micro.influence"]
    assert influence.shape == (20,)
    assert float(np.abs(influence.sum())) < 1e-9
    assert float(np.ptp(influence)) > 0.1


def test_the_share_of_non_reports_is_worth_its_patients_not_its_studies():
    made = ["qwer asdf"] * 30 + ["Clear lungs."] * 3
    ends = []
    for patients in (["0"] * 30 + ["1"] * 3, [str(i) for i in range(33)]):
        with resampling_patients(patients):
            ends.append(scores(metric_of(made, ["Edema."] * 33))["non_report_share"].ci95)
    # Two patients tell next to nothing: one of them has all gibberish.
    assert ends[0][0] < 0.1
    assert ends[0][1] > 0.99
    assert ends[1][0] == pytest.approx(0.77, abs=0.02)


def test_no_study_gives_null_scores():
    found = ReportLabelsMetric(ChexpertRules()).compute()
    assert [score.value for score in found] == [None] * 4


@pytest.mark.parametrize("track", ["phantom", "openi"])
def test_both_tracks_score_reports_by_labels(track):
    names = [metric.name for metric in Track.load(track).metrics(Task.parse("F->T"))]
    assert "report_labels" in names
