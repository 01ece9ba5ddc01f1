"""A submission is accepted when its numbers follow from one another, and refused with the field."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.cli import main
from codixr_bench.registry import TRACKS
from codixr_bench.result import Result
from codixr_bench.result_files import LARGEST
from codixr_bench.runs.small_cells import LEAST
from codixr_bench.task import Task
from codixr_bench.track import Track
from codixr_leaderboard.checks import result_problems
from codixr_leaderboard.printed import TRACK, printed_rows
from codixr_leaderboard.schema import schemas
from codixr_leaderboard.sending import submit
from codixr_leaderboard.submission import (
    RefusedError,
    check_result,
    read_result,
    read_submission,
    slug,
)
from helpers.submission_fakes import Json, a_result, result_json

LEADERBOARD = Path(__file__).parents[2] / "leaderboard"
DAY = date(2026, 1, 2)


def scores(content: Json) -> dict[str, Json]:
    return {score["name"]: score for score in content["scores"]}


def write(folder: Path, content: Json | bytes, name: str = "result.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def change(*path: str | int, to: object) -> Callable[[Json], None]:
    """Set one field; a string after ``scores`` is a score's name."""

    def apply(content: Json) -> None:
        inside: Json = content
        for part in path[:-1]:
            inside = scores(content)[part] if inside is content["scores"] else inside[part]
        inside[path[-1]] = to

    return apply


@pytest.mark.parametrize("task", ["T->F", "L+T->F", "F->T", "F+L->T"])
def test_a_result_of_a_whole_split_is_accepted(task, tmp_path):
    check_result(read_result(write(tmp_path, result_json(task))), "it")


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


def test_submit_merges_the_tasks_of_a_model_into_one_file(tmp_path):
    root = tmp_path / "results"
    first = write(tmp_path, result_json("T->F"), "a.json")
    second = write(tmp_path, result_json("F->T"), "b.json")
    mine = {"owner": "me", "today": DAY}
    assert submit([first], root, **mine) == [root / "phantom" / "my-model.json"]
    (path,) = submit([second], root, **mine)
    assert [result.task for result in read_submission(path).results] == ["F->T", "T->F"]
    better = write(tmp_path, result_json("T->F", quality=0.8), "c.json")
    with pytest.raises(InputError, match=r"has results of T->F already: --replace"):
        submit([better], root, **mine)
    submit([better], root, replace=True, **mine)
    merged = read_submission(path).results
    assert [result.task for result in merged] == ["F->T", "T->F"]
    assert merged[1] == a_result(quality=0.8)
    before = path.read_bytes()
    submit([better], root, replace=True, **mine)
    assert path.read_bytes() == before


def a_version(version: str, quality: float) -> dict:
    content = result_json("T->F", quality=quality)
    content["model"]["version"] = version
    return content


def test_the_result_of_an_earlier_version_is_kept(tmp_path):
    root = tmp_path / "results"
    for version, quality in (("1", 0.6), ("2", 0.7), ("2", 0.8), ("3", 0.75)):
        sent = write(tmp_path, a_version(version, quality), "a.json")
        (path,) = submit([sent], root, owner="me", replace=True, today=DAY)
    kept = read_submission(path)
    assert [(r.model.version, r.score("fid_phantom").value) for r in kept.versions("T->F")] == [
        ("1", pytest.approx(16.0)),
        ("2", pytest.approx(8.0)),
        ("3", pytest.approx(10.0)),
    ]
    assert [r.model.version for r in kept.results] == ["3"]


def test_an_edited_score_of_an_earlier_version_is_refused(tmp_path):
    root = tmp_path / "results"
    for version in ("1", "2"):
        sent = write(tmp_path, a_version(version, 0.7), "a.json")
        (path,) = submit([sent], root, owner="me", replace=True, today=DAY)
    content = json.loads(path.read_text())
    score = next(s for s in content["earlier"][0]["scores"] if s["name"] == "f1_micro")
    score["value"], score["ci95"] = 0.99, [0.9, 1.0]
    path.write_text(json.dumps(content))
    with pytest.raises(RefusedError, match=r"earlier\.0\.scores"):
        read_submission(path)


def test_submit_shows_another_name_and_refuses_two(tmp_path):
    first = write(tmp_path, result_json("T->F", "one"), "a.json")
    second = write(tmp_path, result_json("F->T", "two"), "b.json")
    with pytest.raises(InputError, match="several models: one, two"):
        submit([first, second], tmp_path / "results")
    (path,) = submit([first, second], tmp_path / "results", model="Lab's, 2.1".replace("'", ""))
    assert path.name == "labs-2-1.json"
    assert {result.model.name for result in read_submission(path).results} == {"Labs, 2.1"}
    with pytest.raises(InputError, match=r"holds the model 'Labs, 2\.1'"):
        submit([first], tmp_path / "results", model="labs 2-1")


def test_submit_leaves_out_what_the_senders_machine_could_not_score(tmp_path):
    content = result_json()
    absent = {"value": None, "ci95": None, "n": 0, "reason": "no file /home/me/inception.pth"}
    fid = scores(content)["fid_phantom"]
    content["scores"].append({**fid, **absent, "name": "fid_inception", "signature": "fid|n:0"})
    path = write(tmp_path, content)
    with pytest.raises(RefusedError, match="fid_inception"):
        check_result(read_result(path), "it")
    (written,) = submit([path], tmp_path / "results")
    assert "home" not in written.read_text()
    assert read_submission(written).results[0].score("fid_inception") is None


def test_submit_writes_nothing_when_one_file_is_refused(tmp_path):
    good = write(tmp_path, result_json("T->F"), "a.json")
    content = result_json("F->T")
    content["track"]["n"] = 64
    with pytest.raises(RefusedError):
        submit([good, write(tmp_path, content, "b.json")], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_check_of_a_submission_sees_its_place_and_its_parts(tmp_path):
    (path,) = submit([write(tmp_path, result_json())], tmp_path / "results", today=DAY)
    content = json.loads(path.read_text())
    elsewhere = tmp_path / "openi"
    elsewhere.mkdir()
    for name, change_it, said in (
        ("my-model.json", lambda c: None, "belongs into phantom/"),
        ("other.json", lambda c: None, "the file of it is my-model.json"),
        ("my-model.json", lambda c: c["results"].append(c["results"][0]), "more than once"),
        ("my-model.json", lambda c: c.update(model="another"), "not the file's model"),
        ("my-model.json", lambda c: c.update(results=[]), "results"),
        ("my-model.json", lambda c: c.update(note="hi"), "note"),
    ):
        spoiled = copy.deepcopy(content)
        change_it(spoiled)
        with pytest.raises(RefusedError, match=said):
            read_submission(write(elsewhere, spoiled, name))


def test_verify_says_which_file_is_refused_and_why(tmp_path, capsys):
    root = tmp_path / "results"
    submit([write(tmp_path, result_json())], root, today=DAY)
    assert main(["verify", str(root)]) == 0
    bad = json.loads((root / "phantom" / "my-model.json").read_text())
    scores(bad["results"][0])["f1_macro"]["value"] = 0.8
    write(root / "phantom", bad, "my-model.json")
    capsys.readouterr()
    assert main(["verify", str(root)]) == 1
    assert "results.0.scores.f1_macro.value: 0.8000, and the mean" in capsys.readouterr().out
    (root / "phantom" / "link.json").symlink_to("/etc/hostname")
    assert main(["verify", str(root)]) == 2


def test_show_prints_scores_and_what_made_them(tmp_path, capsys):
    path = write(tmp_path, result_json())
    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    for shown in ("fid_phantom", "my-model", "eb4f848350", "signature  f1_macro: f1|avg:macro"):
        assert shown in out
    (submitted,) = submit([path], tmp_path / "results", today=DAY)
    assert main(["show", str(submitted)]) == 0
    assert main(["show", str(tmp_path / "none.json")]) == 2


def test_small_cells_of_real_patients_may_be_hidden():
    content = result_json("F->T")
    content["track"] |= {"name": "openi", "fingerprint": "d" * 64}
    per_class = scores(content)["label_f1_macro"]["per_class"]
    per_class["Edema"]["counts"] = None
    per_class["Pneumonia"] = {
        "value": None, "reason": f"fewer than {LEAST} patients: not shown", "n_pos": None,
        "n_neg": None,
    }  # fmt: skip
    assert result_problems(Result.model_validate(content)) == []


def test_the_published_schemas_are_those_of_the_code():
    for name, content in schemas().items():
        made = "python -m codixr_leaderboard.schema leaderboard"
        assert (LEADERBOARD / name).read_bytes() == content, f"make it again: {made}"


def test_the_printed_rows_are_the_papers_and_every_committed_result_passes(capsys):
    folder = LEADERBOARD / "results"
    assert main(["verify", str(folder)]) == 0
    assert {path.name for path in (folder / TRACK).glob("paper-*.json")} == set(printed_rows())
    assert printed_rows()["paper-codi-xr.json"].tasks["L+T->F"]["fid_inception"] == 22.63


def test_the_recipe_pins_the_split_that_the_track_opens():
    track = Track.load("phantom")
    dataset = track.dataset("test")
    assert (track.submissions.n, track.submissions.fingerprint) == (
        len(dataset),
        dataset.fingerprint,
    )


def test_the_recipe_pins_the_judges_of_its_signatures():
    pinned = Track.load("phantom").submissions.signatures
    for view in (Modality.F, Modality.L):
        assert judge_pass(view).signature in pinned[f"fid_phantom {view}"]


@pytest.mark.parametrize("name", TRACKS)
def test_every_built_in_track_ranks_what_it_can_score(name):
    track = Track.load(name)
    for task in track.task_names():
        assert track.first_scores(Task.parse(task)), task


def test_a_ct_result_is_accepted(tmp_path):
    content = result_json("F->T")
    content["track"] |= {"name": "ct", "fingerprint": "1" * 64}
    check_result(read_result(write(tmp_path, content)), "it")


@pytest.mark.parametrize(
    ("name", "expected"), [("My Lab/X-ray 2.1", "my-lab-x-ray-2-1"), ("é", "model")]
)
def test_a_models_file_has_a_plain_name(name, expected):
    assert slug(name) == expected


def test_nothing_of_it_imports_torch(tmp_path):
    path = write(tmp_path, result_json())
    code = (
        "import sys; from codixr_bench.cli import main\n"
        f"assert main(['show', {str(path)!r}]) == 0\n"
        f"assert main(['verify', {str(path)!r}]) == 0\n"
        f"assert main(['submit', {str(path)!r}, '--to', {str(tmp_path / 'results')!r}]) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
