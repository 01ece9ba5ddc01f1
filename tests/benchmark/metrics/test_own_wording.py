"""Whoever looks reports up knows words that nothing tells; whoever guesses well does not."""

import os
import pickle
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metrics.copied_reports import COPIES_REPORT
from codixr_bench.metrics.own_wording import (
    ALLOWED,
    ONE_WORDING,
    OwnWording,
    Wordings,
    meaning_of,
    sentences_in,
    wording_warnings,
)
from codixr_bench.metrics.repeats import NO_TRAINING
from helpers.report_games import PADDED, joined, sentences_of, shortened, stops_elsewhere

TRAIN = PhantomDataset("train")
TEST = PhantomDataset("test", limit=400)
REAL = list(TEST.reports())
RNG = random.Random(0)


def scored(made: list[str]):
    metric = OwnWording()
    metric.learn(TRAIN)
    metric.update(range(len(made)), STUDIES[: len(made)], [{Modality.T: r} for r in made])
    return metric.compute()[0]


class Reported:
    """A study of which only the report is asked for."""

    def __init__(self, report: str) -> None:
        self.report = report
        self.labels: dict[str, int] = {}

    def get(self, modality: Modality) -> str:
        return self.report


STUDIES = [Reported(report) for report in REAL]


def sides_exchanged(report: str) -> str:
    return report.replace("right", "?").replace("left", "right").replace("?", "left")


def one_word_changed(report: str) -> str:
    words = report.split()
    words[RNG.randrange(len(words))] = "something"
    return " ".join(words)


def a_word_of_each_sentence_changed(report: str) -> str:
    return " ".join(f"{one_word_changed(s)}." for s in report.rstrip(".").split(". "))


@pytest.mark.parametrize(
    "change",
    [
        str,
        str.upper,
        sides_exchanged,
        one_word_changed,
        a_word_of_each_sentence_changed,
        lambda r: ". ".join(reversed(r.rstrip(".").split(". "))) + ".",
        lambda r: joined(sentences_of(r)[1:]),
        lambda r: joined(sentences_of(r)[2:]),
        lambda r: f"{r} {PADDED}",
        shortened,
        lambda r: r.replace(".", ""),
        stops_elsewhere,
    ],
    ids=[
        "as they are",
        "upper case",
        "sides",
        "one word",
        "a word a sentence",
        "order",
        "without the first",
        "without the first two",
        "padded",
        "abbreviations",
        "no stops",
        "stops elsewhere",
    ],
)
def test_references_looked_up_are_warned_of_whatever_is_changed(change) -> None:
    score = scored([change(report) for report in REAL])
    assert score.value > 0.3
    (warning,) = wording_warnings({"own_wording": score})
    assert warning.code == "copies_of_test"
    assert warning.limit == ALLOWED
    assert "know the studies' own words" in warning.message


def commonest_wording(report: str) -> str:
    return ". ".join(COMMONEST.get(meaning_of(s), s) for s in sorted(sentences_in(report))) + "."


SAID = Counter(sentence for report in TRAIN.reports() for sentence in sentences_in(report))
COMMONEST = {meaning_of(s): s for s, _ in reversed(SAID.most_common()) if meaning_of(s) is not None}


def test_the_best_guess_of_all_that_is_meant_is_no_look_up() -> None:
    score = scored([commonest_wording(report) for report in REAL])
    assert score.value == pytest.approx(0.0, abs=0.1)
    low, high = score.ci95
    assert low < 0.0 < high
    assert list(wording_warnings({"own_wording": score})) == []


def test_other_studies_reports_know_nothing() -> None:
    for made in (REAL[1:] + REAL[:1], list(TRAIN.reports())[:400], ["none"] * 400):
        score = scored(made)
        assert score.value <= 0.0
        assert list(wording_warnings({"own_wording": score})) == []


def test_the_score_is_the_gain_over_the_best_guess() -> None:
    reports = ["mild edema."] * 15 + ["edema, mild."] * 5
    wordings = Wordings(reports)
    # The commonest wording is a hit in three of four; what there is to gain beyond is the rest.
    assert wordings.gain("mild edema.", "mild edema.") == (0.25, 0.25)
    assert wordings.gain("edema, mild.", "Mild edema.") == (-0.75, 0.25)
    assert wordings.gain("mild edema.", "nothing to see") == (0.0, 0.25)
    assert wordings.gain("no acute abnormality.", "no acute abnormality.") == (0.0, 0.0)
    # What is said seldom, or always in the same words, tells nothing.
    assert Wordings(reports[:15]).gain("mild edema.", "mild edema.") == (0.0, 0.0)
    assert Wordings(["mild edema."] * 40).gain("mild edema.", "mild edema.") == (0.0, 0.0)


def test_a_wrong_wording_costs_and_the_longer_of_two_was_written() -> None:
    wordings = Wordings(["mild edema."] * 15 + ["there is mild pulmonary edema."] * 5)
    assert wordings.gain("there is mild pulmonary edema.", "mild edema.") == (-0.75, 0.25)
    made = "there is mild pulmonary edema"
    assert wordings.gain("there is mild pulmonary edema.", made) == (0.25, 0.25)


def test_a_shard_travels_and_influences_sum_to_zero() -> None:
    whole, parts = OwnWording(), [OwnWording(), OwnWording()]
    made = [{Modality.T: r} for r in REAL[:30]]
    for metric, some in ((whole, range(30)), (parts[0], range(18, 30)), (parts[1], range(18))):
        metric.learn(TRAIN)
        metric.update(some, [STUDIES[i - 1] for i in some], [made[i] for i in some])
    parts[0].merge(pickle.loads(pickle.dumps(parts[1])))
    assert parts[0].compute() == whole.compute()
    columns = whole.statistics()
    found = COPIES_REPORT.influences(columns)["own_wording"]
    assert found.value == whole.compute()[0].value
    assert found.by_study.sum() == pytest.approx(0.0, abs=1e-9)
    assert np.abs(found.by_study).max() > 0.0
    assert not list(COPIES_REPORT.column_faults(columns))
    assert list(COPIES_REPORT.column_faults(columns | {"own_wording.gained": np.full(30, 99.0)}))


def test_without_training_reports_or_ways_to_word_there_is_no_score() -> None:
    metric = OwnWording()
    metric.update([0], STUDIES[:1], [{Modality.T: "no"}])
    assert metric.compute()[0].reason == NO_TRAINING
    metric.learn(TRAIN)
    metric = OwnWording()
    metric.learn(TRAIN)
    metric.update([0], [Reported("no acute abnormality.")], [{Modality.T: "no"}])
    assert metric.compute()[0].reason == ONE_WORDING
    assert COPIES_REPORT.knows_reason(ONE_WORDING)
    assert metric.statistics() == {}


def test_the_last_bit_is_the_same_in_every_process() -> None:
    code = (
        "from codixr.data.phantom import PhantomDataset;"
        "from codixr_bench.metrics.own_wording import Wordings;"
        "r = PhantomDataset('train', limit=2000).reports();"
        "w = Wordings(r);"
        "print([w.gain(a, b)[1].hex() for a, b in zip(r, r[1:])])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
