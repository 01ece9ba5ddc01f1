"""Weights are checked, never run, and their absence says what to put where."""

import json
import os
import pickle
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
import torch
from torch import nn

from codixr.errors import InputError
from codixr_bench.backbones.published import published
from codixr_bench.backbones.safe_pickle import tensors_in
from codixr_bench.backbones.weights import WEIGHTS, LoadedWeights, download, load_weights, sha256_of
from codixr_bench.cli import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No weights on the machine."""
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODIXR_OFFLINE", "1")
    published.cache_clear()
    yield tmp_path
    published.cache_clear()


class Hostile:
    def __reduce__(self):
        return os.system, ("echo run > ran",)


@pytest.mark.parametrize("old_format", [False, True])
def test_a_hostile_file_is_refused_and_not_run(tmp_path, monkeypatch, old_format):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(1), "more": Hostile()}, file,
               _use_new_zipfile_serialization=not old_format)  # fmt: skip
    with pytest.raises(
        InputError, match=r"asks for '(posix|nt)\.system', which no file of weights"
    ):
        tensors_in(file)
    assert not (tmp_path / "ran").exists()


def test_a_bare_hostile_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(InputError, match=r"weights\.pkl"):
        tensors_in(tmp_path / "weights.pkl")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickled_module_gives_the_tensors_of_its_state(tmp_path, old_format):
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Linear(2, 3)))
    torch.save(module, tmp_path / "m.pt", _use_new_zipfile_serialization=not old_format)
    found, expected = tensors_in(tmp_path / "m.pt"), module.state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04cut"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pth"):
        tensors_in(tmp_path / "w.pth")


def test_offline_the_error_says_what_to_put_where(home):
    file = WEIGHTS["xrv"]
    with pytest.raises(InputError) as error:
        load_weights("xrv")
    for part in (file.url, file.sha256, str(home / "cache" / "weights" / file.file_name)):
        assert part in str(error.value)
    assert "--weights xrv=FILE" in str(error.value)


def test_no_answer_is_the_same_error_and_leaves_nothing(home, monkeypatch):
    monkeypatch.setenv("CODIXR_OFFLINE", "0")

    def refuse(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(InputError, match=r"no route to host.*sha256 [0-9a-f]{64}"):
        load_weights("inception")
    assert list((home / "cache" / "weights").iterdir()) == []


def test_a_download_is_checked_before_it_is_kept(home, monkeypatch):
    monkeypatch.setenv("CODIXR_OFFLINE", "0")
    source = home / "source"
    source.write_bytes(b"0123456789" * 1000)
    file = replace(WEIGHTS["xrv"], url=source.as_uri(), sha256=sha256_of(source))
    kept = download(file)
    assert kept == home / "cache" / "weights" / file.file_name
    assert kept.read_bytes() == source.read_bytes()
    kept.unlink()
    with pytest.raises(InputError, match="not the published file"):
        download(replace(file, sha256="0" * 64))
    assert list(kept.parent.iterdir()) == []


def test_the_mark_of_a_signature_shows_what_is_not_published():
    assert LoadedWeights({}, "abcdef0123", True).mark == "abcdef01"
    assert LoadedWeights({}, "abcdef0123", False).mark == "abcdef01(unpinned)"


def test_backbones_say_what_is_here_and_where_the_rest_goes(home, capsys):
    file = WEIGHTS["inception"]
    folder = home / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / file.file_name).write_bytes(b"another file")
    assert main(["backbones"]) == 0
    shown = capsys.readouterr().out
    for known in WEIGHTS.values():
        assert known.url in shown
        assert known.sha256 in shown
        assert str(folder / known.file_name) in shown
    assert main(["backbones", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["inception"]["state"] == "present, but not that sha256"
    assert rows["xrv"]["state"] == "missing"
    assert set(rows) == {"phantom", "phantom-second", *WEIGHTS, "rad-dino"}


def test_absent_weights_give_null_scores_with_a_reason_without_a_path(home, capsys):
    arguments = ["run", "--task", "T->F", "--model", "noise", "--limit", "2"]
    arguments += ["--metrics", "inception,kid_inception,fid_phantom", "--json"]
    assert main([*arguments, "--out", str(home / "run")]) == 0
    shown = capsys.readouterr()
    scores = {s["name"]: s for s in json.loads(shown.out)["scores"]}
    for name in ("fid_inception", "kid_inception"):
        assert scores[name]["value"] is None
        assert "'inception' are not on this machine" in scores[name]["reason"]
        assert str(home) not in scores[name]["reason"]
    assert scores["fid_phantom"]["value"] > 0
    assert shown.err.count(WEIGHTS["inception"].url) == 1
