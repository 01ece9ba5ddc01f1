"""``figure``: the right pictures stand where their heads say, and no patient is drawn unasked."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.modality import Modality
from codixr_bench.cli import main
from codixr_bench.commands.figure import _prompt, _triplet
from codixr_bench.runs.stored_studies import StoredStudies
from codixr_bench.show import figure as drawing


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for model in ("noise", "real"):
        for task in ("T->F", "F->T"):
            words = ["generate", "--task", task, "--model", model, "--limit", "5"]
            words += ["--chunk-size", "2", "--out", str(folder / f"{model}-{task[0]}")]
            assert main(words) == 0
    return folder


def test_a_triplet_is_what_was_given_what_was_made_and_the_rest_of_the_study(runs):
    run = StoredStudies.open(runs / "noise-T")
    ((frontal, lateral, report),) = _triplet([run], [3])
    assert (frontal.head, report.head) == ("frontal, by noise", "report, given")
    assert lateral.head == "lateral, real"
    (sample,), (study,) = run.samples([3]), run.studies([3])
    np.testing.assert_array_equal(frontal.content, sample[Modality.F])
    np.testing.assert_array_equal(lateral.content, study.lateral)
    assert report.content == study.report


def test_a_prompt_has_every_model_between_the_inputs_and_the_real_outputs(runs):
    opened = [StoredStudies.open(runs / f"{model}-T") for model in ("noise", "real")]
    first, second = _prompt(opened, [4, 1])
    assert [panel.head for panel in first] == ["report, given", "noise", "real", "real"]
    assert all(not panel.head for panel in second)
    np.testing.assert_allclose(second[2].content, second[3].content, atol=1e-4)
    assert np.abs(second[1].content - second[3].content).max() > 0.1


def test_both_formats_are_written_and_the_same_twice(runs, tmp_path, capsys):
    words = ["figure", "prompt", str(runs / "noise-T"), str(runs / "real-T"), "--position", "2"]
    assert main([*words, "--to", str(tmp_path / "a.png")]) == 0
    assert main([*words, "--to", str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out.split()
    assert said == [str(tmp_path / name) for name in ("a.png", "a.pdf", "b.png", "b.pdf")]
    for form in ("png", "pdf"):
        one, other = (tmp_path / f"{name}.{form}" for name in "ab")
        assert one.read_bytes() == other.read_bytes()
    picture = Image.open(tmp_path / "a.png")
    assert picture.width == pytest.approx(4 * drawing.SIDE * drawing.DPI, abs=2)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_the_caption_says_what_it_is_of(runs, tmp_path, monkeypatch):
    seen = {}
    real = drawing.draw

    def draw(rows, caption):
        seen["caption"] = caption
        return real(rows, caption)

    monkeypatch.setattr(drawing, "draw", draw)
    assert main(["figure", "triplet", str(runs / "noise-T"), "--to", str(tmp_path / "a")]) == 0
    assert seen["caption"] == "T->F · phantom (simulated) test 0 · seed 0 · noise 1"


def test_patients_are_not_drawn_unasked(tmp_path, capsys):
    run = str(tmp_path / "openi")
    words = ["generate", "--task", "F->T", "--model", "constant", "--track", "openi"]
    assert main([*words, "--limit", "2", "--out", run]) == 0
    assert main(["figure", "prompt", run, "--to", str(tmp_path / "a")]) == 2
    assert "--show-content draws them" in capsys.readouterr().err
    assert not list(tmp_path.glob("a*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["noise-T", "real-F"], "'real' is of the task F->T, the first of T->F"),
        (["noise-T", "--position", "5"], "--position 5: the run has 0 to 4"),
        (["nowhere"], "holds no run"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(runs, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert main(["figure", "prompt", *words, "--to", str(tmp_path / "a")]) == 2
    assert said in capsys.readouterr().err


def test_without_matplotlib_one_line_names_the_extra(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["figure", "triplet", str(runs / "noise-T"), "--to", str(tmp_path / "a")]) == 2
    said = capsys.readouterr().err
    assert "codixr-bench figure needs matplotlib: pip install 'codixr[plot]'" in said
