"""A study's own pair of pictures is no evidence: what leaving it out makes right, by simulation.

Both sides are drawn from one distribution, and picture i of the one depends on picture i of the
other by ``rho``, from nothing to equality. What a score expects must not depend on that.
"""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.fid_infinity import extrapolated_distance
from codixr_bench.metrics.frechet import frechet_of_rows
from codixr_bench.metrics.kid import kernel_distance, paired_kernel_distance
from codixr_bench.metrics.precision_recall import manifolds
from codixr_bench.statistics.half_samples import Splits

D = 4


def rows_of(features):
    rows = FeatureRows()
    rows.add(range(len(features)), features.astype("f4"))
    return rows


def pair(rng, n, rho, shift=0.0, d=D):
    """Two sets [n, d], each of independent normal rows; row i of both correlate by ``rho``."""
    real = rng.normal(size=(n, d))
    made = rho * real + np.sqrt(1 - rho**2) * rng.normal(size=(n, d))
    return (made + shift).astype("f4"), real.astype("f4")


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def test_the_kernel_distance_of_pairs_is_the_sum_over_other_studies():
    x, y = (side.astype(float) for side in pair(np.random.default_rng(0), 30, 0.7, 0.3))
    h = kernel(x, x) + kernel(y, y) - kernel(x, y) - kernel(y, x)
    found = paired_kernel_distance(rows_of(x), rows_of(y))
    off = ~np.eye(30, dtype=bool)
    assert found.value == pytest.approx(h[off].mean(), rel=1e-6)
    patient = np.arange(30) // 3
    other = patient[:, None] != patient
    by_patient = paired_kernel_distance(rows_of(x), rows_of(y), patient)
    assert by_patient.value == pytest.approx(h[other].mean(), rel=1e-6)
    # A study's influence is what leaving it out does, but for a factor of its weight.
    keep = np.arange(30) != 4
    lost = found.value - h[np.ix_(keep, keep)][off[np.ix_(keep, keep)]].mean()
    assert found.first[4] == pytest.approx(28 * lost, rel=1e-4)
    assert found.first.mean() == pytest.approx(0, abs=1e-12)


def test_equal_sides_are_at_exactly_0():
    x, _ = pair(np.random.default_rng(1), 1500, 0.0, d=16)
    found = paired_kernel_distance(rows_of(x), rows_of(x.copy()))
    assert found.value == 0.0
    assert np.abs(found.first).max() == 0.0


def test_blocks_and_splits_into_rows_do_not_change_it():
    x, y = pair(np.random.default_rng(2), 2500, 0.5, 0.1)
    whole = paired_kernel_distance(rows_of(x), rows_of(y))
    h = kernel(x, x) + kernel(y, y) - kernel(x, y) - kernel(y, x)
    np.fill_diagonal(h, 0)
    assert whole.value == pytest.approx(h.sum() / (2500 * 2499), rel=1e-4)


def without_own(x, y):
    """Precision, recall and density as they are defined, a study at a time."""
    n = len(x)
    inside, recalled, balls = np.zeros(n, bool), np.zeros(n, bool), 0
    for i in range(n):
        keep = np.arange(n) != i
        for tested, others, flags in ((x[i], y[keep], inside), (y[i], x[keep], recalled)):
            radii = np.sort(cdist(others, others), axis=1)
            distances = cdist(tested[None], others)[0]
            flags[i] = (distances <= radii[:, 3]).any()
            if flags is inside:
                balls += int((distances < radii[:, 5]).sum())
    return inside.mean(), recalled.mean(), balls / (5 * n)


@pytest.mark.parametrize("rho", [0.0, 0.9, 1.0])
def test_manifolds_of_pairs_are_those_of_the_other_studies(rho):
    x, y = pair(np.random.default_rng(3), 60, rho, 0.2)
    found = manifolds(rows_of(x), rows_of(y), groups=np.arange(60))
    expected = without_own(x.astype(float), y.astype(float))
    got = (found.precision.value, found.recall.value, found.density.value)
    assert got == pytest.approx(expected, abs=1e-9)
    assert found.coverage is None


def without_patient(x, y, patient):
    """Precision, recall and density where a picture is tested without its patient's studies."""
    n = len(x)
    inside, recalled, balls = np.zeros(n, bool), np.zeros(n, bool), 0
    across = cdist(x, y)
    for one in np.unique(patient):
        keep, own = patient != one, np.flatnonzero(patient == one)
        real, made = (np.sort(cdist(z[keep], z[keep]), axis=1) for z in (y, x))
        for i in own:
            inside[i] = (across[i, keep] <= real[:, 3]).any()
            recalled[i] = (across[keep, i] <= made[:, 3]).any()
            balls += int((across[i, keep] < real[:, 5]).sum())
    return inside.mean(), recalled.mean(), balls / (5 * n)


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99])
def test_a_patients_other_studies_never_flatter(rho):
    lost = []
    for round_ in range(12):
        rng = np.random.default_rng((11, round_))
        patient = np.repeat(np.arange(40), 3)
        shared = [np.repeat(rng.normal(size=(40, D)), 3, axis=0) for _ in range(2)]
        own, other = (0.9 * s + np.sqrt(0.19) * rng.normal(size=s.shape) for s in shared)
        x, y = (rho * own + np.sqrt(1 - rho**2) * other).astype("f4"), own.astype("f4")
        found = manifolds(rows_of(x), rows_of(y), groups=patient)
        got = (found.precision.value, found.recall.value, found.density.value)
        lost.append(np.subtract(without_patient(x.astype(float), y.astype(float), patient), got))
    mean = np.mean(lost, axis=0)
    error = np.std(lost, axis=0) / np.sqrt(len(lost))
    assert np.all(mean > -2.5 * error), mean
    assert np.all(mean < 0.08), mean


def test_a_half_whose_neighbours_all_went_to_the_other_half_is_computed_whole():
    rng = np.random.default_rng(5)
    # Each patient has 70 equal-looking studies: more than are kept as neighbours.
    centres = rng.normal(size=(10, D)) * 10
    y = np.repeat(centres, 70, axis=0) + 0.01 * rng.normal(size=(700, D))
    x = y + 0.01 * rng.normal(size=y.shape)
    patients = [str(i // 70) for i in range(700)]
    splits = Splits.draw(700, 700, paired=True, patients=patients)
    found = manifolds(rows_of(x), rows_of(y), splits, groups=np.arange(700))
    assert 0.5 < found.precision.value < 0.9
    # The other half's patients look like nobody here.
    assert found.coverage is not None
    assert found.coverage.value == 0.0


def means(rho, rounds, n=60):
    """Mean and standard error of each score over simulated evaluations."""
    found = []
    for round_ in range(rounds):
        rng = np.random.default_rng((7, round_))
        x, y = pair(rng, n, rho)
        made, real = rows_of(x), rows_of(y)
        splits = Splits.draw(n, n, paired=True)
        one = manifolds(made, real, splits, groups=np.arange(n))
        assert one.coverage is not None
        found.append(
            [
                paired_kernel_distance(made, real).value,
                one.precision.value,
                one.recall.value,
                one.density.value,
                one.coverage.value,
            ]
        )
    values = np.array(found)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(rounds)


SCORES = ("kid", "precision", "recall", "density", "coverage")


@pytest.mark.slow
def test_no_score_depends_on_how_like_its_own_real_picture_a_picture_is():
    at_0, error_0 = means(0.0, 150)
    print()
    for rho in (0.8, 1.0):
        at, error = means(rho, 150)
        for name, a, b, e, f in zip(SCORES, at_0, at, error_0, error, strict=True):
            print(f"rho {rho}: {name} {a:.4f} and {b:.4f} ± {2 * np.hypot(e, f):.4f}")
            assert abs(a - b) < 3.5 * np.hypot(e, f), (rho, name)
    assert abs(at_0[0]) < 3.5 * error_0[0]


@pytest.mark.slow
def test_with_own_pairs_the_kernel_distance_is_below_0_and_precision_too_high():
    values = []
    for round_ in range(100):
        x, y = pair(np.random.default_rng((8, round_)), 60, 0.99)
        made, real = rows_of(x), rows_of(y)
        one = manifolds(made, real)
        values.append([kernel_distance(made, real).value, one.precision.value])
    kid, precision = np.array(values).T
    assert kid.mean() < -5 * kid.std() / np.sqrt(100)
    at_0, _ = means(0.0, 100)
    assert precision.mean() > at_0[1] + 0.02


@pytest.mark.slow
def test_own_pairs_lessen_a_frechet_distance_and_leave_its_limit_alone():
    limits, distances = {}, {}
    for rho in (0.0, 0.95):
        found = []
        for round_ in range(300):
            x, y = pair(np.random.default_rng((9, round_)), 200, rho, 0.5)
            made, real = rows_of(x), rows_of(y)
            found.append(
                [extrapolated_distance(made, real).value, frechet_of_rows(made, real).value]
            )
        values = np.array(found)
        limits[rho], distances[rho] = values.mean(axis=0)
        error = values[:, 0].std() / np.sqrt(300)
        print(f"rho {rho}: limit {limits[rho]:.4f} ± {2 * error:.4f}, at 200 {distances[rho]:.4f}")
        # The truth is |shift|² in every one of the D dimensions.
        assert abs(limits[rho] - D * 0.25) < 3.5 * error
    assert distances[0.95] < distances[0.0]
