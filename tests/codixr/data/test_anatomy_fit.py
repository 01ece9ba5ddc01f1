"""The region of real measures, and how two views go together: numbers alone."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from codixr.data.anatomy_fit import FAR, STRONGEST, Pair, Region, fits


def two_views(n=4000, rho=0.8, seed=0):
    """Three measures and two: one of each is shared with correlation ``rho``."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 1))
    noise = rng.standard_normal((n, 5))
    first, second = noise[:, :3], noise[:, 3:]
    for rows in (first, second):
        rows[:, :1] = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rows[:, :1]
    return first @ np.array([[2.0, 1, 0], [0, 1, 0], [0, 3, 1]]), second + 7.0


def test_a_region_holds_99_percent_of_what_it_was_fitted_to_and_of_new_ones():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6))
    rows, new = (rng.standard_normal((4000, 6)) @ mixing + 3.0 for _ in range(2))
    region = Region.fit(rows)
    assert region.inside(rows).mean() == pytest.approx(0.99, abs=0.001)
    assert region.inside(new).mean() == pytest.approx(0.99, abs=0.006)
    again = Region.of(region.arrays())
    assert np.array_equal(again.distances(new), region.distances(new))


def test_wrongly_measured_pictures_do_not_shape_the_region():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((2000, 3))
    rows[:10] += 40.0
    region = Region.fit(rows)
    assert not region.inside(rows[:10]).any()
    assert np.abs(region.middle).max() < 0.2
    far = region.distances(np.array([[3.0, 0.0, 0.0], [np.nan, 0.0, 0.0]]))
    assert 2.5 < far[0] < 4.5
    assert np.isinf(far[1])


def test_a_measure_that_never_varies_breaks_nothing():
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.standard_normal(500), np.ones(500)])
    region = Region.fit(rows)
    assert region.inside(rows).mean() == pytest.approx(0.99, abs=0.003)
    assert not region.inside(np.array([[0.0, 5.0]])).any()
    with pytest.raises(ValueError, match="needs 4 pictures or more, not 3"):
        Region.fit(rows[:3])


def test_fits_are_the_log_ratio_of_normal_densities():
    first, second = two_views()
    pair = Pair.fit(first, second)
    assert pair.correlations[0] == pytest.approx(0.8, abs=0.03)
    both = np.hstack([first, second])
    near = (np.abs((both - both.mean(0)) / both.std(0)) < FAR).all(axis=1)
    x, y = first[near][:20], second[near][:20]
    found = fits(pair.variables(x, 0), pair.variables(y, 1))
    mean, covariance = both.mean(0), np.cov(both.T, bias=True)
    parts = [slice(0, 3), slice(3, 5)]
    for i, j in ((0, 0), (0, 1), (5, 3), (19, 19)):
        row = np.concatenate([x[i], y[j]])
        joint = multivariate_normal(mean, covariance).logpdf(row)
        alone = sum(multivariate_normal(mean[p], covariance[p, p]).logpdf(row[p]) for p in parts)
        assert found[i, j] == pytest.approx(joint - alone, abs=0.05)
    again = Pair.of(pair.arrays())
    assert np.array_equal(fits(again.variables(x, 0), again.variables(y, 1)), found)


def test_own_pairs_fit_better_than_others_and_no_correlation_is_believed_whole():
    first, second = two_views(rho=0.95)
    pair = Pair.fit(first[:2000], second[:2000])
    found = fits(pair.variables(first[2000:], 0), pair.variables(second[2000:], 1))
    own, others = np.diagonal(found), found[0, 1:]
    assert own.mean() > 0.5 > others.mean()
    same = Pair.fit(first, first.copy())
    assert same.correlations.max() == STRONGEST
    with pytest.raises(ValueError, match="pairs of 5 measures need 10 or more, not 9"):
        Pair.fit(first[:9], second[:9])


def test_a_measure_that_is_missing_says_nothing_about_the_pair():
    first, second = two_views()
    pair = Pair.fit(first, second)
    missing = np.full((1, 3), np.nan)
    assert np.allclose(pair.variables(missing, 0), pair.variables(pair.middles[0][None], 0))
