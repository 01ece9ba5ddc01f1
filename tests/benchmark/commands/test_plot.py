"""``codixr-bench plot`` draws results that share an axis, and refuses others."""

import itertools
import json
import re

import pytest

from codixr_bench.cli import main
from codixr_bench.score import Score
from codixr_bench.show.interval_plot import Line, intervals_svg
from helpers.submission_fakes import result_json


@pytest.fixture
def results(tmp_path):
    paths = []
    for number, quality in enumerate((0.5, 0.8, 0.6)):
        content = result_json("T->F", f"model {number}", quality)
        content["model"]["version"] = f"v{number}"
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content))
        paths.append(str(path))
    return paths


def drawn(svg):
    return re.findall(r">(model \d[^<]*)<", svg.read_text())


def test_intervals_are_drawn_best_first_and_the_same_each_time(results, tmp_path, capsys):
    out = tmp_path / "a.svg"
    assert main(["plot", "intervals", *results, "--to", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert drawn(out) == ["model 1", "model 2", "model 0"]
    again = tmp_path / "b.svg"
    assert main(["plot", "intervals", *results, "--to", str(again)]) == 0
    assert out.read_bytes() == again.read_bytes()


def test_versions_are_drawn_in_the_order_given(results, tmp_path):
    out = tmp_path / "a.svg"
    score = ["--score", "auroc_macro"]
    assert main(["plot", "versions", *results, *score, "--to", str(out)]) == 0
    assert drawn(out) == ["model 0 v0", "model 1 v1", "model 2 v2"]
    assert "auroc_macro → better" in out.read_text()


@pytest.mark.parametrize("other", ["task", "n", "signature", "score"])
def test_results_that_share_no_axis_are_refused(other, results, tmp_path, capsys):
    content = result_json("F->T" if other == "task" else "T->F")
    score = []
    if other == "task":
        score = ["--score", "bleu_1"]
    elif other == "n":
        content["track"]["n"] = 64
    elif other == "signature":
        content["scores"][0]["signature"] += "|more:1"
    else:
        score = ["--score", "bleu_1"]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    command = ["plot", "intervals", str(path), *results, *score, "--to", str(tmp_path / "a.svg")]
    assert main(command) == 2
    assert re.search("another|has no bleu_1", capsys.readouterr().err)
    assert not (tmp_path / "a.svg").exists()


def test_the_picture_says_track_task_and_n(results, tmp_path):
    out = tmp_path / "a.svg"
    assert main(["plot", "intervals", *results, "--to", str(out)]) == 0
    assert "phantom T→F, test, n = 2,000" in out.read_text()


def picture(values):
    """Distances of models as SVG."""
    lines = [
        Line(
            f"m{value}",
            Score(name="fid_x", value=value, ci95=(value, value), n=9, higher_is_better=False,
                  signature="fid"),
        )
        for value in values
    ]  # fmt: skip
    return intervals_svg(lines, "fid_x").decode()


def places(values):
    """Where the dots of distances stand, left to right, from 0 to 1."""
    drawn = re.findall(r'<use xlink:href="#[^"]+" x="([\d.]+)"[^>]*fill: #3b7dd8', picture(values))
    dots = [float(x) for x in drawn]
    return [(x - min(dots)) / (max(dots) - min(dots)) for x in dots]


def test_small_distances_are_told_apart_beside_noise():
    real, good, fair, noise = places([4e-12, 1.3, 2.1, 470.0])
    assert good - real > 0.05
    assert fair - good > 0.03
    assert (real, noise) == (0.0, 1.0)
    # Near one another they stay on a plain axis.
    assert places([10.0, 20.0, 40.0])[1] == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([4e-12, 0.62, 1.3, 470.0], ["0", "1", "10", "100"]),
        ([0.0, 0.3, 1.3, 470.0], ["0", "1", "10", "100"]),
        ([0.0, 0.1, 5.0], ["0", "0.1", "1"]),
        ([0.0, 4.0, 200.0], ["0", "10", "100"]),
        ([1e-4, 99.0], ["0", "0.0001", "0.001", "0.01", "0.1", "1", "10"]),
    ],
)
def test_no_number_of_a_logarithmic_axis_lies_on_another(values, numbers):
    axis = picture(values).split('id="matplotlib.axis_2"')[0]
    found = re.findall(r'<text style="[^"]*" x="([\d.]+)"[^>]*>([\d.e+-]+)</text>', axis)
    assert [number for _, number in found] == numbers
    at = [float(x) for x, _ in found]
    assert min(b - a for a, b in itertools.pairwise(at)) > 18
