import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import JudgePass
from codixr_bench.metrics.auroc import Cases, aurocs, average_auroc
from codixr_bench.metrics.classification import (
    CLASSIFICATION,
    ClassificationMetric,
)
from codixr_bench.metrics.per_class import average_f1
from codixr_bench.statistics.bootstrap import resample_weights
from codixr_bench.task import Task
from helpers.metric_fakes import (
    PixelClassifier,
    assert_shards_score_as_one,
    by_name,
    shards,
    studies_and_samples,
)

STUDIES, SAMPLES = studies_and_samples(60)


def metric(task=None):
    return ClassificationMetric(PixelClassifier(), Modality.F, task)


@st.composite
def cases(draw):
    """Probabilities with many ties, and labels 1, 0, -1, -2."""
    n, k = draw(st.integers(4, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = rng.choice([0, 1, -1, -2], p=[0.5, 0.3, 0.1, 0.1], size=(n, k))
    return rng.integers(draw(st.integers(2, 30)), size=(n, k)) / 30, labels.astype(np.int8)


def sklearn_scores(probabilities, labels, weights):
    """{name: value} and per class, by sklearn, class by class: the oracle."""
    known, present, predicted = labels >= 0, labels == 1, probabilities >= 0.5
    per_class = {"auroc": [], "f1": []}
    positives = []
    for c in range(labels.shape[1]):
        rows = known[:, c]
        if len(set(present[rows, c])) < 2:
            continue
        drawn = {"sample_weight": weights[rows]}
        per_class["auroc"].append(roc_auc_score(present[rows, c], probabilities[rows, c], **drawn))
        per_class["f1"].append(
            f1_score(present[rows, c], predicted[rows, c], zero_division=0, **drawn)
        )
        positives.append(weights[rows] @ present[rows, c])
    found = {}
    for family, values in per_class.items():
        if values:
            found[f"{family}_macro"] = np.mean(values)
            found[f"{family}_weighted"] = np.average(values, weights=positives)
    pooled = {"sample_weight": np.broadcast_to(weights[:, None], labels.shape)[known]}
    if len(set(present[known])) == 2:
        found["auroc_micro"] = roc_auc_score(present[known], probabilities[known], **pooled)
        found["f1_micro"] = f1_score(present[known], predicted[known], zero_division=0, **pooled)
    return found


@given(case=cases())
def test_equals_sklearn_with_ties_and_unknown_labels(case):
    probabilities, labels = case
    ones = np.ones((1, len(labels)), dtype=np.int16)
    averaged = {
        "auroc": average_auroc(probabilities, labels, ones),
        "f1": average_f1(probabilities >= 0.5, labels, ones),
    }
    for name, value in sklearn_scores(probabilities, labels, ones[0]).items():
        family, _, average = name.partition("_")
        assert getattr(averaged[family], average)[0] == pytest.approx(value, abs=1e-12)


def test_a_resample_equals_sklearn_with_the_same_weights():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, -1], size=(200, 3)).astype(np.int8)
    probabilities = rng.integers(20, size=(200, 3)) / 20
    weights = resample_weights(200, 20)
    found = {
        "auroc": average_auroc(probabilities, labels, weights),
        "f1": average_f1(probabilities >= 0.5, labels, weights),
    }
    for row, drawn in enumerate(weights):
        for name, value in sklearn_scores(probabilities, labels, drawn.astype(float)).items():
            family, _, average = name.partition("_")
            assert getattr(found[family], average)[row] == pytest.approx(value, abs=1e-12)


def test_a_resample_that_lost_a_kind_has_no_auroc():
    weights = np.array([[2, 0], [1, 1], [0, 2]], dtype=np.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cases = Cases(np.array([0.1, 0.9]), np.array([False, True]), np.arange(2))
        (found,) = aurocs([cases], weights).T
    np.testing.assert_array_equal(found, [np.nan, 1.0, np.nan])


def test_a_perfect_classifier_of_a_rare_finding_has_a_perfect_interval():
    labels = np.zeros((32, 2), dtype=np.int8)
    labels[:2, 0], labels[:9, 1] = 1, 1
    weights = resample_weights(32)
    assert (weights[:, :2].sum(axis=1) == 0).any()
    f1 = average_f1(labels == 1, labels, weights)
    assert np.nanmin(f1.per_class) == np.nanmin(f1.macro) == np.nanmin(f1.weighted) == 1.0


@settings(max_examples=15)
@given(split=shards(len(STUDIES)))
def test_any_split_into_shards_gives_the_same_scores(split):
    assert_shards_score_as_one(split, metric, STUDIES, SAMPLES)


def test_six_scores_with_intervals_classes_and_signatures():
    scored = metric(Task.parse("T->F+L"))
    scored.update(range(len(STUDIES)), STUDIES, SAMPLES)
    scores = by_name(pickle.loads(pickle.dumps(scored)).compute())
    assert list(scores) == [
        f"{family}_{average}[F]"
        for family in ("auroc", "f1")
        for average in ("micro", "macro", "weighted")
    ]
    macro = scores["auroc_macro[F]"]
    assert tuple(macro.per_class) == PATHOLOGIES
    assert macro.value == pytest.approx(np.mean([c.value for c in macro.per_class.values()]))
    assert macro.signature == (
        "auroc|avg:macro|clf:pixels|weights:none|labels:known|classes:10/10|n:60"
        "|ci:placements,mover"
    )
    assert "|thr:fixed-0.5|" in scores["f1_micro[F]"].signature
    for score in (*scores.values(), *macro.per_class.values()):
        assert score.ci95[0] <= score.value <= score.ci95[1]
    edema = macro.per_class["Edema"]
    known = [study.labels["Edema"] for study in STUDIES if study.labels["Edema"] in (0, 1)]
    assert (edema.n_pos, edema.n_neg) == (sum(known), len(known) - sum(known))


def test_a_class_with_fewer_than_ten_of_a_kind_says_so():
    few = set(range(6))
    studies = [
        SimpleNamespace(labels=dict(s.labels) | {"Edema": int(i in few), "Pneumonia": i % 2})
        for i, s in enumerate(STUDIES)
    ]
    scored = metric()
    scored.update(range(len(studies)), studies, SAMPLES)
    macro = by_name(scored.compute())["f1_macro"]
    assert macro.per_class["Edema"].note == "fewer than 10 positives"
    assert macro.per_class["Pneumonia"].note is None
    (said,) = CLASSIFICATION.caveats(macro)
    assert "Edm. 6" in said
    assert "Pnm." not in said


def test_a_class_of_one_kind_is_null_and_its_means_say_so():
    studies = [
        SimpleNamespace(labels=dict(s.labels) | {"Edema": 1, "Pneumonia": None}) for s in STUDIES
    ]
    scored = metric()
    scored.update(range(len(studies)), studies, SAMPLES)
    scores = by_name(scored.compute())
    classes = scores["f1_macro"].per_class
    assert classes["Edema"].value is None
    assert classes["Edema"].reason == "all known labels are present"
    assert classes["Pneumonia"].reason == "no label is known"
    rest = [c.value for c in classes.values() if c.value is not None]
    assert scores["f1_macro"].value == pytest.approx(np.mean(rest))
    for name in ("auroc_macro", "auroc_weighted", "f1_macro"):
        assert "|classes:8/10|left-out:Edema,Pneumonia|" in scores[name].signature
    assert "left-out" not in scores["auroc_micro"].signature


def test_without_a_known_label_everything_is_null_with_a_reason():
    unlabelled = [SimpleNamespace(labels={}) for _ in STUDIES]
    scored = metric()
    scored.update(range(len(unlabelled)), unlabelled, SAMPLES)
    for score in (*scored.compute(), *metric().compute()):
        assert (score.value, score.ci95, score.n) == (None, None, 0)
        assert score.reason


def test_statistics_hold_a_row_a_study_and_no_identifier():
    scored = metric()
    scored.update(range(len(STUDIES)), STUDIES, SAMPLES)
    columns = scored.statistics()
    assert len(columns) == 30
    assert all(name.startswith("classification.") for name in columns)
    assert {len(column) for column in columns.values()} == {60}
    assert columns["classification.label.Edema"][0] == -2
    cut = scored.classifier.thresholds[0]
    name = scored.classifier.classes[0]
    np.testing.assert_array_equal(
        columns[f"classification.predicted.{name}"],
        columns[f"classification.probability.{name}"].astype(np.float64) >= cut,
    )
    assert not any(column.dtype.kind in "OUS" for column in columns.values())


def test_a_missing_picture_is_named_by_its_position():
    with pytest.raises(InputError, match="sample at position 3 has no frontal"):
        metric().update([3], STUDIES[:1], [{}])


def fake_judge():
    """A judge of one linear layer that counts how often it is asked."""
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):
        classes = (*PATHOLOGIES[::-1], "Support Devices")
        asked = 0

        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(16, 11)

        def features(self, x):
            Model.asked += 1
            if float(x.amax()) > 1:
                raise ValueError("want finite values in [0, 1]")
            return x.flatten(1)

    thresholds = {name: 0.1 * i for i, name in enumerate(Model.classes)}
    return SimpleNamespace(model=Model().eval(), thresholds=thresholds, sha256="ab12cd34" * 8)


def test_one_forward_pass_serves_features_and_probabilities():
    judge = fake_judge()
    judged = JudgePass(Modality.L, judge)
    images = np.random.default_rng(0).random((5, 1, 4, 4), dtype=np.float32)
    features, probabilities = judged.features(images), judged.probabilities(images)
    assert type(judge.model).asked == 1
    np.testing.assert_array_equal(features, images.reshape(5, 16))
    logits = judge.model.head(judge.model.features(_tensor(images))).detach().numpy()
    order = [judge.model.classes.index(name) for name in PATHOLOGIES]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits[:, order])), rtol=1e-5)
    np.testing.assert_allclose(judged.thresholds, 0.1 * np.array(order))
    assert judged.signature == "phantom-judge-L|weights:ab12cd34"


def test_it_reads_what_the_tracks_judge_says():
    import torch

    from codixr.data.phantom.judge import CLASSES, LoadedJudge, PhantomJudge

    torch.manual_seed(0)
    model = PhantomJudge().eval()
    thresholds = dict.fromkeys(CLASSES, 0.5)
    judged = JudgePass(Modality.F, LoadedJudge(model, thresholds, "ab12cd34" * 8, {}))
    images = np.random.default_rng(0).random((3, 1, 64, 64), dtype=np.float32)
    with torch.no_grad():
        expected = torch.sigmoid(model(_tensor(images))).numpy()
    order = [CLASSES.index(name) for name in PATHOLOGIES]
    np.testing.assert_allclose(judged.probabilities(images), expected[:, order], rtol=1e-5)
    assert judged.features(images).shape == (3, 128)


def test_other_pictures_are_not_taken_for_those_seen():
    judged = JudgePass(Modality.F, fake_judge())
    images = np.random.default_rng(0).random((2, 1, 4, 4), dtype=np.float32)
    first = judged.features(images).copy()
    np.testing.assert_array_equal(judged.features(images[::-1]), first[::-1])
    images[0] += 0.001
    assert (judged.features(images)[0] != first[0]).any()


def test_pictures_that_the_judge_refuses_are_bad_input():
    with pytest.raises(InputError, match="phantom-judge-F: want finite values"):
        JudgePass(Modality.F, fake_judge()).features(np.full((1, 1, 4, 4), 2.0, np.float32))


def test_a_shipped_judge_stays_out_of_a_pickled_state():
    judged = JudgePass(Modality.F)
    judged._judge = fake_judge()
    assert len(pickle.dumps(judged)) < 1000


def _tensor(images):
    import torch

    return torch.from_numpy(images)
