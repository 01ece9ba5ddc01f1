"""Intervals from influences count patients, not studies, in every score that has them."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr_bench.metrics.influence_score import influence_score
from codixr_bench.metrics.own_wording import OwnWording
from codixr_bench.statistics.bootstrap import resampling_patients


def of(influence: np.ndarray, highest: float = np.inf):
    facts = {"higher_is_better": False, "signature": "s", "lowest": 0.0, "highest": highest}
    return influence_score("name", (0.5, influence, None), n=len(influence), **facts)


def test_two_equal_studies_of_a_patient_widen_the_interval_by_the_root_of_two():
    drawn = np.random.default_rng(0).normal(size=2000) * 0.5
    twice = np.repeat(drawn - drawn.mean(), 2)
    alone = of(twice)
    with resampling_patients([str(k // 2) for k in range(len(twice))]):
        together = of(twice)
    width = [score.ci95[1] - score.ci95[0] for score in (alone, together)]
    assert width[1] / width[0] == pytest.approx(2**0.5, rel=0.01)
    assert together.signature == "s|n:4000|ci:influence"


def test_an_interval_ends_where_no_value_can_be():
    influence = np.array([-3.0, 3.0, -3.0, 3.0])
    assert of(influence, highest=1.0).ci95 == (0.0, 1.0)


def test_a_value_that_cannot_be_told_has_a_reason_and_no_interval():
    score = influence_score(
        "name", (None, np.zeros(0), "why"), n=0, higher_is_better=True, signature="s",
        lowest=0.0, highest=1.0,
    )  # fmt: skip
    assert (score.value, score.ci95, score.reason) == (None, None, "why")


def test_own_wording_counts_a_patient_s_studies_as_one_draw():
    train = PhantomDataset("train", limit=400)
    studies = [PhantomDataset("test")[k // 2] for k in range(80)]
    said = [{"T": train[k].report} for k in range(40) for _ in range(2)]
    metric = OwnWording()
    metric.learn(train)
    metric.update(range(len(studies)), studies, said)
    (alone,) = metric.compute()
    with resampling_patients([str(k // 2) for k in range(len(studies))]):
        (together,) = metric.compute()
    assert together.value == alone.value
    assert together.ci95[1] - together.ci95[0] > 1.3 * (alone.ci95[1] - alone.ci95[0])
