"""Real pictures of unrelated studies as a scale, and where other studies' pictures are from."""

import numpy as np
import pytest

from codixr.modality import Modality
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import distance_between
from codixr_bench.metrics.other_pictures import first_rows, other_pictures
from codixr_bench.metrics.unrelated import DRAWS, unrelated_distance
from codixr_bench.track import Evaluation, Track
from helpers.metric_fakes import PixelBackbone

D = 4


def drawn(n, seed):
    return np.random.default_rng(seed).normal(size=(n, D)).astype("f4")


def rows_of(features):
    rows = FeatureRows()
    rows.add(range(len(features)), features)
    return rows


def test_draws_of_other_pictures_are_compared_with_the_evaluated_ones():
    real, others = drawn(200, 0), drawn(800, 1)
    found = unrelated_distance(rows_of(real), 200, rows_of(others))
    assert found is not None
    assert (found.n, found.draws, found.extrapolated) == (200, DRAWS, False)
    # What fresh sets of 200 from the same distribution give.
    fresh = [distance_between(drawn(200, 100 + k), real) for k in range(200)]
    assert found.value == pytest.approx(np.mean(fresh), rel=0.25)
    assert found.ci95[0] < found.value < found.ci95[1]
    again = unrelated_distance(rows_of(real), 200, rows_of(others))
    assert found == again


def test_halves_carried_over_as_1_n_agree_with_sets_of_n():
    # The mean over evaluated sets: of halves of 200, times 1/2, and of two sets of 200.
    halves = [unrelated_distance(rows_of(drawn(200, s)), 200).value for s in range(40)]
    whole = [distance_between(drawn(200, s), drawn(200, 1000 + s)) for s in range(40)]
    assert np.mean(halves) == pytest.approx(np.mean(whole), rel=0.15)
    one = unrelated_distance(rows_of(drawn(200, 0)), 200)
    assert one is not None
    assert one.extrapolated


def test_a_large_set_is_cut_into_disjoint_parts_of_n():
    found = unrelated_distance(rows_of(drawn(600, 0)), 200)
    assert found is not None
    assert not found.extrapolated


def test_three_pictures_say_nothing():
    assert unrelated_distance(rows_of(drawn(3, 0)), 3) is None


def test_other_studies_are_the_rest_of_the_split_else_those_of_train():
    track = Track.load("phantom")
    backbone = PixelBackbone()
    few = Evaluation(track, track.dataset("test", 6))
    rows, where = other_pictures(few, Modality.F, backbone)
    assert (len(rows), where) == (12, "test-rest")
    test = track.dataset("test", 18)
    own = backbone.features(np.stack([test[i].frontal for i in range(6, 18)]))
    np.testing.assert_array_equal(rows.all(), own)
    np.testing.assert_array_equal(first_rows(rows, 6).all(), own[:6])

    class Whole(Evaluation):
        """As if the evaluated studies were the whole split."""

    whole = Whole(track, track.dataset("test", 6))
    object.__setattr__(track, "splits", {"test": 6, "train": 8000})
    rows, where = other_pictures(whole, Modality.F, backbone)
    assert (len(rows), where) == (12, "train")
    object.__setattr__(track, "splits", {"test": 6, "train": 7})
    rows, where = other_pictures(whole, Modality.F, backbone)
    assert (len(rows), where) == (6, "train")
    object.__setattr__(track, "splits", {"test": 6})
    assert other_pictures(whole, Modality.F, backbone) == (None, "none")
