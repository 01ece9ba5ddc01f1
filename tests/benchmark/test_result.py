import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from codixr.errors import InputError
from codixr_bench.result import (
    Code,
    Coverage,
    ModelInfo,
    Result,
    TrackInfo,
    current_code,
    current_environment,
    make_result,
)
from codixr_bench.score import ResultWarning, Score
from codixr_bench.task import Task
from helpers.metric_fakes import example_scores

TRACK = TrackInfo(name="phantom", version="1", fingerprint="0" * 64, split="test", n=20)


def result(**changes):
    values = {
        "task": Task.parse("L+T->F"),
        "track": TRACK,
        "model": ModelInfo(name="my_lab/xray-2.1", version="1", checkpoint_sha256="a" * 64),
        "generation": {"seed": 0, "guidance": 2.0, "sampler": "dpm++ (12)", "eta": None},
        "coverage": Coverage(expected=20, scored=20),
        "scores": example_scores(),
        "timings": {"generate": 12.5, "score": 3.25},
    }
    return make_result(**(values | changes))


def edited(path: Path, edit) -> Path:
    raw = json.loads(path.read_text())
    edit(raw)
    path.write_text(json.dumps(raw))
    return path


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "result.json"
    result().save(path)
    return path


def test_what_is_saved_is_loaded(saved):
    assert Result.load(saved) == result()
    assert Result.load(saved).score("fid_phantom").unrelated.value == 8.9
    assert Result.load(saved).score("nothing") is None
    assert list(saved.parent.iterdir()) == [saved]


def test_two_runs_differ_in_timings_and_nowhere_else():
    one, other = result(), result(timings={"generate": 99.0})
    assert one.to_json() == result().to_json()
    assert one.to_json() != other.to_json()
    assert one.to_json(timings=False) == other.to_json(timings=False)
    assert b"timings" not in one.to_json(timings=False)


def test_the_keys_are_the_contracts():
    content = json.loads(result().to_json())
    assert list(content) == [
        "schema_version", "task", "track", "model", "generation", "coverage", "scores",
        "environment", "timings", "code", "warnings",
    ]  # fmt: skip
    assert set(content["track"]) == {"name", "version", "fingerprint", "split", "n"}
    assert set(content["model"]) == {"name", "version", "checkpoint_sha256"}


def test_settings_keep_their_types(saved):
    settings = Result.load(saved).generation
    assert settings == {"seed": 0, "guidance": 2.0, "sampler": "dpm++ (12)", "eta": None}
    assert type(settings["seed"]) is int
    assert type(settings["guidance"]) is float


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda r: r.update(note="a patient's text"), "note: Extra inputs"),
        (lambda r: r["track"].update(studies=["s1"]), "track.studies: Extra inputs"),
        (lambda r: r["scores"][0].update(value="nan"), "scores.0.value"),
        (lambda r: r["scores"][0].update(value=None), "a reason belongs to a null"),
        (lambda r: r["scores"].append(r["scores"][0]), "fid_phantom more than once"),
        (lambda r: r.pop("code"), "code: Field required"),
        (lambda r: r["track"].update(n=0), "track.n"),
        (lambda r: r["track"].update(fingerprint="abc"), "64 hexadecimal digits"),
        (lambda r: r.update(task="T+L->F"), "write it as 'L\\+T->F'"),
        (lambda r: r.update(task="nonsense"), "not of the form"),
        (lambda r: r.update(schema_version=2), "schema version 2, this program reads 1"),
        (lambda r: r["model"].update(name="two\nlines"), "model.name: use a name of"),
        (lambda r: r["generation"].update(prompt="x" * 101), "one line of at most 100"),
        (lambda r: r["scores"][0].update(signature="two\nlines"), "one line"),
        (lambda r: r["timings"].update(score=-1.0), "timings.score"),
    ],
)
def test_a_wrong_field_is_named_with_the_file_and_a_cure(saved, edit, says):
    edited(saved, edit)
    with pytest.raises(InputError, match=says) as caught:
        Result.load(saved)
    assert str(saved) in str(caught.value)
    assert "codixr-bench" in str(caught.value)
    assert "patient" not in str(caught.value).replace("a patient's", "")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(saved, value):
    saved.write_text(saved.read_text().replace("35.25", value))
    with pytest.raises(InputError, match=f"it holds {value}, and the numbers"):
        Result.load(saved)
    with pytest.raises(InputError, match=r"scores\.0\.value: nan is not a finite number"):
        result(scores=[Score(name="x", value=float("nan"), n=1, higher_is_better=True,
                             signature="x")])  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}", b"\xff\xfe", b"null"])
def test_a_file_that_is_no_result_is_refused(tmp_path, content):
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"r\.json"):
        Result.load(path)
    with pytest.raises(InputError, match="No such file"):
        Result.load(tmp_path / "absent.json")


def test_a_model_whose_name_does_not_fit_is_told_so():
    with pytest.raises(ValidationError):
        ModelInfo(name="a report of\nseveral lines", version="1")
    with pytest.raises(InputError, match=r"generation\.prompt.*one line"):
        result(generation={"prompt": "two\nlines"})


def test_the_environment_names_no_host_user_or_path():
    import getpass
    import socket

    environment = current_environment()
    text = environment.model_dump_json()
    assert environment.packages["numpy"]
    assert "/" not in text
    assert socket.gethostname() not in text
    assert getpass.getuser() not in text or len(getpass.getuser()) < 5


def test_code_outside_a_repository_has_no_commit(monkeypatch):
    current_code.cache_clear()
    assert current_code().version
    monkeypatch.setenv("PATH", "")
    current_code.cache_clear()
    assert current_code() == Code(version=current_code().version, commit=None)
    current_code.cache_clear()


def test_a_leaderboard_can_read_results_without_torch():
    program = (
        "import sys, codixr_bench.result;"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'pyarrow', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def small_n():
    return ResultWarning.of("small_n", ["fid_phantom"], ["64", "128"], value=64, limit=128)


def test_a_warning_has_a_code_a_sentence_a_value_and_a_limit(tmp_path):
    path = tmp_path / "result.json"
    result(warnings=[small_n()]).save(path)
    (raw,) = json.loads(path.read_text())["warnings"]
    assert raw == {
        "code": "small_n",
        "message": "fid_phantom: n = 64 is fewer than the network's 128 features, so the distance "
        "is far above that of many pictures; compare it at this n only",
        "value": 64.0,
        "limit": 128.0,
    }
    assert Result.load(path).warnings == (small_n(),)


def test_a_result_of_before_the_warnings_loads_and_is_written_without_them(saved):
    old = edited(saved, lambda raw: raw.pop("warnings"))
    loaded = Result.load(old)
    assert loaded.warnings == ()
    assert "warnings" not in loaded.content()
    assert loaded == result()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"message": "Mrs Smith has a mass."}, "not the message of small_n"),
        ({"message": "Mrs Smith: n = 64 is fewer"}, "not the message of small_n"),
        ({"code": "above_real"}, "not the message of above_real"),
        ({"code": "anything"}, "code"),
        ({"patient": "Mrs Smith"}, "patient: Extra inputs"),
    ],
)
def test_a_warning_holds_no_text_but_ours(tmp_path, edit, says):
    path = tmp_path / "result.json"
    result(warnings=[small_n()]).save(path)
    edited(path, lambda raw: raw["warnings"][0].update(edit))
    with pytest.raises(InputError, match=says) as caught:
        Result.load(path)
    assert "Smith" not in str(caught.value)
