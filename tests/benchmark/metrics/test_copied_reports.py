"""A report that nobody writes twice by chance is a copy; a common one never is."""

import math
import pickle
from collections import Counter

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.copied_reports import (
    ACCIDENTAL,
    COPIES_REPORT,
    EQUALS,
    FEW_MASKED,
    LEAST_SHARED,
    MASKED,
    NO_TRAINING,
    TOO_COMMON,
    CopiesReport,
    ReportIndex,
    sentences_of,
)
from helpers.metric_fakes import by_name

TRAIN = PhantomDataset("train")
TEST = PhantomDataset("test", limit=300)
REPORTS = list(TRAIN.reports())
INDEX = ReportIndex(REPORTS)
RARE = [r for r in REPORTS if INDEX.is_testable(sentences_of(r))]


def scored(made: list[str]):
    metric = CopiesReport()
    metric.learn(TRAIN, TEST)
    studies = [TEST[0]] * len(made)
    metric.update(range(len(made)), studies, [{Modality.T: report} for report in made])
    return metric, by_name(metric.compute())


def test_rarity_is_the_sum_over_sentences_of_how_seldom_training_reports_have_them() -> None:
    often = Counter(s for report in REPORTS for s in sentences_of(report))
    report = sentences_of(REPORTS[3])
    expected = sum(math.log((8000 + 1) / (often[s] + 0.5)) for s in report)
    assert INDEX.rarity(report) == pytest.approx(expected)
    assert INDEX.is_testable(report) == (expected >= math.log(8000 / EQUALS))


def test_repeats_agree_with_the_definition_by_brute_force() -> None:
    often = Counter(s for report in REPORTS for s in sentences_of(report))
    weight = {s: math.log(8001 / (count + 0.5)) for s, count in often.items()}
    sets = [sentences_of(report) for report in REPORTS]
    least = math.log(8000 / EQUALS)

    def repeats(report: frozenset[str]) -> bool:
        return any(
            (shared := sum(weight[s] for s in report & other)) >= least
            and shared >= LEAST_SHARED * sum(weight.get(s, math.log(16002)) for s in report | other)
            for other in sets
        )

    some = [sentences_of(report) for report in TEST.reports()[:20]]
    some += [frozenset(list(sentences_of(report))[:-1]) for report in RARE[:20]]
    found = [INDEX.repeats(report) for report in some]
    assert found == [repeats(report) for report in some]
    assert 5 < sum(found) < 35


def shuffled(report: str) -> str:
    return (". ".join(reversed(report.rstrip(".").split(". "))) + ".").upper()


def test_planted_copies_are_found_whatever_their_order_case_and_stops() -> None:
    fresh = [
        r
        for r in PhantomDataset("val").reports()
        if INDEX.is_testable(sentences_of(r)) and not INDEX.repeats(sentences_of(r))
    ][:40]
    made = [*RARE[:5], *map(shuffled, RARE[5:10]), *fresh]
    metric, found = scored(made)
    assert found["copies_report"].value == pytest.approx(10 / 50)
    assert found["testable_reports"].value == 1.0
    low, high = found["copies_report"].ci95
    assert low < 0.2 < high
    codes = [one.code for one in COPIES_REPORT.warnings(found)]
    assert codes == ["copies"]
    columns = metric.statistics()
    assert set(columns) == {
        f"{name}.yes" for name in COPIES_REPORT.scores if name not in ("own_wording", MASKED)
    }
    for name, one in COPIES_REPORT.influences(columns).items():
        assert one.value == found[name].value
        assert abs(one.by_study.sum()) < 1e-9


def test_copies_among_reports_with_masked_words_are_counted_apart() -> None:
    fresh = [
        r
        for r in PhantomDataset("val").reports()
        if INDEX.is_testable(sentences_of(r)) and not INDEX.repeats(sentences_of(r))
    ][:40]
    masked = [f"___ {report}" for report in (*RARE[:4], *fresh[:12])]
    metric, found = scored([*RARE[5:11], *masked, *fresh[12:40]])
    assert found["copies_report"].value == pytest.approx(10 / 50)
    assert found[MASKED].value == pytest.approx(4 / 16)
    low, high = found[MASKED].ci95
    assert low < 0.25 < high
    columns = metric.statistics()
    assert columns[f"{MASKED}.holds"].sum() == 16
    again = COPIES_REPORT.influences(columns)[MASKED]
    assert (again.value, again.ci95) == (found[MASKED].value, found[MASKED].ci95)
    assert abs(again.by_study.sum()) < 1e-9
    columns[f"{MASKED}.holds"] = columns[f"{MASKED}.holds"] * 2
    assert [at for at, _ in COPIES_REPORT.column_faults(columns)] == [f"{MASKED}.holds"]


def test_few_masked_reports_are_no_share_and_reports_without_one_have_no_such_score() -> None:
    _, found = scored([*RARE[:20], "Compared with ___. " + RARE[20]])
    assert (found[MASKED].value, found[MASKED].reason) == (None, FEW_MASKED)
    assert COPIES_REPORT.knows_reason(FEW_MASKED)
    _, found = scored(RARE[:20])
    assert MASKED not in found


def test_one_report_in_a_hundred_that_is_a_training_one_less_a_sentence_is_found() -> None:
    rng = np.random.default_rng(0)
    found = []
    for report in rng.choice(RARE, 200, replace=False):
        left = frozenset(sorted(sentences_of(report), key=INDEX._weight)[1:])
        if INDEX.is_testable(left):
            found.append(INDEX.repeats(left))
    assert len(found) > 100
    assert np.mean(found) >= 0.95


def test_common_reports_are_nobody_s_property() -> None:
    common = Counter(REPORTS).most_common(1)[0][0]
    assert Counter(REPORTS)[common] > 20
    _, found = scored([common] * 50)
    assert found["copies_report"].value is None
    assert found["copies_report"].reason == TOO_COMMON
    assert found["testable_reports"].value == 0.0
    assert list(COPIES_REPORT.warnings(found)) == []
    assert COPIES_REPORT.knows_reason(TOO_COMMON)


def test_real_reports_are_few_copies_and_give_no_warning() -> None:
    real = list(PhantomDataset("test").reports())
    testable = [sentences_of(r) for r in real if INDEX.is_testable(sentences_of(r))]
    assert 0.2 < len(testable) / len(real) < 0.3
    share = np.mean([INDEX.repeats(report) for report in testable])
    assert share <= ACCIDENTAL
    _, found = scored(list(TEST.reports()))
    assert list(COPIES_REPORT.warnings(found)) == []


def test_a_study_s_own_report_is_what_was_asked_for_and_another_s_is_a_copy() -> None:
    own = list(TEST.reports())
    _, found = scored(own)
    assert found["copies_of_test_report"].value <= 0.02
    _, found = scored([*own[1:], own[0]])
    assert found["copies_of_test_report"].value == 1.0
    assert "copies_of_test" in [one.code for one in COPIES_REPORT.warnings(found)]


def test_a_shard_travels_and_the_order_does_not_count() -> None:
    made = [{Modality.T: report} for report in (*RARE[:10], *TEST.reports()[:20])]
    whole = CopiesReport()
    whole.learn(TRAIN, TEST)
    studies = [TEST[0]] * 30
    whole.update(range(30), studies, made)
    parts = [CopiesReport(), CopiesReport()]
    for part, some in zip(parts, (range(18, 30), range(18)), strict=True):
        part.learn(TRAIN, TEST)
        part.update(some, studies[: len(some)], [made[i] for i in some])
    parts[0].merge(pickle.loads(pickle.dumps(parts[1])))
    assert parts[0].compute() == whole.compute()


def test_no_training_studies_and_a_missing_output_are_told() -> None:
    metric = CopiesReport()
    metric.learn(None, TEST)
    metric.update([0], [TEST[0]], [{Modality.T: "no"}])
    assert {score.reason for score in metric.compute()} == {NO_TRAINING}
    with pytest.raises(InputError, match="position 7 has no report"):
        metric.update([7], [TEST[0]], [{}])
