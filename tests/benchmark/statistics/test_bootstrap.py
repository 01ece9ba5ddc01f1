import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codixr_bench.statistics.bootstrap import (
    SEED,
    _study_weights,
    in_chunks,
    patient_numbers,
    percentile_interval,
    resample_weights,
    resampling_patients,
)

values = hnp.arrays(np.float64, st.integers(2, 50), elements=st.floats(-1e3, 1e3))


@given(n=st.integers(1, 200), resamples=st.integers(1, 50))
def test_every_resample_draws_n_studies(n, resamples):
    weights = resample_weights(n, resamples)
    assert weights.shape == (resamples, n)
    assert (weights.sum(axis=1) == n).all()
    assert weights.min() >= 0


def test_equal_n_gives_equal_weights_so_that_models_can_be_paired():
    again = _study_weights.__wrapped__(100, 30, SEED)
    np.testing.assert_array_equal(resample_weights(100, 30), again)
    np.testing.assert_array_equal(resample_weights(100, 1000)[:30], again)
    assert (resample_weights(100, 30, seed=1) != again).any()
    with pytest.raises(ValueError, match="read-only"):
        resample_weights(100, 30)[0, 0] = 1


def test_resampled_means_spread_as_theory_says():
    x = np.random.default_rng(0).normal(size=400)
    means = resample_weights(400) @ x / 400
    assert means.std() == pytest.approx(x.std() / 20, rel=0.1)
    low, high = percentile_interval(means)
    assert low < x.mean() < high
    assert (high - low) == pytest.approx(2 * 1.96 * x.std() / 20, rel=0.1)


def test_a_percentile_interval_covers_the_true_mean_about_95_times_in_100():
    rng = np.random.default_rng(1)
    weights = resample_weights(100) / 100.0
    covered = 0
    for _ in range(400):
        low, high = percentile_interval(weights @ rng.exponential(size=100))
        covered += low <= 1.0 <= high
    assert 0.91 <= covered / 400 <= 0.97


def test_resamples_without_a_value_are_left_out_unless_they_are_most():
    some = np.array([1.0, 2.0, 3.0, np.nan])
    assert percentile_interval(some) == percentile_interval(some[:3])
    assert percentile_interval(np.array([1.0, np.nan])) is None


@given(rows=st.integers(-1, 9))
def test_chunks_are_all_rows_in_order(rows):
    weights = resample_weights(5, 7)
    np.testing.assert_array_equal(np.concatenate(list(in_chunks(weights, rows))), weights)


def test_nothing_to_resample_is_refused():
    with pytest.raises(ValueError, match="0 studies"):
        resample_weights(0)


def test_the_studies_of_a_patient_are_drawn_together():
    patients = ["a", "b", "a", "c", "b"]
    with resampling_patients(patients) as count:
        weights = resample_weights(5, 200)
        assert count == 3
        assert patient_numbers().tolist() == [0, 1, 0, 2, 1]
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert patient_numbers() is None
    assert (resample_weights(5, 200).sum(axis=1) == 5).all()


def test_one_study_a_patient_is_the_bootstrap_over_studies():
    with resampling_patients([f"p{i}" for i in range(50)]):
        np.testing.assert_array_equal(resample_weights(50, 20), _study_weights(50, 20, SEED))


def test_intervals_over_patients_are_wider_when_their_studies_are_alike():
    x = np.repeat(np.random.default_rng(0).normal(size=100), 4)
    by_study = percentile_interval(resample_weights(400) @ x / 400)
    with resampling_patients([str(i // 4) for i in range(400)]):
        weights = resample_weights(400)
        by_patient = percentile_interval(weights @ x / weights.sum(axis=1))
    assert np.diff(by_patient) == pytest.approx(2 * np.diff(by_study), rel=0.15)
