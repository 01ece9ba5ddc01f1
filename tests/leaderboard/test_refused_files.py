"""A result that is hostile, malformed or fuzzed is refused with the field that is wrong."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codixr.errors import InputError
from codixr_bench.result_files import LARGEST
from codixr_leaderboard.submission import (
    RefusedError,
    check_result,
    read_result,
)
from helpers.submission_fakes import Json, result_json, write


def scores(content: Json) -> dict[str, Json]:
    return {score["name"]: score for score in content["scores"]}


@pytest.mark.parametrize("task", ["T->F", "L+T->F", "F->T", "F+L->T"])
def test_a_result_of_a_whole_split_is_accepted(task, tmp_path):
    check_result(read_result(write(tmp_path, result_json(task))), "it")


def change(*path: str | int, to: object) -> Callable[[Json], None]:
    """Set one field; a string after ``scores`` is a score's name."""

    def apply(content: Json) -> None:
        inside: Json = content
        for part in path[:-1]:
            inside = scores(content)[part] if inside is content["scores"] else inside[part]
        inside[path[-1]] = to

    return apply


CLASS = ("scores", "f1_macro", "per_class", "Edema")
HOSTILE: dict[str, tuple[str, Callable[[Json], None], str]] = {
    "edited macro F1": ("T->F", change("scores", "f1_macro", "value", to=0.80), "f1_macro"),
    "edited micro F1": ("T->F", change("scores", "f1_micro", "value", to=0.80), "f1_micro"),
    "edited weighted F1": ("T->F", change("scores", "f1_weighted", "value", to=0.8), "f1_weighted"),
    "edited class F1": ("T->F", change(*CLASS, "value", to=0.83), "f1_macro.per_class.Edema"),
    "edited counts": (
        "T->F",
        change(*CLASS, "counts", to={"tp": 130, "fp": 0, "fn": 0, "tn": 1800}),
        "f1_macro.per_class.Edema",
    ),
    "counts left out": ("T->F", change(*CLASS, "counts", to=None), "Edema.counts"),
    "edited macro AUROC": ("T->F", change("scores", "auroc_macro", "value", to=0.845), "auroc_mac"),
    "edited weighted AUROC": (
        "T->F",
        change("scores", "auroc_weighted", "value", to=0.848),
        "auroc_weighted",
    ),
    "classes left out": ("T->F", change("scores", "f1_macro", "per_class", to={}), "f1_macro"),
    "edited BLEU": ("F->T", change("scores", "bleu_4", "value", to=0.24), "bleu_4"),
    "BLEU's counts left out": ("F->T", change("scores", "bleu_2", "counts", to={}), "bleu_2"),
    "edited label F1": (
        "F->T",
        change("scores", "label_f1_micro", "value", to=0.775),
        "label_f1_micro",
    ),
    "another track's fingerprint": (
        "T->F",
        change("track", "fingerprint", to="c" * 64),
        "track.fingerprint",
    ),
    "an unknown track": ("T->F", change("track", "name", to="my-track"), "track.name"),
    "too few studies": ("T->F", change("track", "n", to=64), "track.n"),
    "the validation split": ("T->F", change("track", "split", to="val"), "track.split"),
    "not all scored": ("T->F", change("coverage", "scored", to=1990), "coverage.scored"),
    "a score of few studies": ("T->F", change("scores", "fid_phantom", "n", to=9), "fid_phantom.n"),
    "another judge's signature": (
        "T->F",
        change("scores", "fid_phantom", "signature", to="fid|backbone:mine|weights:ff|n:2000"),
        "fid_phantom.signature",
    ),
    "another metric's signature": (
        "T->F",
        change("scores", "auroc_micro", "signature", to="f1|avg:micro|n:2000"),
        "auroc_micro.signature",
    ),
    "a signature of another n": (
        "F->T",
        change("scores", "bleu_1", "signature", to="bleu|order:1-1|n:20000"),
        "bleu_1.signature",
    ),
    "an interval beside its value": (
        "T->F",
        change("scores", "fid_phantom", "ci95", to=[1.0, 2.0]),
        "fid_phantom.ci95",
    ),
    "an interval upside down": (
        "T->F",
        change("scores", "fid_phantom", "ci95", to=[13.0, 11.0]),
        "fid_phantom.ci95",
    ),
    "no interval": ("T->F", change("scores", "fid_phantom", "ci95", to=None), "fid_phantom.ci95"),
    "the wrong direction": (
        "T->F",
        change("scores", "fid_phantom", "higher_is_better", to=True),
        "fid_phantom.higher_is_better",
    ),
    "AUROC above one": ("T->F", change("scores", "auroc_micro", "value", to=1.2), "auroc_micro"),
    "a report as a setting": (
        "T->F",
        change("generation", "prompt", to="heart is enlarged and there is a small left effusion"),
        "generation",
    ),
    "a report as a reason": (
        "T->F",
        change("scores", "f1_macro", "reason", to="Small left effusion. Heart size normal."),
        "f1_macro",
    ),
    "a report as a score's name": (
        "T->F",
        change("scores", "f1_micro", "name", to="small left effusion"),
        "scores",
    ),
    "a study's id as a setting": ("T->F", change("generation", "s", to="s50414267"), "generation"),
    "a subject's id as a number": ("T->F", change("generation", "p", to=10000032), "generation"),
    "an id in a version": ("T->F", change("model", "version", to="p10000032"), "model.version"),
    "an id in a signature": (
        "T->F",
        change("scores", "f1_micro", "signature", to="f1|avg:micro|id:50414267|n:2000"),
        "f1_micro.signature",
    ),
    "a report in a signature": (
        "T->F",
        change("scores", "f1_micro", "signature", to="f1|avg:micro|small left effusion|n:2000"),
        "f1_micro.signature",
    ),
    "a short report as a reason": (
        "T->F",
        change(*CLASS, to={"value": None, "n_pos": 0, "n_neg": 0, "reason": "small left effusion"}),
        "Edema.reason",
    ),
    "a class that is text": (
        "T->F",
        change("scores", "f1_macro", "per_class", "Patient has edema", to={"value": None,
               "reason": "no label is known", "n_pos": 0, "n_neg": 0}),
        "per_class",
    ),
    "HTML in the model's name": (
        "T->F",
        change("model", "name", to="a<script>alert(1)</script>"),
        "model.name",
    ),
    "HTML in a setting": ("T->F", change("generation", "note", to="<img src=x>"), "generation"),
    "a script link": ("T->F", change("model", "name", to="javascript:alert(1)"), "model.name"),
    "a path in a name": ("T->F", change("model", "name", to="runs/../../etc/passwd"), "model.name"),
    "a home folder": ("T->F", change("generation", "weights", to="/home/me/w.pt"), "generation"),
    "a Windows path": ("T->F", change("generation", "weights", to="C:\\me\\w.pt"), "generation"),
    "an unknown field": ("T->F", change("reports", to=["text"]), "reports"),
    "an unknown field deep inside": (
        "T->F",
        change("scores", "f1_macro", "per_class", "Edema", "ids", to=[1, 2]),
        "ids",
    ),
    "an unknown package": (
        "T->F",
        change("environment", "packages", to={"secret": "1"}),
        "environment.packages",
    ),
    "an absurd floor": ("T->F", change("scores", "fid_phantom", "floor", to=1e300), "floor"),
    "a text for a number": ("T->F", change("coverage", "scored", to="2000"), "coverage.scored"),
    "another schema version": ("T->F", change("schema_version", to=2), "schema_version"),
    "a task of another order": ("T->F", change("task", to="T+L->F"), "task"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_the_field_is_named(name, tmp_path):
    task, spoil, field = HOSTILE[name]
    content = result_json(task)
    # Classes are shared by reference in the fake, as no file shares anything.
    content = copy.deepcopy(content)
    spoil(content)
    with pytest.raises(InputError) as caught:
        check_result(read_result(write(tmp_path, content)), "it")
    assert field in str(caught.value)
    if isinstance(caught.value, RefusedError) and field:
        assert any(field in problem.field for problem in caught.value.problems), caught.value
    for secret in ("effusion", "50414267", "10000032", "script>", "passwd", "/home/me"):
        assert secret not in str(caught.value)


RAW = {
    "NaN": (lambda t: t.replace('"n": 2000', '"n": NaN', 1), "NaN"),
    "a key twice": (lambda t: t.replace('"task":', '"task": "F->T", "task":', 1), "twice"),
    "a huge file": (lambda t: t + " " * LARGEST, "bytes"),
    "a huge number": (lambda t: t.replace("2000", "2" * 5000, 1), "digits"),
    "deep nesting": (lambda t: "[" * 100_000 + t, "levels"),
    "no JSON": (lambda t: t[:-1], "JSON"),
    "a list": (lambda t: f"[{t}]", "refused"),
    "an infinite number": (lambda t: t.replace('"floor": null', '"floor": 1e999', 1), "finite"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_malformed_file_is_refused(name, tmp_path):
    spoil, said = RAW[name]
    path = write(tmp_path, spoil(json.dumps(result_json())).encode())
    with pytest.raises(InputError, match=said):
        check_result(read_result(path), "it")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(InputError, match="UTF-8"):
        read_result(write(tmp_path, b'{"task": "\xff"}'))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(
    LEAVES,
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(), of, max_size=3),
    max_leaves=6,
)


def fuzz(draw_from: st.DataObject, folder: Path) -> None:
    """Put anything in the place of anything; the file is read, or refused with a message."""
    content = copy.deepcopy(result_json(draw_from.draw(st.sampled_from(["T->F", "F->T"]))))
    for _ in range(draw_from.draw(st.integers(1, 3))):
        inside: object = content
        while True:
            keys = list(inside) if isinstance(inside, dict) else range(len(inside))
            key = draw_from.draw(st.sampled_from(list(keys)))
            deeper = inside[key]
            if not isinstance(deeper, dict | list) or not deeper or draw_from.draw(st.booleans()):
                break
            inside = deeper
        inside[key] = draw_from.draw(JSON)
    text = json.dumps(content).encode("utf-8", "surrogatepass")
    if draw_from.draw(st.integers(0, 9)) == 0:
        at = draw_from.draw(st.integers(0, len(text)))
        text = text[:at] + draw_from.draw(st.binary(max_size=4)) + text[at + 1 :]
    path = write(folder, text)
    with suppress(InputError):
        check_result(read_result(path), "it")


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(st.data())
def test_a_fuzzed_file_never_crashes_the_check(tmp_path, data):
    fuzz(data, tmp_path)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, suppress_health_check=QUIET)
@given(st.data())
def test_ten_thousand_fuzzed_files_never_crash_the_check(tmp_path, data):
    fuzz(data, tmp_path)
