"""Intervals of shares, AUROC, F1, averages and products: ends, peers, patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import f1_score, roc_auc_score

from codixr_bench.statistics.auroc_interval import auroc
from codixr_bench.statistics.average_interval import average_interval
from codixr_bench.statistics.class_intervals import auroc_intervals, f1_intervals
from codixr_bench.statistics.effective_draws import (
    Z,
    by_patient,
    mid_p,
    ratio_interval,
    ratio_trials,
    wilson,
)
from codixr_bench.statistics.f1_interval import f1
from codixr_bench.statistics.product_interval import product_interval

AVERAGES = ("micro", "macro", "weighted")


def classified(n, k=4, seed=0, rounds=()):
    rng = np.random.default_rng(seed)
    present = rng.random((*rounds, k, n)) < 0.3
    return rng.normal(size=present.shape).round(1) + present, present


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (50, 100), (20, 20)])
def test_wilsons_interval_is_scipys(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    found = wilson(np.array(hits / n), np.array(float(n)))
    assert found == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(("hits", "n"), [(1, 1), (3, 20), (50, 100), (7, 7)])
def test_the_mid_p_interval_leaves_2_5_percent_by_the_binomial_itself(hits, n):
    low, high = mid_p(np.array(hits / n), np.array(float(n)))
    above = binom.sf(hits, n, low) + 0.5 * binom.pmf(hits, n, low)
    assert above == pytest.approx(0.025, abs=1e-9)
    if hits < n:
        below = binom.cdf(hits - 1, n, high) + 0.5 * binom.pmf(hits, n, high)
        assert below == pytest.approx(0.025, abs=1e-9)
    else:
        assert high == 1.0


def test_none_and_all_have_real_intervals():
    assert mid_p(np.array([0.0, 1.0]), np.array([50.0, 50.0]))[0].tolist() == [
        0.0,
        pytest.approx(0.05 ** (1 / 50)),
    ]
    scores = np.r_[np.zeros(30), np.ones(6)]
    found = auroc(scores, scores > 0, scores == 0)
    assert found.value == found.bounds[1] == 1.0
    assert 0.6 < found.bounds[0] < 0.85
    for predicted, value in ((scores > 0, 1.0), (scores < 0, 0.0)):
        found = f1(predicted, scores > 0, scores == 0)
        assert found.value == value
        assert 0.2 < found.bounds[1] - found.bounds[0] < 0.6
    product = product_interval(*np.full((2, 2, 40), 5.0), np.array(1.0), np.zeros(40))
    assert product[1] == 1.0
    assert 0.8 < product[0] < 0.97


def test_the_values_are_sklearns_and_unknown_labels_do_not_count():
    scores, present = classified(200)
    rng = np.random.default_rng(1)
    known = rng.random(present.shape) < 0.8
    areas = auroc(scores, present & known, ~present & known)
    overlaps = f1(scores > 0.7, present & known, ~present & known)
    for c in range(4):
        rows = known[c]
        expected = roc_auc_score(present[c, rows], scores[c, rows])
        assert areas.value[c] == pytest.approx(expected, abs=1e-12)
        expected = f1_score(present[c, rows], scores[c, rows] > 0.7)
        assert overlaps.value[c] == pytest.approx(expected, abs=1e-12)


def test_of_many_cases_aurocs_interval_is_delongs():
    rng = np.random.default_rng(2)
    present = rng.random(20_000) < 0.2
    scores = rng.normal(size=20_000) + 1.2 * present
    found = auroc(scores, present, ~present)
    of = [np.searchsorted(np.sort(scores[~k]), scores[k]) / (~k).sum() for k in (present, ~present)]
    error = np.sqrt(sum(x.var(ddof=1) / len(x) for x in of))
    low, high = found.bounds
    assert (high - low) / 2 == pytest.approx(Z * error, rel=0.01)


@pytest.mark.parametrize("kind", ["auroc", "f1"])
def test_all_repetitions_at_once_are_each_alone_with_patients_too(kind):
    scores, present = classified(60, rounds=(3,))
    patients = np.repeat(np.arange(25), [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, *[2] * 15])

    def intervals(i):
        if kind == "auroc":
            return auroc_intervals(scores[i], present[i], ~present[i], patients)
        return f1_intervals(scores[i] > 0.7, present[i], ~present[i], patients, 3)

    whole = intervals(slice(None))
    for i in range(3):
        alone = intervals(i)
        for name in ("per_class", *AVERAGES):
            for one, all_ in zip(getattr(alone, name), getattr(whole, name), strict=True):
                np.testing.assert_allclose(one, all_[i], atol=1e-12)


def test_a_patients_studies_that_say_the_same_are_one_draw():
    scores, present = classified(100)
    whose = np.repeat(np.arange(100), 4)
    again, present_again = (np.repeat(x, 4, axis=-1) for x in (scores, present))
    for one, four in (
        (
            auroc_intervals(scores, present, ~present),
            auroc_intervals(again, present_again, ~present_again, whose),
        ),
        (
            f1_intervals(scores > 0.7, present, ~present),
            f1_intervals(again > 0.7, present_again, ~present_again, whose),
        ),
    ):
        for name in ("per_class", *AVERAGES):
            np.testing.assert_allclose(getattr(one, name), getattr(four, name), rtol=0.02)


def test_a_class_of_one_kind_has_no_interval_and_is_left_out_of_averages():
    scores, present = classified(80)
    present[1] = False
    rest = [0, 2, 3]
    for make in (
        lambda p, i: auroc_intervals(scores[i], p[i], ~p[i]),
        lambda p, i: f1_intervals(scores[i] > 0.7, p[i], ~p[i]),
    ):
        whole = make(present, slice(None))
        assert np.isnan(whole.per_class[0][1])
        assert np.isfinite(whole.per_class[0][rest]).all()
        for name in ("macro", "weighted"):
            expected = getattr(make(present, rest), name)
            np.testing.assert_allclose(getattr(whole, name), expected, atol=1e-12)
    nothing = auroc_intervals(scores[:, :0], present[:, :0], present[:, :0])
    assert np.isnan(nothing.macro[0])


def test_the_average_of_unrelated_classes_is_as_sure_as_root_k_and_of_twins_as_one():
    values, ends = np.full(4, 0.5), (np.full(4, 0.4), np.full(4, 0.6))
    rng = np.random.default_rng(0)
    apart = np.linalg.qr(rng.normal(size=(50, 4)))[0].T
    low, high = average_interval(values, ends, np.ones(4), apart)
    assert (low, high) == pytest.approx((0.45, 0.55))
    low, high = average_interval(values, ends, np.ones(4), np.tile(apart[0], (4, 1)))
    assert (low, high) == pytest.approx((0.4, 0.6))


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=40),
    patients=st.integers(1, 10),
)
def test_a_means_interval_holds_it_and_stays_in_0_to_1(values, patients):
    numbers = np.arange(len(values)) % min(patients, len(values))
    sums = (by_patient(np.array(x), numbers) for x in (values, np.ones(len(values))))
    low, high = ratio_interval(*sums)
    mean = np.mean(values)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1
    assert high > low


def test_a_mean_of_like_values_is_worth_more_draws_than_yes_and_no():
    rng = np.random.default_rng(0)
    ones = np.ones(500)
    assert ratio_trials((rng.random(500) < 0.4).astype(float), ones) == pytest.approx(500)
    assert ratio_trials(rng.normal(0.4, 0.05, 500), ones) > 5000
