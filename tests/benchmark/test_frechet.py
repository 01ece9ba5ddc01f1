import pickle

import numpy as np
import pytest
import scipy.linalg
from codixr_bench.bootstrap import recentred_interval, resample_weights
from codixr_bench.metrics.backbone import features_of
from codixr_bench.metrics.frechet import (
    FeatureStatistics,
    FrechetMetric,
    distance_between,
    frechet_distance,
    resampled_distances,
)
from codixr_bench.task import Task
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_fakes import PixelBackbone, scored_in, shards, studies_and_samples

from codixr.errors import InputError
from codixr.modality import Modality

STUDIES, SAMPLES = studies_and_samples(40)


def metric(task=None, floor=None):
    return FrechetMetric(PixelBackbone(), Modality.F, task, floor)


def features(n, d, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d) + shift).astype("f4")


def by_sqrtm(x, y):
    """The textbook form, with scipy's matrix square root."""
    mu1, mu2 = x.mean(0, dtype=float), y.mean(0, dtype=float)
    cov1, cov2 = np.cov(x.astype(float).T), np.cov(y.astype(float).T)
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    return ((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * root)


@pytest.mark.parametrize(("n", "d"), [(500, 8), (300, 64), (400, 128)])
def test_equals_scipys_matrix_square_root(n, d):
    x, y = features(n, d, 0), features(n + 7, d, 1, shift=0.2)
    expected = by_sqrtm(x, y)
    assert expected > 1
    assert distance_between(x, y) == pytest.approx(expected, rel=1e-6)


def test_equals_the_closed_form_for_diagonal_covariances():
    s1, s2 = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 4.0])
    mu = np.array([1.0, 2.0, 2.0])
    found = frechet_distance(mu, np.diag(s1**2), np.zeros(3), np.diag(s2**2))
    assert found == pytest.approx(9.0 + ((s1 - s2) ** 2).sum())


def test_a_singular_covariance_gives_what_the_other_features_give():
    x, y = features(200, 12, 0), features(200, 12, 1)
    dead_x, dead_y = (np.concatenate([f, np.zeros((200, 5), "f4")], axis=1) for f in (x, y))
    assert distance_between(dead_x, dead_y) == pytest.approx(distance_between(x, y), rel=1e-6)
    copied_x, copied_y = (np.concatenate([f, f], axis=1) for f in (x, y))
    assert distance_between(copied_x, copied_y) == pytest.approx(2 * distance_between(x, y))


def test_fewer_studies_than_features_takes_the_gram_form_and_agrees():
    x, y = features(20, 50, 0), features(30, 50, 1)
    by_covariances = []
    for side in (x, y):
        statistics = FeatureStatistics()
        statistics.update(side)
        by_covariances += [statistics.mean, statistics.covariance]
    assert distance_between(x, y) == pytest.approx(frechet_distance(*by_covariances), rel=1e-6)


@pytest.mark.parametrize("n", [10, 200])
def test_a_set_is_at_distance_0_from_itself_and_never_below(n):
    x = features(n, 32, 0) * 1e3
    assert 0 <= distance_between(x, x) <= 1e-6 * np.trace(np.cov(x.T))


def test_resampling_equals_repeating_the_rows():
    for n in (12, 60):
        x, y = features(n, 16, 0), features(n, 16, 1)
        weights = resample_weights(n, 5)
        expected = [distance_between(np.repeat(x, w, 0), np.repeat(y, w, 0)) for w in weights]
        np.testing.assert_allclose(resampled_distances(x, y, weights), expected, rtol=1e-5)


def test_the_interval_covers_the_expected_distance_at_this_n():
    shift, n, d, rounds = 0.5, 150, 8, 120
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift) for _ in range(rounds)]
    values = [distance_between(x, y) for x, y in pairs]
    weights = resample_weights(n, 100)
    covered = 0
    for (x, y), value in zip(pairs, values, strict=True):
        low, high = recentred_interval(resampled_distances(x, y, weights), value)
        covered += low <= np.mean(values) <= high
    assert covered / rounds >= 0.9


@given(cuts=st.lists(st.integers(0, 50), max_size=4), flip=st.booleans())
def test_streamed_statistics_merge_to_those_of_all_rows(cuts, flip):
    rows = features(50, 6, 3) + 1e3
    parts = np.split(rows, sorted(cuts))
    whole = FeatureStatistics()
    for part in reversed(parts) if flip else parts:
        shard = FeatureStatistics()
        shard.update(part)
        whole.merge(shard)
    assert whole.n == 50
    np.testing.assert_allclose(whole.mean, rows.mean(0, dtype=float), rtol=1e-9)
    np.testing.assert_allclose(whole.covariance, np.cov(rows.astype(float).T), rtol=1e-6, atol=1e-8)


@settings(max_examples=15)
@given(split=shards(len(STUDIES)))
def test_any_split_into_shards_gives_the_same_score(split):
    whole = metric()
    whole.update(range(len(STUDIES)), STUDIES, SAMPLES)
    merged = scored_in(split, metric, STUDIES, SAMPLES)
    assert merged.compute() == whole.compute()
    for name, column in whole.statistics().items():
        np.testing.assert_array_equal(merged.statistics()[name], column)


def test_the_score_says_how_it_was_made_and_stands_beside_its_floor():
    other, _ = studies_and_samples(60, seed=9)
    floor = features_of(PixelBackbone(), other, Modality.F, batch_size=7)
    scored = metric(floor=floor)
    scored.update(range(len(STUDIES)), STUDIES, SAMPLES)
    (score,) = pickle.loads(pickle.dumps(scored)).compute()
    real = features_of(PixelBackbone(), STUDIES, Modality.F)
    assert score.name == "fid_pixels"
    assert not score.higher_is_better
    assert score.floor == pytest.approx(distance_between(real, floor[:40]))
    assert score.ci95[0] <= score.value <= score.ci95[1]
    assert score.signature == (
        "fid|backbone:pixels|weights:none|ref:same-studies|n:40|ci:recentred,300|floor-n:40"
    )
    assert set(scored.statistics()) == {"fid_pixels.generated", "fid_pixels.real"}


def test_real_pictures_against_themselves_are_at_0():
    scored = metric()
    scored.update(range(40), STUDIES, [{Modality.F: study.frontal} for study in STUDIES])
    (score,) = scored.compute()
    assert score.value == pytest.approx(0, abs=1e-9)
    assert score.ci95 == pytest.approx((0, 0), abs=1e-9)


def test_a_suffix_tells_two_views_apart():
    names = [metric(Task.parse(task)).name for task in ("T->F", "L->F+T", "T->F+L")]
    assert names == ["fid_pixels", "fid_pixels", "fid_pixels[F]"]
    assert metric().applies_to(Task.parse("T->F"))
    assert not metric().applies_to(Task.parse("F->T"))


def test_one_study_has_no_distance_and_the_score_says_why():
    one = metric()
    one.update([0], STUDIES[:1], SAMPLES[:1])
    (score,) = one.compute()
    assert (score.value, score.ci95, score.n) == (None, None, 1)
    assert "two studies" in score.reason
    assert metric().compute()[0].value is None


def test_bad_pictures_are_named_by_their_position():
    with pytest.raises(InputError, match=r"sample at position 7 has no frontal"):
        metric().update([7], STUDIES[:1], [{Modality.T: "text"}])
    broken = {Modality.F: np.full((1, 4, 4), np.nan, "f4")}
    with pytest.raises(InputError, match="position 5 are not finite"):
        metric().update([4, 5], STUDIES[:2], [SAMPLES[0], broken])
    larger = {Modality.F: np.zeros((1, 8, 8), "f4")}
    with pytest.raises(InputError, match="position 9 is"):
        metric().update([8, 9], STUDIES[:2], [SAMPLES[0], larger])


def test_a_study_cannot_count_twice():
    twice = metric()
    twice.update([1, 2], STUDIES[:2], SAMPLES[:2])
    twice.update([2], STUDIES[:1], SAMPLES[:1])
    with pytest.raises(ValueError, match="position 2 was added twice"):
        twice.compute()
