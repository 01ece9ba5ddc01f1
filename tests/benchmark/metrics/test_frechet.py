import pickle

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.distance_scores import NO_OTHERS
from codixr_bench.metrics.distances import PictureDistances
from codixr_bench.metrics.frechet import (
    FeatureStatistics,
    distance_between,
    frechet_distance,
    frechet_of_rows,
)
from codixr_bench.statistics.influence_interval import influence_interval
from codixr_bench.task import Task
from helpers.metric_fakes import (
    PixelBackbone,
    assert_shards_score_as_one,
    shards,
    studies_and_samples,
)

STUDIES, SAMPLES = studies_and_samples(40)


def metric(task=None, others=None):
    return PictureDistances(PixelBackbone(), Modality.F, task, others)


def features(n, d, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d) + shift).astype("f4")


def pixels(studies):
    return PixelBackbone().features(np.stack([study.frontal for study in studies]))


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


def rows_of(features):
    rows = FeatureRows()
    rows.add(range(len(features)), features)
    return rows


def influences(x, y):
    return frechet_of_rows(rows_of(x), rows_of(y))


@pytest.mark.parametrize(("n", "d"), [(400, 12), (25, 40)])
def test_an_influence_is_what_the_picture_adds_to_the_distance(n, d):
    x, y = features(n, d, 0), features(n, d, 1, shift=0.4)
    found = influences(x, y)
    assert found.value == pytest.approx(distance_between(x, y), rel=1e-9)
    assert found.first.mean() == pytest.approx(0, abs=1e-9 * np.abs(found.first).max())
    # Give a few pictures a little more weight, and look at the distance itself.
    for side, influence in ((0, found.first), (1, found.second)):
        for i in (0, 7, n - 1):
            changed = reweighted(x, y, side, i, 1e-5) - reweighted(x, y, side, i, -1e-5)
            assert changed / 2e-5 == pytest.approx(influence[i], rel=2e-2, abs=0.02 * found.value)


def reweighted(x, y, side, i, epsilon):
    """The distance when row i of a side weighs epsilon more, all others in proportion less."""
    moments = []
    for number, rows in enumerate((x.astype(float), y.astype(float))):
        w = np.full(len(rows), 1 / len(rows))
        if number == side:
            w *= 1 - epsilon
            w[i] += epsilon
        mean = w @ rows
        centred = rows - mean
        n = len(rows)
        moments += [mean, (centred.T * w) @ centred * n / (n - 1)]
    mu1, cov1, mu2, cov2 = moments
    roots = np.sqrt(np.linalg.eigvals(cov1 @ cov2).astype(complex)).real.sum()
    return ((mu1 - mu2) ** 2).sum() + np.trace(cov1 + cov2) - 2 * roots


@pytest.mark.parametrize(
    ("n", "d", "shift", "scale"), [(200, 8, 0.5, 1.0), (300, 32, 0.1, 1.2), (60, 64, 0.3, 1.0)]
)
def test_95_percent_intervals_cover_the_expected_distance_at_this_n(n, d, shift, scale):
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d) * np.linspace(1, 0.1, d)
    found = []
    for _ in range(250 if d < 64 else 150):
        z = rng.normal(size=(n, d))
        # A generated picture resembles its study's own, and some are far off.
        noise = 0.5 * z + np.sqrt(0.75) * rng.normal(size=(n, d))
        noise /= np.sqrt(rng.chisquare(8, size=(n, 1)) / 8)
        found.append(influences((noise @ mixing * scale + shift / np.sqrt(d)), z @ mixing))
    expected = np.mean([one.value for one in found])
    intervals = [influence_interval(one.value, one.first + one.second, lowest=0) for one in found]
    covered = np.mean([low <= expected <= high for low, high in intervals])
    assert 0.92 <= covered <= 0.98  # 95 %, within the error of so few rounds


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
    np.testing.assert_allclose(whole.covariance, np.cov(rows.astype(float).T), rtol=1e-9)


@settings(max_examples=15)
@given(split=shards(len(STUDIES)))
def test_any_split_into_shards_gives_the_same_score(split):
    assert_shards_score_as_one(split, metric, STUDIES, SAMPLES)


def test_the_score_says_how_it_was_made_and_stands_beside_unrelated_real_pictures():
    other, _ = studies_and_samples(80, seed=9)
    scored = metric(others=rows_of(pixels(other)))
    scored.update(range(len(STUDIES)), STUDIES, SAMPLES)
    found = {score.name: score for score in pickle.loads(pickle.dumps(scored)).compute()}
    names = ["fid_pixels", "fid_pixels_other", "fid_pixels_other_real"]
    score, to_others, real_to_others = (found[name] for name in names)
    real = pixels(STUDIES)
    assert score.name == "fid_pixels"
    assert not score.higher_is_better
    assert score.ci95[0] <= score.value <= score.ci95[1]
    assert score.signature == (
        "fid|backbone:pixels|weights:none|ref:same-studies|n:40|ci:influence"
    )
    scale = score.unrelated
    assert (scale.n, scale.draws, scale.extrapolated) == (40, 20, False)
    assert scale.ci95[0] < scale.value < scale.ci95[1]
    assert to_others.name == "fid_pixels_other"
    made = PixelBackbone().features(np.stack([sample[Modality.F] for sample in SAMPLES]))
    assert to_others.value == pytest.approx(distance_between(made, pixels(other)[:40]))
    assert real_to_others.value == pytest.approx(distance_between(real, pixels(other)[:40]))
    assert to_others.signature == ("fid|backbone:pixels|weights:none|ref:train|n:40|ci:influence")
    kept = dict(scored.statistics())
    features = kept.pop("fid_pixels.features"), kept.pop("fid_pixels.other_features")
    for one, rows in zip(features, (made, pixels(other)[:40]), strict=True):
        assert one.dtype == np.float16
        np.testing.assert_allclose(one, rows, atol=1e-3)
    names += ["precision_pixels", "coverage_pixels"]
    assert sorted(kept) == sorted(f"{name}.influence" for name in names)
    for influence in kept.values():
        assert influence.shape == (40,)
        assert influence.mean() == pytest.approx(0, abs=1e-12)


def test_real_pictures_against_themselves_are_at_0():
    scored = metric()
    scored.update(range(40), STUDIES, [{Modality.F: study.frontal} for study in STUDIES])
    score, *others = scored.compute()
    assert score.value == pytest.approx(0, abs=1e-9)
    assert {one.reason for one in others if "_other" in one.name} == {NO_OTHERS}
    assert score.ci95 == pytest.approx((0, 0), abs=1e-9)


def test_a_suffix_tells_two_views_apart():
    names = [metric(Task.parse(task)).name for task in ("T->F", "L->F+T", "T->F+L")]
    assert names == ["fid_pixels", "fid_pixels", "fid_pixels[F]"]
    assert metric().applies_to(Task.parse("T->F"))
    assert not metric().applies_to(Task.parse("F->T"))


def test_one_study_has_no_distance_and_the_score_says_why():
    one = metric()
    one.update([0], STUDIES[:1], SAMPLES[:1])
    for score in one.compute():
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
