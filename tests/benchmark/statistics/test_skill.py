"""Skill: a scale from one answer to everything to the ceiling, and its interval."""

import numpy as np
import pytest

from codixr_bench.statistics.skill import Measured, skill


def measured(values):
    values = np.asarray(values, dtype=float)
    return Measured(float(values.mean()), values - values.mean())


def three(rng, n):
    hard = rng.normal(size=n)
    constant = 0.2 + 0.1 * hard + 0.1 * rng.normal(size=n)
    ceiling = 0.9 + 0.1 * hard + 0.1 * rng.normal(size=n)
    model = 0.55 + 0.1 * hard + 0.2 * rng.normal(size=n)
    return measured(model), measured(constant), measured(ceiling)


def test_constant_is_exactly_0_and_the_ceiling_exactly_1():
    model, constant, ceiling = three(np.random.default_rng(0), 50)
    assert skill(constant, constant, ceiling) == (0.0, (0.0, 0.0))
    value, (low, high) = skill(ceiling, constant, ceiling)
    assert value == 1.0
    assert low == pytest.approx(1.0) == high
    value, (low, high) = skill(model, constant, ceiling)
    assert low < value < high
    expected = (model.value - constant.value) / (ceiling.value - constant.value)
    assert value == pytest.approx(expected)


def test_a_distance_has_the_same_scale():
    constant, model, ceiling = (measured([d] * 10) for d in (40.0, 10.0, 0.0))
    assert skill(model, constant, ceiling)[0] == pytest.approx(0.75)


def test_it_is_null_where_constant_and_ceiling_are_too_alike():
    rng = np.random.default_rng(1)
    near = measured(rng.normal(size=100)), measured(rng.normal(size=100) + 0.1)
    assert skill(near[0], *near) is None
    equal = measured([1.0] * 5)
    assert skill(equal, equal, equal) is None


def test_its_interval_covers_95_percent():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(2000):
        _, (low, high) = skill(*three(rng, 80))
        held += low <= 0.5 <= high
    assert 0.935 <= held / 2000 <= 0.965


def test_a_patients_studies_count_once():
    model, constant, ceiling = three(np.random.default_rng(3), 60)
    patients = np.repeat(np.arange(6), 10)
    repeated = [
        Measured(m.value, np.repeat(m.by_study[:6], 10)) for m in (model, constant, ceiling)
    ]
    _, (low, high) = skill(*repeated)
    _, (lower, higher) = skill(*repeated, patients)
    assert higher - lower > 2.5 * (high - low)
