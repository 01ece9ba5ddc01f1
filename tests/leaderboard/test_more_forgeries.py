"""Forgeries that once passed, or whose refusal repeated their text: each with its reason."""

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest

from codixr.errors import InputError
from codixr_leaderboard.bounds import column_problems
from codixr_leaderboard.ownership import is_reserved, skeleton, taken_name
from codixr_leaderboard.report_evidence import _text_problems
from codixr_leaderboard.studies import Studies, same_samples
from codixr_leaderboard.submission import Submission, submission_of
from helpers.committed_rows import ROWS, committed
from helpers.submission_fakes import Json

PROSE = "No acute process in John Smith"
ROW = json.loads((ROWS / "codixr.json").read_text())
NUMBER = next(i for i, result in enumerate(ROW["results"]) if result["task"] == "T->F")
Forge = Callable[[Json], object]


def score(result: Json, name: str) -> Json:
    return next(one for one in result["scores"] if one["name"] == name)


def warning(text: str, **more: object) -> Json:
    said = f"{text}: better than the real studies themselves (p 0.1)"
    return {"code": "above_real", "message": said, "value": 0.1, "limit": 0.01} | more


FORGERIES: dict[str, tuple[Forge, str]] = {
    "a field that is a sentence": (lambda r: r.update({PROSE: 1}), "?: Extra inputs"),
    "a field that is a study's number": (lambda r: r.update({"s50414267": 1}), "?: Extra inputs"),
    "a field of a score that is a sentence": (
        lambda r: r["scores"][0].update({PROSE: 1}), "scores.0.?: Extra inputs",
    ),
    "a class that is a sentence": (
        lambda r: score(r, "auroc_macro")["per_class"].update({PROSE: {}}), "per_class.?",
    ),
    "a setting that is a sentence": (
        lambda r: r["generation"].update({PROSE: [1]}), "generation.?",
    ),
    "a setting of words": (lambda r: r["generation"].update({PROSE: 1}), "generation: one word"),
    "a seed that is words": (
        lambda r: r["generation"].update(seed="small left effusion"), "the seed is a whole number",
    ),
    "a language that is words": (
        lambda r: r["environment"].update(python="small left effusion"), "environment.python: one",
    ),
    "a platform that is words": (
        lambda r: r["environment"].update(platform="no acute process"), "environment.platform: one",
    ),
    "a library's version that is words": (
        lambda r: r["environment"]["packages"].update(torch="no acute process"), "packages: one wo",
    ),
    "a program's version that is words": (
        lambda r: r["code"].update(version="no acute process"), "code.version: one word",
    ),
    "a time that is a study's number": (
        lambda r: r["timings"].update(generate=50414267.0), "timings: a number of eight digits",
    ),
    "a time without end": (lambda r: r["timings"].update(score=1e300), "timings: a number"),
    "a warning of words": (
        lambda r: r.update(warnings=[warning("mr_smith_has_an_effusion")]), "of a score that the",
    ),
    "a warning of a study": (
        lambda r: r.update(warnings=[warning("s50414267")]), "of a score that the result hasn't",
    ),
    "a warning of a score that isn't there": (
        lambda r: r.update(warnings=[warning("auroc_macro, kid_xrv")]), "of a score that the",
    ),
    "a warning with a study's number": (
        lambda r: r.update(warnings=[warning("auroc_macro", limit=50414267.0)]), "eight digits",
    ),
    "a page of warnings": (
        lambda r: r.update(warnings=[warning("auroc_macro")] * 500), "the same one twice",
    ),
    "unrelated pictures nearer than any": (
        lambda r: score(r, "fid_phantom")["unrelated"].update(value=-3.0, ci95=[-4.0, -2.0]),
        "unrelated: out of a distance's range",
    ),
    "unrelated pictures beside their interval": (
        lambda r: score(r, "fid_phantom")["unrelated"].update(value=900.0),
        "unrelated: the interval does not contain the value",
    ),
    "a floor beside its heir": (
        lambda r: score(r, "fid_phantom").update(floor=0.1), "beside the floor whose place",
    ),
    "a skill upside down": (
        lambda r: score(r, "auroc_macro")["skill"].update(ci95=[2.0, -2.0]),
        "auroc_macro.skill: the interval does not contain",
    ),
}  # fmt: skip


def refusal(row: Json, text: Callable[[str], str] = str) -> str:
    try:
        submission_of(text(json.dumps(row)).encode(), ROWS / "codixr.json")
    except InputError as error:
        return str(error)
    return ""


def test_the_row_itself_is_fine() -> None:
    assert refusal(ROW) == ""


@pytest.mark.parametrize("name", FORGERIES)
def test_it_is_refused_with_its_reason_and_not_repeated(name: str) -> None:
    row = copy.deepcopy(ROW)
    forge, said = FORGERIES[name]
    forge(row["results"][NUMBER])
    found = refusal(row)
    assert said in found
    for word in ("acute", "John", "50414267", "effusion", "smith"):
        assert word not in found


def test_a_key_that_stands_twice_is_not_repeated() -> None:
    twice = refusal(ROW, lambda text: text.replace("{", f'{{"{PROSE}": 1, "{PROSE}": 2, ', 1))
    assert "a key stands twice" in twice
    assert PROSE not in twice


def test_a_hub_revision_that_no_commit_has_is_refused() -> None:
    row = ROW | {"hub": {"name": "my-lab/xray", "revision": "0" * 40}}
    assert "hub.revision: no commit is called so" in refusal(row)


@pytest.mark.parametrize(
    "name",
    ["c1assifier", "cIassifier", "CLASSIFIER", "real [x]", "real/test", "real: test", "real, all"],
)
def test_a_reference_points_name_is_taken_in_more_spellings(name: str) -> None:
    assert is_reserved(name)
    assert "a reference point" in str(taken_name(name, "bob", []))


def test_pairs_of_letters_that_only_look_like_a_pair_are_one() -> None:
    assert skeleton("uni-c1ip") == skeleton("uni-dip") == skeleton("uni-cIip")
    assert skeleton("real-flow") != skeleton("real")
    assert not is_reserved("noise-diffusion")


HIDDEN = {"variants": "\ufe01", "more variants": "\U000e0101", "a filler": "\u3164",
          "half a filler": "\uffa0", "an empty cell": "\u2800", "a joiner": "\u034f"}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_drawn_as_nothing_is_no_report(name: str) -> None:
    (problem,) = _text_problems(("Lungs are clear." + HIDDEN[name] * 20, "Normal."))
    assert "1 hold characters that nobody sees" in str(problem)
    assert not list(_text_problems(("Épanchement à gauche – 30 µm. 肺",)))


def test_studies_of_one_patient_would_narrow_every_interval() -> None:
    said = "; ".join(map(str, column_problems({"patient": np.zeros(2000, np.int32)})))
    assert "a column that joins studies: simulated ones stand alone" in said


def test_samples_that_were_made_with_more_inputs_are_told() -> None:
    """``F+T->L``'s samples as ``F->L``: another row's are refused, one's own are shown."""
    more, theirs = committed("codixr", "F+T->L")
    less = more.model_copy(update={"task": "F->L"})
    assert same_samples(less, theirs, theirs) == 1.0
    content = (ROWS / "codixr" / "F+T-to-L.parquet").read_bytes()
    row = Submission(model="theirs", submitted="2026-11-20", owner="ann", results=(more,))
    studies = Studies([(row, lambda _: content)])
    assert "statistics: 100% of the samples are those of 'theirs' at F+T->L" in [
        str(problem) for problem in studies.problems("mine", less, theirs)
    ]
    assert studies.same_as("mine", less, theirs) == ()
    assert studies.same_as("theirs", less, theirs) == ("F+T->L",)
    honest, own = committed("codixr", "F->L")
    assert list(studies.problems("mine", honest, own)) == []
    assert studies.same_as("theirs", honest, own) == ()


def test_reports_that_were_made_with_more_inputs_are_told() -> None:
    more, theirs = committed("codixr", "F+L->T")
    assert same_samples(more.model_copy(update={"task": "F->T"}), theirs, theirs) == 1.0
    other, own = committed("codixr", "F->T")
    assert same_samples(other, own, theirs) == 0.0
