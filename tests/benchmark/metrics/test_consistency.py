import pickle

import numpy as np
import pytest
from hypothesis import given, settings

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.grammar import labels_from_report
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.prompt_space import PromptSpace
from codixr_bench.metrics.agreement import INFLUENCES, cosine_above_shuffled, mean_correlation
from codixr_bench.metrics.consistency import (
    ConsistencyMetric,
    PictureLogits,
    ReportFindings,
    Side,
    clip_agreement,
    report_image_agreement,
    view_agreement,
)
from codixr_bench.statistics.bootstrap import resample_weights
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import PixelClassifier, by_name, scored_in, shards

RNG = np.random.default_rng(0)
ONCE = np.ones((1, 40), dtype=np.int16)


def picture(shown):
    """4x4 pixels of which the first ten are the classifier's probabilities."""
    pixels = np.zeros(16, dtype=np.float32)
    pixels[: len(PATHOLOGIES)] = shown
    return pixels.reshape(1, 4, 4)


def triplets(n, seed=0, noise=0.05):
    """Studies whose F, L and T show the same findings, up to noise."""
    rng = np.random.default_rng(seed)
    studies = []
    for i in range(n):
        found = rng.random(len(PATHOLOGIES)) < 0.3
        views = [picture(0.8 * found + 0.1 + noise * rng.random(10)) for _ in range(2)]
        said = [name for name, x in zip(PATHOLOGIES, found, strict=True) if x]
        studies.append(Study(f"s{i}", f"s{i}", "test", *views, " ".join(said)))
    return studies


def outputs(studies, task):
    return [{m: study.get(m) for m in Task.parse(task).outputs} for study in studies]


def views():
    return view_agreement(PixelClassifier(), PixelClassifier())


def scores(metric, studies, samples):
    metric.update(range(len(studies)), studies, samples)
    return by_name(metric.compute())


STUDIES = triplets(40)


def test_a_correlation_is_numpys_and_its_resamples_are_of_the_repeated_studies():
    x, y = RNG.normal(size=(2, 40, 3))
    y += x
    weights = resample_weights(40, 20)
    expected = [
        np.mean([np.corrcoef(x[again, c], y[again, c])[0, 1] for c in range(3)])
        for again in (np.repeat(np.arange(40), w) for w in weights)
    ]
    np.testing.assert_allclose(mean_correlation(x, y, weights), expected, atol=1e-12)


def test_a_class_in_which_a_side_never_varies_counts_as_no_agreement():
    x = RNG.normal(size=(40, 2))
    y = x.copy()
    assert mean_correlation(x, y, ONCE) == pytest.approx([1.0])
    y[:, 1] = 0.7 + 1e-9 * RNG.normal(size=40)
    assert mean_correlation(x, y, ONCE) == pytest.approx([0.5])


def test_a_resample_that_lost_a_classs_variation_leaves_the_class_out():
    x = np.zeros((4, 2))
    x[0, 0] = 1.0
    x[:, 1] = [1, 2, 3, 5]
    weights = np.array([[1, 1, 1, 1], [0, 2, 1, 1]])
    assert mean_correlation(x, x, weights) == pytest.approx([1.0, 1.0])


def test_cosine_above_shuffled_is_own_pairs_less_all_others():
    x, y = RNG.normal(size=(2, 40, 8))
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, x + y))
    cosines = x @ y.T
    others = cosines[~np.eye(40, dtype=bool)]
    assert cosine_above_shuffled(x, y, ONCE)[0] == pytest.approx(
        np.diag(cosines).mean() - others.mean()
    )
    assert cosine_above_shuffled(np.ones((40, 8)), y, ONCE) == [0.0]


def test_real_triplets_agree_with_a_ratio_of_one():
    found = scores(views(), STUDIES, outputs(STUDIES, "T->F+L"))
    assert found["view_agreement"].value > 0.95
    assert found["view_agreement_ratio"].value == 1.0
    assert found["view_agreement_ratio"].ci95 == (1.0, 1.0)


def test_shuffled_pairs_do_not_agree():
    values = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(40)
        samples = [
            {Modality.F: STUDIES[i].frontal, Modality.L: STUDIES[j].lateral}
            for i, j in enumerate(order)
        ]
        values.append(scores(views(), STUDIES, samples)["view_agreement"].value)
    assert abs(np.mean(values)) < 0.03
    assert max(values) < 0.4


def test_agreement_falls_with_the_share_of_mismatched_pairs():
    values = []
    for wrong in (0, 10, 20, 40):
        samples = [
            {Modality.F: s.frontal, Modality.L: STUDIES[(i + (1 if i < wrong else 0)) % 40].lateral}
            for i, s in enumerate(STUDIES)
        ]
        found = scores(views(), STUDIES, samples)
        values.append(found["view_agreement"].value)
        assert found["view_agreement_ratio"].ci95[0] <= values[-1] / values[0] + 1e-9
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.8


def test_one_and_the_same_answer_to_everything_scores_nothing():
    samples = [outputs(STUDIES, "T->F+L")[0]] * 40
    found = scores(views(), STUDIES, samples)
    assert found["view_agreement"].value == 0.0
    assert found["view_agreement_ratio"].value == 0.0


def named_in(text):
    return {name: int(name in text) for name in PATHOLOGIES}


def report_metric():
    return report_image_agreement(Modality.F, PixelClassifier(), named_in, "names")


def test_a_report_agrees_with_the_picture_that_shows_what_it_says():
    samples = outputs(STUDIES, "L->F+T")
    own = scores(report_metric(), STUDIES, samples)
    assert own["report_image_agreement"].value > 0.95
    assert own["report_image_agreement_ratio"].value == pytest.approx(1.0)
    silent = [{**sample, Modality.T: "the lungs are clear."} for sample in samples]
    assert scores(report_metric(), STUDIES, silent)["report_image_agreement"].value == 0.0
    gibberish = [{**sample, Modality.T: ""} for sample in samples]
    assert scores(report_metric(), STUDIES, gibberish)["report_image_agreement"].value == 0.0


def test_uncertain_findings_are_not_present():
    read = ReportFindings(labels_from_report, "grammar", PATHOLOGIES).read(
        ["possible left atelectasis.", "mild left lower zone atelectasis."]
    )
    assert read[:, PATHOLOGIES.index("Atelectasis")].tolist() == [0.0, 1.0]


def test_probabilities_of_0_and_1_have_finite_logits():
    logits = PictureLogits(PixelClassifier()).read([picture(np.r_[0.0, 1.0, [0.5] * 8])])
    np.testing.assert_allclose(logits[0, :3], [-13.8155, 13.8155, 0.0], atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(split=shards(40))
def test_any_split_into_shards_gives_the_same_scores(split):
    samples = outputs(STUDIES[::-1], "T->F+L")
    whole = scores(views(), STUDIES, samples)
    merged = pickle.loads(pickle.dumps(scored_in(split, views, STUDIES, samples)))
    assert by_name(merged.compute()) == whole


def test_real_pairs_that_do_not_agree_give_no_ratio():
    studies = [
        Study(s.study_id, s.subject_id, "test", s.frontal, picture(1 - s.frontal.ravel()[:10]), "x")
        for s in STUDIES
    ]
    ratio = scores(views(), studies, outputs(STUDIES, "T->F+L"))["view_agreement_ratio"]
    assert (ratio.value, ratio.reason) == (None, "the real pairs do not agree above chance")


def test_one_study_cannot_be_shuffled():
    for score in scores(views(), STUDIES[:1], outputs(STUDIES[:1], "T->F+L")).values():
        assert score.value is None
        assert "two studies" in score.reason
    assert views().compute()[0].n == 0


def test_a_missing_output_is_named_by_its_position():
    with pytest.raises(InputError, match="sample at position 5 has no lateral"):
        views().update([5], STUDIES[:1], [{Modality.F: STUDIES[0].frontal}])
    with pytest.raises(InputError, match="sample at position 5 has no report"):
        report_metric().update([5], STUDIES[:1], [{Modality.F: STUDIES[0].frontal}])


def test_statistics_are_numbers_a_study():
    metric = views()
    metric.update(range(40), STUDIES, outputs(STUDIES, "T->F+L"))
    columns = metric.statistics()
    influences = [columns.pop(f"view_agreement{end}.influence") for end in ("", "_ratio")]
    assert [influence.shape for influence in influences] == [(40,), (40,)]
    assert set(columns) == {f"view_agreement.{k}.{m}" for k in ("generated", "real") for m in "FL"}
    assert {column.shape for column in columns.values()} == {(40, 10)}


@pytest.mark.parametrize("measure", [mean_correlation, cosine_above_shuffled])
def test_an_influence_is_what_a_little_more_of_a_study_does(measure):
    x, y = RNG.normal(size=(2, 40, 6))
    y += x
    more = np.ones((40, 40)) + 1e-6 * np.eye(40)
    slope = (measure(x, y, more) - measure(x, y, np.ones((1, 40)))) * 40 / 1e-6
    influence = INFLUENCES[measure](x, y)
    without_own = 1.0 if measure is mean_correlation else 40 / 39
    np.testing.assert_allclose(slope, influence * without_own, atol=1e-3)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("T->F+L", ["view_agreement", "clip_agreement"]),
        ("F->L+T", ["report_image_agreement", "clip_agreement"]),
        ("L->F+T", ["report_image_agreement", "clip_agreement"]),
        ("L+T->F", []),
    ],
)
def test_the_phantom_track_measures_it_for_tasks_of_two_outputs(task, names):
    metrics = Track.load("phantom").metrics(Task.parse(task))
    assert [m.name for m in metrics if isinstance(m, ConsistencyMetric)] == names


def test_the_prompt_space_knows_pairs_from_shuffled_ones():
    dataset = Track.load("phantom").dataset("val", 8)
    studies = [dataset[i] for i in range(8)]
    found = scores(
        clip_agreement(*(Side(m, PromptSpace(m)) for m in (Modality.F, Modality.T))),
        studies,
        outputs(studies, "L->F+T"),
    )
    assert found["clip_agreement"].value > 0.1
    assert found["clip_agreement_ratio"].value == pytest.approx(1.0)
    assert "F:codixr-tiny|weights:" in found["clip_agreement"].signature


def test_a_report_without_a_known_word_agrees_with_nothing():
    space = PromptSpace(Modality.T)
    known, unknown, empty = space.read(["the lungs are clear.", "xyzzy qwfp", " \n"])
    assert np.linalg.norm(known) == pytest.approx(1.0)
    assert not unknown.any()
    assert not empty.any()
    np.testing.assert_allclose(space.read(["the lungs are clear."])[0], known, atol=1e-6)
