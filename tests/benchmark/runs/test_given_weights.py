"""A file of weights of one's own in ``run`` and ``score``; and one in the cache that is another."""

import json

import pytest
import torch

from codixr_bench.backbones.published import published
from codixr_bench.backbones.weights import WEIGHTS
from codixr_bench.cli import main
from helpers.backbone_fakes import dino_state
from helpers.prepared_folders import prepared_folder

NAME = "dinov2-l"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepared_folder("openi", tmp_path_factory.mktemp("openi"))


@pytest.fixture
def run(data):
    more = ["--track", "openi", "--data", str(data), "--limit", "4", "--metrics", "dinov2"]
    return ["run", "--task", "T->F", "--model", "noise", *more]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """DINOv2's layout, of random weights; no others on the machine."""
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODIXR_OFFLINE", "1")
    published.cache_clear()
    torch.save(dino_state(1024), tmp_path / "mine.pth")
    yield tmp_path / "mine.pth"
    published.cache_clear()


def fid_of(folder):
    (score,) = (
        one
        for one in json.loads((folder / "result.json").read_text())["scores"]
        if one["name"] == "fid_dinov2_l"
    )
    return score


@pytest.mark.slow
def test_a_file_of_ones_own_is_refused_or_stands_in_the_signature(
    weights, data, run, tmp_path, capsys
):
    given = [*run, "--out", str(tmp_path / "run"), "--weights", f"dinov2-l={weights}"]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert WEIGHTS[NAME].sha256 in said
    assert "--weights dinov2-l=FILE --allow-unpinned" in said
    assert main([*given, "--allow-unpinned"]) == 0
    first = fid_of(tmp_path / "run")
    assert first["value"] > 0
    assert "(unpinned)" in first["signature"]
    again = [
        "score",
        "--samples",
        str(tmp_path / "run"),
        "--data",
        str(data),
        "--metrics",
        "dinov2",
    ]
    assert main([*again, "--weights", f"dinov2-l={weights}", "--allow-unpinned"]) == 0
    assert fid_of(tmp_path / "run")["value"] == pytest.approx(first["value"], rel=1e-9)


def test_another_file_in_the_cache_is_an_error_and_an_absent_one_a_reason(
    weights, run, tmp_path, capsys
):
    run += ["--out", str(tmp_path / "run")]
    assert main(run) == 1
    assert "not on this machine" in fid_of(tmp_path / "run")["reason"]
    published.cache_clear()
    place = tmp_path / "cache" / "weights" / WEIGHTS[NAME].file_name
    place.parent.mkdir(parents=True, exist_ok=True)
    weights.rename(place)
    capsys.readouterr()
    assert main(run) == 2
    said = capsys.readouterr().err
    assert str(place) in said
    assert "delete it, and it is downloaded again" in said


def test_a_given_file_that_is_not_there_ends_the_run(weights, run, tmp_path, capsys):
    assert main([*run, "--out", str(tmp_path / "run"), "--weights", "dinov2-l=nowhere.pth"]) == 2
    assert "nowhere.pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--weights", "dino=x.pth"], "unknown backbone 'dino' of --weights"),
        (["--weights", "x.pth"], "write NAME=FILE"),
        (["--weights", "xrv=a", "--weights", "xrv=b"], "'xrv' is given twice"),
        (["--allow-unpinned"], "--allow-unpinned is of a file"),
    ],
)
def test_options_that_say_nothing_are_refused(weights, run, tmp_path, capsys, given, said):
    assert main([*run, "--out", str(tmp_path / "run"), *given]) == 2
    assert said in capsys.readouterr().err
