from pathlib import Path

import numpy as np
import pytest

from codixr.data.groups import LEAST
from codixr.modality import Modality
from codixr_bench.metrics.bleu import BLEU, corpus_bleu
from codixr_bench.metrics.classification import ClassificationMetric
from codixr_bench.metrics.sums import SummedMetric
from codixr_bench.result import load_results
from codixr_bench.runs.small_cells import TOO_FEW, with_counts
from helpers.metric_fakes import PixelClassifier, by_name, studies_and_samples

ROOT = Path(__file__).parents[3]
STUDIES, SAMPLES = studies_and_samples(60)


def run(metric):
    metric.update(range(len(STUDIES)), STUDIES, SAMPLES)
    return metric.compute(), dict(metric.statistics())


def counted(metric, *, real_patients=False, **more):
    scores, statistics = run(metric)
    return by_name(with_counts(scores, statistics | more, real_patients=real_patients))


def classification():
    return ClassificationMetric(PixelClassifier(), Modality.F)


def f1(counts):
    return 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"])


def test_f1_and_its_averages_follow_from_the_counts():
    scores = counted(classification())
    classes = scores["f1_macro"].per_class
    values = [f1(one.counts) for one in classes.values()]
    assert values == pytest.approx([one.value for one in classes.values()], abs=1e-12)
    assert np.mean(values) == pytest.approx(scores["f1_macro"].value, abs=1e-12)
    total = {k: sum(one.counts[k] for one in classes.values()) for k in ("tp", "fp", "fn", "tn")}
    assert f1(total) == pytest.approx(scores["f1_micro"].value, abs=1e-12)
    weights = [one.n_pos for one in classes.values()]
    weighted = np.average(values, weights=weights)
    assert weighted == pytest.approx(scores["f1_weighted"].value, abs=1e-12)
    for one in classes.values():
        assert one.counts["tp"] + one.counts["fn"] == one.n_pos
        assert one.counts["fp"] + one.counts["tn"] == one.n_neg
    assert {one.counts for one in scores["auroc_macro"].per_class.values()} == {None}


def test_bleu_follows_from_the_totals():
    scores = counted(SummedMetric(BLEU))
    counts = scores["bleu_4"].counts
    names = [f"{kind}_{order}" for kind in ("match", "total") for order in range(1, 5)]
    row = np.array([[counts[name] for name in ("hyp_len", "ref_len", *names)]])
    for order, value in enumerate(corpus_bleu(row)[0], start=1):
        assert value == pytest.approx(scores[f"bleu_{order}"].value, abs=1e-12)
    assert set(scores["bleu_1"].counts) == {"hyp_len", "ref_len", "match_1", "total_1"}
    assert len(scores["sacrebleu"].counts) == 10


def test_small_cells_of_real_patients_are_not_shown():
    open_scores = counted(classification())["f1_macro"].per_class
    scores = counted(classification(), real_patients=True)["f1_macro"].per_class
    assert any(one.counts is None and one.value is not None for one in scores.values())
    for name, one in scores.items():
        smallest = min(open_scores[name].counts.values())
        if 0 < smallest < LEAST:
            assert one.counts is None
        for shown in (one.n_pos, one.n_neg, *(one.counts or {}).values()):
            assert shown is None or shown == 0 or shown >= LEAST


def test_a_class_of_few_patients_has_no_value_either():
    # Sixty studies of six patients: every cell is of fewer than ten patients.
    patient = np.arange(60, dtype=np.int32) % 6
    scores = counted(classification(), real_patients=True, patient=patient)
    for one in scores["f1_macro"].per_class.values():
        assert (one.value, one.reason, one.n_pos, one.counts) == (None, TOO_FEW, None, None)
    assert scores["f1_macro"].value is not None


def test_other_scores_stay_as_they_are():
    scores, statistics = run(classification())
    before = [s for s in scores if not s.per_class]
    after = with_counts(before, statistics, real_patients=True)
    assert after == before


def test_the_leaderboards_rows_of_real_patients_show_no_small_cell():
    rows = sorted((ROOT / "leaderboard" / "results" / "openi").glob("*.json"))
    assert [path.name for path in rows] == ["constant.json"]
    shown = 0
    for path in rows:
        assert not path.with_suffix("").exists(), "statistics stay with the data"
        for result in load_results(path):
            for score in result.scores:
                for one in score.per_class.values():
                    cells = [one.n_pos, one.n_neg, *(one.counts or {}).values()]
                    assert not [n for n in cells if n is not None and 0 < n < LEAST]
                    shown += one.counts is not None
    assert shown > 10
