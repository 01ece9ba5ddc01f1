"""The court shows planted faults to metrics: what it plants, and what it says of them."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.comparing.court import _Seat, try_metrics
from codixr_bench.comparing.fault import Outputs, changed
from codixr_bench.comparing.trial import FAULTS, Verdict
from codixr_bench.comparing.verdicts import as_json
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler
from codixr_bench.metrics.bleu import BLEU
from codixr_bench.registry import METRICS, family_of, load_family
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

PHANTOM = Track.load("phantom")
BY_NAME = {fault.name: fault for fault in FAULTS}
DOCS = Path(__file__).parents[3] / "docs"
_found = importlib.util.spec_from_file_location("outputs", DOCS / "outputs.py")
outputs_page = importlib.util.module_from_spec(_found)
_found.loader.exec_module(outputs_page)


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    dataset = PHANTOM.dataset("test", 24)
    return [dataset[position] for position in range(24)]


def outputs(studies, modality) -> Outputs:
    return Outputs(modality, studies, [study.get(modality) for study in studies])


def one_report(fault: str, report: str) -> str:
    study = Study("1", "1", "test", report=report)
    return BY_NAME[fault].make(Outputs(Modality.T, [study], [report]), 1.0)[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_the_same_each_time_and_a_severer_grade_keeps_its_studies(studies, fault):
    real = outputs(studies, Modality.T if fault.of_reports else Modality.F)
    found = [fault.make(real, grade) for grade in fault.grades]
    again = fault.make(real, fault.grades[-1])
    assert all(np.array_equal(a, b) for a, b in zip(found[-1], again, strict=True))
    counts = [changed(real, contents) for contents in found]
    assert 0 < counts[0] <= counts[1] <= counts[2]
    for content in found[-1]:
        if not fault.of_reports:
            assert content.dtype == np.float32
            assert content.shape == real.contents[0].shape
            assert 0.0 <= content.min() <= content.max() <= 1.0


@pytest.mark.parametrize(
    ("fault", "report", "wrong"),
    [
        ("side exchanged", "Small left effusion. right lung.", "Small right effusion. left lung."),
        ("severity exchanged", "mild edema.", "severe edema."),
        ("zone exchanged", "right upper zone mass.", "right lower zone mass."),
        ("finding denied", "there is a small left effusion.", "there is no small left effusion."),
        ("finding denied", "mild cardiomegaly.", "no mild cardiomegaly."),
        ("denial affirmed", "no pneumothorax.", "pneumothorax."),
        ("finding left out", "the lungs are clear. mild edema.", "the lungs are clear."),
        ("cut short", "one two three four", "one"),
    ],
)
def test_a_fault_of_a_report_says_otherwise(fault, report, wrong):
    assert one_report(fault, report) == wrong


def test_a_harmless_change_keeps_the_labels(studies):
    rules = load_labeler(DEFAULT)
    real = outputs(studies, Modality.T)
    for fault in FAULTS:
        if fault.harmless:
            made = fault.make(real, 1.0)
            assert changed(real, made) > 12
            assert rules.label(made) == rules.label(real.contents)


def test_no_patient_gets_the_own_picture(studies):
    real = outputs(studies, Modality.F)
    made = BY_NAME["another patient's picture"].make(real, 1.0)
    assert changed(real, made) == len(studies)
    own = sorted(picture.tobytes() for picture in real.contents)
    assert sorted(picture.tobytes() for picture in made) == own


def test_label_f1_is_blind_to_sides_and_sees_a_finding_left_out():
    chosen = [BY_NAME["side exchanged"], BY_NAME["finding left out"]]
    trial = try_metrics(PHANTOM, ("report_labels",), n=60, faults=chosen)
    row = next(row for row in trial.rows if row.score == "label_f1_micro")
    side, left_out = row.findings
    assert side.verdict is Verdict.BLIND
    assert side.losses == (0.0, 0.0, 0.0)
    assert left_out.verdict is Verdict.SEES
    assert left_out.grows
    assert list(trial.lost()) == []


def test_what_is_worthless_to_a_family_is_what_that_family_says(studies):
    """It is scored once for all families that call the same thing worthless."""
    asked = ("bleu", "report_labels", "diversity_report", "copies_report")
    evaluation = Evaluation(PHANTOM, PHANTOM.dataset("test", len(studies)))
    seat = _Seat(evaluation, Task.parse("F->T"), Modality.T, asked, studies)
    samples = [{Modality.T: study.report} for study in studies]
    wanted = {}
    for family in map(load_family, asked):
        bad = family.worsened(studies, samples, evaluation)
        scored = seat.scored([one[Modality.T] for one in bad])
        wanted |= {name: v.value for name, v in scored.items() if family_of(name) is family}
    found = {name: value.value for name, value in seat.worthless().items()}
    assert found == wanted
    # Nonsense is varied, one report for all is not: each family had its own.
    assert found["label_f1_micro"] == 0.0
    assert found["template_share"] == 1.0


@pytest.mark.slow
def test_a_trial_finds_the_same_whatever_the_number_of_processes():
    chosen = [BY_NAME["side exchanged"], BY_NAME["finding left out"]]
    asked = ("report_labels", "attributes")
    alone, together = (try_metrics(PHANTOM, asked, n=40, faults=chosen, workers=k) for k in (1, 2))
    assert len(alone.rows) > 5
    assert as_json(together) == as_json(alone)


def test_a_sensitivity_that_is_lost_is_named_and_fails_the_command(monkeypatch, capsys):
    monkeypatch.setattr(type(BLEU), "sees", {"bleu_4": ("upper case", "side exchanged")})
    assert main(["court", "--metrics", "bleu", "--limit", "20", "--json"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["lost"] == [{"score": "bleu_4", "fault": "upper case"}]
    assert "bleu_4 declares to see 'upper case', and doesn't" in shown.err


def test_a_metric_that_is_unknown_or_too_few_studies_are_bad_input():
    with pytest.raises(InputError, match="nosuch"):
        try_metrics(PHANTOM, ("nosuch",), n=20)
    with pytest.raises(InputError, match="10 studies or more"):
        try_metrics(PHANTOM, n=5)


def test_every_declared_sensitivity_is_a_score_and_a_fault_that_exist():
    declared = [
        (load_family(name), *pair) for name in METRICS for pair in load_family(name).sees.items()
    ]
    assert len(declared) > 8
    for family, score, faults in declared:
        assert family.facts(score) is not None, score
        assert set(faults) <= set(BY_NAME), score


def test_every_card_links_to_its_row_of_the_court():
    anchors = set(re.findall(r'<a id="([^"]+)">', (DOCS / "court.md").read_text()))
    cards = ("frechet", "classification", "bleu", "rouge", "label_f1", "consistency")
    for card in (*cards, "attribute_f1", "frd", "judge_gap", "anatomy"):
        links = re.findall(
            r"\.\./court\.md#([\w-]+)", (DOCS / "metrics" / f"{card}.md").read_text()
        )
        assert links, card
        assert set(links) <= anchors, card


@pytest.mark.slow
def test_no_metric_lost_a_sensitivity_and_the_page_shows_what_the_command_prints(capsys):
    assert main(["court", "--markdown"]) == 0
    made = capsys.readouterr().out.strip()
    _, begin, shown = (DOCS / "court.md").read_text().partition("| score | sees |")
    assert outputs_page.differences((begin + shown).strip(), made) == []
