"""Scores of pictures against those of the same studies: right however alike a study's two are.

Independent of the metrics' own tests: both sides are drawn here, the truth is the distributions',
and the scores come as a run makes them (``distance_scores`` of ``same-studies``).
"""

import os

import numpy as np
import pytest

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.distance_scores import Asked, distance_scores

ROUNDS = int(os.environ.get("CODIXR_ROUNDS", "400"))
D = 8
SHIFT = 0.25
KINDS = ("precision", "recall", "density", "coverage")


def scores_of(made, real, kinds):
    sides = []
    for features in (made, real):
        rows = FeatureRows()
        rows.add(range(len(features)), features.astype("f4"))
        sides.append(rows)
    asked = Asked(
        backbone="normal",
        signature="normal",
        kinds=kinds,
        n=len(made),
        reference="same-studies",
    )
    return [one.score for one in distance_scores(*sides, asked)]


def sides(rng, n, alike, shift):
    real = rng.normal(size=(n, D))
    made = alike * real + np.sqrt(1 - alike**2) * rng.normal(size=(n, D))
    return made + shift, real


def true_kernel_distance(shift):
    """The squared MMD, kernel (x·y / d + 1)³, of normal sets whose means differ by ``shift``.

    x·y given y is normal, of mean m·y and variance |y|²: its first three moments follow from y's.
    """
    m2 = D * shift**2

    def cube(first, second, third):
        return third / D**3 + 3 * second / D**2 + 3 * first / D + 1

    mean_square = D + m2
    along = m2
    along2 = m2 + m2**2
    along3 = 3 * m2**2 + m2**3
    # E (m·y) |y|² = m² (d + m²) + 2 m².
    along_square = m2 * (D + m2) + 2 * m2
    both = cube(along, along2 + mean_square, along3 + 3 * along_square)
    own = cube(0.0, float(D), 0.0)
    across = cube(0.0, mean_square, 0.0)
    return both + own - 2 * across


def test_the_true_distance_is_that_of_very_many():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1_000_000, D)) + SHIFT
    u, v = x - SHIFT, rng.normal(size=(1_000_000, D))

    def kernel(a, b):
        return ((a * b).sum(axis=1) / D + 1) ** 3

    found = kernel(x, y).mean() + kernel(u, v).mean() - 2 * kernel(y, v).mean()
    assert found == pytest.approx(true_kernel_distance(SHIFT), abs=0.01)
    assert true_kernel_distance(0.0) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 200, 400])
@pytest.mark.parametrize("alike", [0.0, 0.9])
def test_the_kernel_distance_is_unbiased_and_its_interval_holds_the_truth(n, alike):
    rng = np.random.default_rng(n)
    true = true_kernel_distance(SHIFT)
    values, inside = [], 0
    for _ in range(ROUNDS):
        (score,) = scores_of(*sides(rng, n, alike, SHIFT), ("kid",))
        values.append(score.value)
        inside += score.ci95[0] <= true <= score.ci95[1]
    error = np.std(values) / np.sqrt(ROUNDS)
    covered = inside / ROUNDS
    mean = np.mean(values)
    print(f"\nn {n}, alike {alike}: mean {mean:.4f} of {true:.4f}, covered {covered:.3f}")
    assert mean == pytest.approx(true, abs=3 * error)
    assert covered >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / ROUNDS)


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 200])
def test_the_manifolds_scores_expect_the_same_of_dependent_sides(n):
    rounds = max(40, ROUNDS // 4)
    found = {}
    for alike in (0.0, 0.9):
        rng = np.random.default_rng(n)
        found[alike] = np.array(
            [
                [score.value for score in scores_of(*sides(rng, n, alike, SHIFT), KINDS)]
                for _ in range(rounds)
            ]
        )
    apart = found[0.9].mean(axis=0) - found[0.0].mean(axis=0)
    error = np.sqrt(sum(np.var(values, axis=0) for values in found.values()) / rounds)
    print(f"\nn {n}: {dict(zip(KINDS, apart.round(4), strict=True))} ± {error.round(4)}")
    assert (np.abs(apart) <= 3 * error + 0.005).all()
