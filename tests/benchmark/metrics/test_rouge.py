import pickle

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.rouge import ROUGE
from codixr_bench.metrics.sums import SummedMetric
from codixr_bench.task import Task
from helpers.metric_fakes import scored_in, studies_and_samples

STUDIES, SAMPLES = studies_and_samples(40)


def whole():
    metric = SummedMetric(ROUGE)
    metric.update(range(40), STUDIES, SAMPLES)
    return metric


def test_it_is_the_librarys_mean_over_reports():
    peer = RougeScorer(["rougeL"])
    values = [
        peer.score(study.report, sample[Modality.T])["rougeL"].fmeasure
        for study, sample in zip(STUDIES, SAMPLES, strict=True)
    ]
    (score,) = whole().compute()
    assert score.value == pytest.approx(np.mean(values), abs=1e-12)
    assert score.ci95[0] < score.value < score.ci95[1]
    influence = ROUGE.influences(whole().statistics())["rouge_l"]
    assert influence.value == pytest.approx(score.value, abs=1e-12)
    np.testing.assert_allclose(influence.by_study, values - np.mean(values), atol=1e-12)


def test_an_empty_report_scores_nothing_and_is_counted():
    metric = SummedMetric(ROUGE)
    metric.update([0, 1], STUDIES[:2], [{Modality.T: STUDIES[0].report}, {Modality.T: ""}])
    (score,) = metric.compute()
    assert (score.value, score.n) == (0.5, 2)


def test_any_split_into_shards_gives_the_same_score():
    split = [[[3, 1], [2]], [], [[0], list(range(39, 3, -1))]]
    merged = pickle.loads(
        pickle.dumps(scored_in(split, lambda: SummedMetric(ROUGE), STUDIES, SAMPLES))
    )
    assert merged.compute() == whole().compute()


def test_missing_reports_are_named_by_their_position():
    with pytest.raises(InputError, match="sample at position 4 has no report"):
        SummedMetric(ROUGE).update([4], STUDIES[:1], [{}])
    assert SummedMetric(ROUGE).compute()[0].reason == "no study was scored"
    assert not SummedMetric(ROUGE).applies_to(Task.parse("T->F"))
