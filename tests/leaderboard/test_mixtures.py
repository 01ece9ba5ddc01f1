"""Features that are means of pictures' features are refused; honest rows and halves are not."""

from collections.abc import Callable

import numpy as np
import pytest

from codixr_leaderboard.mixtures import (
    LIMITS,
    MOST,
    mixture_problems,
    nearest_mixture,
    usual_distance,
)
from codixr_leaderboard.statistics_file import First, Table
from helpers.committed_rows import committed

TASK = "L+T->F"
REAL = committed("real", TASK)
FEATURES = ("frd.features", "fid_phantom.features")
Make = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def of(one: First, name: str) -> np.ndarray:
    return one[1][name].astype(np.float32)


def near(features: np.ndarray, among: int = 10) -> np.ndarray:
    """[n, among]: the places of the nearest others."""
    squared = np.square(features).sum(axis=1) - 2.0 * features @ features.T
    np.fill_diagonal(squared, np.inf)
    return np.argpartition(squared, among, axis=1)[:, :among]


def mean_with_neighbours(count: int, noise: float = 0.0) -> Make:
    def make(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        neighbours = near(features)[:, :count]
        weights = rng.dirichlet(np.full(count + 1, 3.0), len(features))[:, :, None]
        mixed = weights[:, 0] * features + (weights[:, 1:] * features[neighbours]).sum(axis=1)
        return mixed + noise * rng.normal(size=mixed.shape) * features.std(axis=0)

    return make


def pairs(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(0.1, 0.4, (len(features), 1))
    return (1.0 - share) * features + share * rng.permutation(features)


def said(table: Table, others: list[First] | None = None) -> str:
    return "; ".join(map(str, mixture_problems(table, REAL, others or [])))


@pytest.mark.parametrize(
    "make",
    [
        mean_with_neighbours(1),
        mean_with_neighbours(2),
        mean_with_neighbours(4),
        mean_with_neighbours(1, noise=0.2),
        pairs,
    ],
    ids=["of two", "of three", "of five", "under noise", "of any two"],
)
def test_mixtures_of_real_pictures_are_none(make: Make) -> None:
    rng = np.random.default_rng(0)
    forged = {name: make(of(REAL, name), rng).astype(np.float16) for name in FEATURES}
    assert "'frd.features':" in said(forged)
    assert "of the pictures are no pictures but mixtures of those of 'real'" in said(forged)


def test_either_networks_features_give_a_mixture_away() -> None:
    rng = np.random.default_rng(1)
    for name in FEATURES:
        mixed = mean_with_neighbours(1)(of(REAL, name), rng)
        honest = committed("codixr", TASK)[1]
        assert said(dict(honest) | {name: mixed.astype(np.float16)}).startswith(
            f"statistics: '{name}': 100% of the pictures"
        )


def test_mixtures_of_two_rows_are_none() -> None:
    codixr, retrieval = (committed(model, TASK) for model in ("codixr", "retrieval"))
    mixed = (of(codixr, "frd.features") + of(retrieval, "frd.features")) / 2
    forged = {"frd.features": mixed.astype(np.float16)}
    assert said(forged) == ""
    assert "mixtures of other rows' pictures" in said(forged, [codixr, retrieval])


@pytest.mark.parametrize("model", ["codixr", "retrieval", "constant", "noise"])
def test_an_honest_row_has_hardly_a_picture_that_is_a_mixture(model: str) -> None:
    name, limit = "frd.features", LIMITS["frd"]
    away = nearest_mixture(of(committed(model, TASK), name), of(REAL, name))
    assert (away <= limit * usual_distance(of(REAL, name))).mean() <= MOST / 50


@pytest.mark.parametrize("name", FEATURES)
def test_half_of_the_real_pictures_are_no_mixtures_of_the_other_half(name: str) -> None:
    features, half = of(REAL, name), np.arange(2000) % 2 == 0
    away = nearest_mixture(features[half], features[~half])
    limit = LIMITS[name.partition(".")[0]] * usual_distance(features)
    assert (away <= limit).mean() <= MOST / 10


def test_the_nearest_mixture_is_that_of_a_solver() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(2)
    pictures = rng.normal(size=(16, 6)).astype(np.float32)
    features = rng.normal(size=(5, 6)).astype(np.float32)

    def apart(weights: np.ndarray, one: np.ndarray) -> float:
        return float(np.square(weights @ pictures - one).sum())

    for one, found in zip(features, nearest_mixture(features, pictures), strict=True):
        best = minimize(
            apart,
            np.full(16, 1 / 16),
            args=(one,),
            bounds=[(0, 1)] * 16,
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1.0},
            method="SLSQP",
        )
        assert found == pytest.approx(best.fun**0.5, abs=0.02)
