"""What a run's statistics hold gives its scores again, beside those of the real outputs."""

import numpy as np
import pytest

from codixr_bench.metric import INFLUENCE
from codixr_bench.metrics.stored_features import WIDEST
from codixr_bench.registry import METRICS, family_of, load_family
from helpers.small_runs import SmallRuns

RUNS = SmallRuns("L->F+T", 48)
MADE, COLUMNS = RUNS.run(RUNS.noisy())
_, OF_REAL = RUNS.run(RUNS.real)
PLAIN = {n: c for n, c in COLUMNS.items() if not n.endswith(INFLUENCE)}


@pytest.mark.parametrize(
    "name", ["frd", "judge_gap", "served_share", "diversity_image", "diversity_report"]
)
def test_a_score_beside_real_ones_follows_from_both_runs_statistics(name: str) -> None:
    family = family_of(name)
    found = family.recomputed(PLAIN, OF_REAL)[name]
    within = family.recomputed_within * max(1.0, abs(MADE[name].value))
    assert found.value == pytest.approx(MADE[name].value, abs=within)
    assert found.by_study.mean() == pytest.approx(0.0, abs=1e-6)
    spread = max(1.0, float(found.by_study.std()))
    np.testing.assert_allclose(found.by_study, COLUMNS[f"{name}.influence"], atol=0.02 * spread)


@pytest.mark.parametrize("name", ["template_share", "distinct_2"])
def test_what_reports_have_of_words_follows_from_the_runs_own_statistics(name: str) -> None:
    found = family_of(name).influences(PLAIN)[name]
    assert found.value == MADE[name].value
    np.testing.assert_allclose(found.by_study, COLUMNS[f"{name}.influence"], atol=1e-12)


def test_the_samples_are_such_that_studies_differ_in_each_score() -> None:
    for name in ("judge_gap", "served_share", "diversity_report", "template_share"):
        assert COLUMNS[f"{name}.influence"].std() > 0.02, name


def test_other_pairs_than_the_real_outputs_have_are_an_error() -> None:
    forged = PLAIN | {"diversity_image.apart": np.roll(PLAIN["diversity_image.apart"], 1)}
    with pytest.raises(ValueError, match="other pairs"):
        family_of("diversity_image").recomputed(forged, OF_REAL)


def test_columns_are_numbers_and_radiomic_features_no_wider_than_a_row_carries() -> None:
    assert COLUMNS["frd.features"].dtype == np.float16
    assert COLUMNS["frd.features"].shape[1] <= WIDEST
    assert all(column.dtype.kind in "biuf" for column in COLUMNS.values())


def faults(columns) -> str:
    found = [f for name in METRICS for f in load_family(name).column_faults(columns)]
    return "; ".join(f"{column}: {reason}" for column, reason in found)


def test_columns_of_runs_have_no_fault() -> None:
    assert faults(COLUMNS) == faults(OF_REAL) == ""


@pytest.mark.parametrize(
    ("column", "by", "said"),
    [
        ("bleu.match_1", 1000, "more matches than n-grams, or than the reference has"),
        ("bleu.match_4", 10, "more matches"),
        ("bleu.total_2", 5, "n-grams that no report of its length has"),
        ("rouge.rouge_l", 1.0, "outside 0 to 1"),
        ("report_labels.hypothesis.Edema", 5, "a label that no report has"),
        ("attributes.zone.both", 9, "more statements in both than in one"),
        ("image_attributes.zone.both", 9, "more statements in both than in one"),
        ("diversity_image.apart", 3.0, "pairs more unlike than there can be"),
        ("diversity_report.apart", -2.0, "pairs that are less than equal"),
        ("template_share.report", 1, "reports are numbered from 0 on"),
        ("distinct_2.own", 500, "more word pairs than were written"),
        ("distinct_2.first", 3, "word pairs that are new in a report written before"),
    ],
)
def test_columns_that_no_run_writes_are_told(column: str, by: float, said: str) -> None:
    values = COLUMNS[column].copy()
    values[::7] = values[::7] + np.asarray(by, dtype=values.dtype)
    assert said in faults(COLUMNS | {column: values})


def test_one_report_of_two_lengths_is_told() -> None:
    report, written = (COLUMNS[n].copy() for n in ("template_share.report", "distinct_2.written"))
    written[np.flatnonzero(report == np.bincount(report).argmax())[0]] += 1
    assert "two counts of one report" in faults(COLUMNS | {"distinct_2.written": written})
