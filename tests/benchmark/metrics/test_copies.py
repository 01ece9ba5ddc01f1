"""Planted copies of training studies are found, and real ones give the scale beside."""

import pickle

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.copies import NearCopyImage, NearCopyReport, grams, similarity
from codixr_bench.registry import METRICS
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track
from helpers.metric_fakes import by_name

RNG = np.random.default_rng(0)


class Pixels:
    """A picture's own reduction is its features."""

    name = "pixels"
    signature = "pixels|weights:none"

    def features(self, images):
        return images[:, 0, ::4, ::4].reshape(len(images), -1)


class Studies(list):
    split, fingerprint = "train", "f" * 64


def picture():
    coarse = RNG.random((8, 8)).repeat(4, 0).repeat(4, 1)
    return coarse.astype("f4")[None]


def report():
    return " ".join(RNG.choice(["edema", "mass", "clear", "small", "left", "right", "no"], 14))


def studies(n, split):
    return Studies(
        Study(
            study_id=f"{split}-{i}",
            subject_id=f"{split}-{i}",
            split=split,
            frontal=picture(),
            report=report(),
        )
        for i in range(n)
    )


TRAIN, TEST = studies(60, "train"), studies(40, "test")


def scored(metric, samples):
    metric.learn(TRAIN)
    metric.update(range(40), TEST, samples)
    return by_name(metric.compute())


def test_planted_copies_of_pictures_are_found_and_a_little_noise_hides_none():
    samples = [{Modality.F: picture()} for _ in TEST]
    for i in range(10):
        noise = RNG.normal(0, 0.005, TRAIN[i].frontal.shape).astype("f4")
        samples[i][Modality.F] = np.clip(TRAIN[i].frontal + noise, 0, 1)
    found = scored(NearCopyImage(Pixels(), Modality.F), samples)
    assert found["near_copy_image"].value == 10 / 40
    low, high = found["near_copy_image"].ci95
    assert low < 0.25 < high
    assert found["near_copy_image_real"].value == 0.0
    assert "|train:60|n:40" in found["near_copy_image"].signature


def test_planted_copies_of_reports_are_found_whatever_their_case_and_stops():
    samples = [{Modality.T: report()} for _ in TEST]
    for i in range(8):
        samples[i][Modality.T] = TRAIN[i].report.upper() + "."
    samples[8][Modality.T] = ""
    found = scored(NearCopyReport(), samples)
    assert found["near_copy_report"].value == 8 / 40
    assert found["near_copy_report_real"].value == 0.0


def test_real_studies_that_repeat_training_ones_show_beside():
    metric = NearCopyReport()
    metric.learn(TRAIN)
    metric.update(range(4), list(TRAIN[:2]) + list(TEST[:2]), [{Modality.T: "no"}] * 4)
    found = by_name(metric.compute())
    assert found["near_copy_report_real"].value == 0.5
    assert found["near_copy_report"].value == 0.0
    assert not found["near_copy_report"].higher_is_better


def test_overlap_is_jaccards_of_word_grams():
    metric = NearCopyReport()
    metric.learn(TRAIN)
    half = " ".join(TRAIN[0].report.split()[:9])
    sets = [set(grams(text)) for text in (half, TRAIN[0].report)]
    expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    assert 0.3 < expected < 0.8
    assert metric.nearest([half])[0] == pytest.approx(expected)
    assert grams("No edema.") == [("no", "edema")]
    assert grams(" .") == []


def test_similarity_is_scikit_images_and_larger_pictures_are_averaged():
    one, two = picture()[0], picture()[0]
    expected = structural_similarity(one, two, data_range=1.0)
    assert similarity(one, two) == pytest.approx(expected)
    large = [side.repeat(8, 0).repeat(8, 1) for side in (one, two)]
    doubled = [side.repeat(2, 0).repeat(2, 1) for side in (one, two)]
    assert similarity(*large) == pytest.approx(structural_similarity(*doubled, data_range=1.0))


def test_a_shard_travels_and_the_order_does_not_count():
    samples = [{Modality.T: TRAIN[i].report if i % 3 else report()} for i in range(40)]
    whole = NearCopyReport()
    whole.learn(TRAIN)
    whole.update(range(40), TEST, samples)
    parts = [NearCopyReport(), NearCopyReport()]
    for part, positions in zip(parts, (range(25, 40), range(25)), strict=True):
        part.learn(TRAIN)
        part.update(positions, [TEST[i] for i in positions], [samples[i] for i in positions])
    parts[0].merge(pickle.loads(pickle.dumps(parts[1])))
    assert parts[0].compute() == whole.compute()
    influence = whole.statistics()["near_copy_report.influence"]
    assert abs(influence.sum()) < 1e-9 < np.ptp(influence)


def test_a_track_without_training_studies_gives_null_with_the_reason():
    for metric in (NearCopyImage(Pixels(), Modality.F), NearCopyReport()):
        metric.learn(None)
        metric.update([0], TEST[:1], [{Modality.F: picture(), Modality.T: "no"}])
        scores = metric.compute()
        assert [score.value for score in scores] == [None, None]
        assert "no training studies" in scores[0].reason


def test_a_missing_output_is_an_error():
    metric = NearCopyReport()
    with pytest.raises(InputError, match="position 7 has no report"):
        metric.update([7], TEST[:1], [{}])


def test_both_are_asked_for_by_name_and_get_the_training_split():
    assert {"near_copy_image", "near_copy_report"} <= set(METRICS)
    track = Track.load("phantom")
    (metric,) = track.metrics(Task.parse("F->T"), ("near_copy_report",))
    metric.prepare(Evaluation(track, track.dataset("test", 2)))
    test = track.dataset("test", 2)
    metric.update([0, 1], [test[0], test[1]], [{Modality.T: "qwer"}, {Modality.T: test[1].report}])
    assert "|train:8000|n:2" in metric.compute()[0].signature
    names = [m.name for m in track.metrics(Task.parse("T->F+L"), ("near_copy_image",))]
    assert names == ["near_copy_image[F]", "near_copy_image[L]"]
