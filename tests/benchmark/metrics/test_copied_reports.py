"""A report that nobody writes twice by chance is a copy; a common one never is."""

import math
import pickle
import random
from collections import Counter

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.copied_reports import (
    ACCIDENTAL,
    COPIES_REPORT,
    FEW_MASKED,
    MASKED,
    NO_TRAINING,
    TOO_COMMON,
    CopiesReport,
)
from codixr_bench.metrics.report_index import (
    EQUALS,
    LEAST_SHARED,
    OF_PART,
    ReportIndex,
    Sentences,
)
from codixr_bench.metrics.report_words import WordReader, pieces_of
from codixr_bench.statistics.significance import binomial_tail
from helpers.metric_fakes import by_name
from helpers.report_games import WAYS

TRAIN = PhantomDataset("train")
TEST = PhantomDataset("test", limit=300)
REPORTS = list(TRAIN.reports())
SENTENCES = Sentences(REPORTS)
INDEX = ReportIndex(SENTENCES)
RARE = [r for r in REPORTS if INDEX.is_testable(r)]


def scored(made: list[str]):
    metric = CopiesReport()
    metric.learn(TRAIN, TEST)
    studies = [TEST[0]] * len(made)
    metric.update(range(len(made)), studies, [{Modality.T: report} for report in made])
    return metric, by_name(metric.compute())


def test_rarity_is_the_sum_over_sentences_of_how_seldom_training_reports_have_them() -> None:
    often = Counter(s for report in REPORTS for s in set(pieces_of(report)))
    report = REPORTS[3]
    expected = sum(math.log((8000 + 1) / (often[s] + 0.5)) for s in set(pieces_of(report)))
    assert INDEX.rarity(report) == pytest.approx(expected)
    assert INDEX.is_testable(report) == (expected >= math.log(8000 / EQUALS))


def test_repeats_agree_with_the_definition_by_brute_force() -> None:
    sets = [frozenset(pieces_of(report)) for report in REPORTS]
    often = Counter(s for report in sets for s in report)
    weight = {s: math.log(8001 / (count + 0.5)) for s, count in often.items()}
    whole, part = math.log(8000 / EQUALS), math.log(8000 / OF_PART)

    def repeats(text: str) -> bool:
        report = frozenset(pieces_of(text))
        for other in sets:
            shared = sum(weight[s] for s in report & other)
            every = sum(weight.get(s, 0.0) for s in report | other)
            if shared >= part or (shared >= whole and shared >= LEAST_SHARED * every):
                return True
        return False

    some = [r for r in TEST.reports()[:40] if all(s in often for s in pieces_of(r))]
    some += [" ".join(sentences(report)[:-1]) for report in RARE[:20]]
    some += [
        " ".join(sentences(a)[:3] + sentences(b)[2:])
        for a, b in zip(RARE[:20], RARE[20:40], strict=True)
    ]
    found = [INDEX.repeats(text) for text in some]
    assert found == [repeats(text) for text in some]
    assert 10 < sum(found) < len(some) - 10


def sentences(report: str) -> list[str]:
    return [f"{one}." for one in report.rstrip(".").split(". ")]


def shuffled(report: str) -> str:
    return (". ".join(reversed(report.rstrip(".").split(". "))) + ".").upper()


def test_planted_copies_are_found_whatever_their_order_case_and_stops() -> None:
    fresh = [
        r for r in PhantomDataset("val").reports() if INDEX.is_testable(r) and not INDEX.repeats(r)
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
        r for r in PhantomDataset("val").reports() if INDEX.is_testable(r) and not INDEX.repeats(r)
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


@pytest.mark.parametrize("name", WAYS)
def test_a_copied_report_is_found_whatever_was_done_to_hide_it(name: str) -> None:
    """The table of docs/metrics/copies.md: of 400 training reports, with every tenth of them."""
    rng = random.Random(0)
    some = [rng.choice(REPORTS) for _ in range(400)]
    others = [rng.choice(REPORTS) for _ in range(400)]
    made = [WAYS[name].make(a, b, rng) for a, b in zip(some, others, strict=True)]
    testable = [r for r in made if INDEX.is_testable(r)]
    share = sum(map(INDEX.repeats, testable)) / len(testable)
    print(f"\n| {name} | {len(testable) / 400:.3f} | {share:.3f} |")
    assert share >= WAYS[name].found
    if WAYS[name].found:
        _, found = scored(made[: len(TEST)])
        assert "copies" in [one.code for one in COPIES_REPORT.warnings(found)]


@pytest.mark.slow
def test_held_out_reports_are_copies_for_less_than_one_in_a_hundred_with_95_percent() -> None:
    """Of fresh collections, none of which the test split is."""
    held = [r for seed in range(7001, 7021) for r in PhantomDataset("test", seed=seed).reports()]
    testable = [r for r in held if INDEX.is_testable(r)]
    counted = sum(map(INDEX.repeats, testable))
    print(f"\n{counted} of {len(testable)} held-out reports")
    assert len(testable) > 10_000
    # So few of them, or fewer, in one of twenty times where it is 1 % or more.
    assert 1.0 - binomial_tail(counted + 1, len(testable), ACCIDENTAL) < 0.05


def test_words_are_read_as_the_training_reports_write_them() -> None:
    reader = SENTENCES.reader
    for short, word in (
        ("rt", "right"), ("lt", "left"), ("mod", "moderate"), ("sm", "small"), ("sev", "severe"),
        ("bilat", "bilateral"), ("ptx", "pneumothorax"), ("effus", "effusion"),
        ("cardiomegally", "cardiomegaly"), ("pneumonia", "pneumonia"), ("rll", "right lower lobe"),
    ):  # fmt: skip
        assert " ".join(reader.read(short)) == word
    assert reader.read("zebra") == ("zebra",)
    assert reader.pieces("Sm. B/L pl. effusions. RT. PACEMAKER in place.") == [
        ("small", "bilateral", "pleural", "effusions"),
        ("right", "pacemaker", "in", "place"),
    ]
    # The commoner of two words that it may be.
    assert WordReader(Counter(small=3, summit=2)).read("sm") == ("small",)


def test_sentences_are_cut_where_they_begin_and_not_where_the_stops_are() -> None:
    text = "mild cardiomegaly the mediastinal contours. are normal, small right pneumothorax. oh."
    assert SENTENCES.cut(text) == [
        ("mild", "cardiomegaly"),
        ("the", "mediastinal", "contours", "are", "normal"),
        ("small", "right", "pneumothorax"),
        ("oh",),
    ]


def test_a_changed_word_makes_a_sentence_weigh_less_and_one_of_nobody_s_nothing() -> None:
    (exact,) = SENTENCES.said("moderate left pleural effusion.")
    (changed,) = SENTENCES.said("visible left pleural effusion.")
    (nobody,) = SENTENCES.said("the moon is made of green cheese.")
    assert 0.0 < changed.weight < exact.weight
    assert ("moderate", "left", "pleural", "effusion") in changed.made_of
    assert nobody.weight == 0.0
    assert nobody.rarity > exact.rarity
    # Two sentences that may be made of one tell no more than it.
    assert not INDEX.repeats("left pleural effusion. ".join(["a ", "one ", "some ", "any ", ""]))


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
    testable = [r for r in real if INDEX.is_testable(r)]
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
