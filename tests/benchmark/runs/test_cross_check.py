"""``score --cross-check``: other libraries compute the same scores, and a wrong one is found."""

import json
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.metrics import bleu, distance_peers, kid
from codixr_bench.result import Result


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Samples of the noise model on two tasks."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for task in ("L->F", "F->T"):
        made[task] = folder / task.replace("->", "-to-")
        words = ["--task", task, "--model", "noise", "--limit", "24", "--out", str(made[task])]
        assert main(["generate", *words]) == 0
    return made


def score(folder: Path, out: Path, *more: str) -> int:
    return main(["score", "--samples", str(folder), "--out", str(out), "--cross-check", *more])


def test_every_score_of_reports_has_a_library_that_agrees(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(runs["F->T"], tmp_path) == 0
    found = {one.name: one for one in Result.load(tmp_path).cross_check}
    libraries = {name: one.library.partition(" ")[0] for name, one in found.items()}
    assert libraries["bleu_4"] == "nltk"
    assert libraries["sacrebleu"] == "sacrebleu"
    assert libraries["rouge_l"] == "rouge-score"
    assert libraries["label_f1_macro"] == "scikit-learn"
    assert {name for name, one in found.items() if one.agrees is None} == {
        name for name, one in found.items() if one.reason
    }
    assert "no library computes it" in capsys.readouterr().out


def test_distances_agree_and_where_the_definition_is_another_both_are_shown(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("fid", "kid", "precision", "recall", "density", "coverage")
    asked = ",".join(f"{kind}_phantom" for kind in kinds) + ",classification"
    assert score(runs["L->F"], tmp_path, "--metrics", asked) == 0
    result = Result.load(tmp_path)
    found = {one.name: one for one in result.cross_check}
    for name in ("fid_phantom", "kid_phantom", "precision_phantom", "recall_phantom"):
        assert found[name].agrees, name
        assert found[name].library.startswith("torch-fidelity ")
    assert found["kid_phantom"].convention == "one subset, all pairs"
    assert found["kid_phantom"].ours_by_its_convention is not None
    assert found["auroc_macro"].agrees
    shown = capsys.readouterr().out
    assert "our own convention" in shown


def test_a_wrong_value_is_exit_code_1_and_named(
    runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = bleu.corpus_bleu
    monkeypatch.setattr(bleu, "corpus_bleu", lambda counts: right(counts) + 1e-6)
    assert score(runs["F->T"], tmp_path, "--json") == 1
    shown = capsys.readouterr()
    assert "the libraries give another value of bleu_1, bleu_2, bleu_3, bleu_4" in shown.err
    result = json.loads(shown.out)
    assert [one["name"] for one in result["cross_check"] if one["agrees"] is False] == [
        "bleu_1",
        "bleu_2",
        "bleu_3",
        "bleu_4",
    ]


def test_a_wrong_distance_is_found(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = kid._kernel
    monkeypatch.setattr(kid, "_kernel", lambda x, y: right(x, y) * 1.001)
    assert score(runs["L->F"], tmp_path, "--metrics", "kid_phantom") == 1


def test_a_library_that_is_not_installed_is_said_and_fails_nothing(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = distance_peers.library
    monkeypatch.setattr(
        distance_peers, "library", lambda name: None if name == "prdc" else installed(name)
    )
    assert score(runs["L->F"], tmp_path, "--metrics", "density_phantom") == 0
    (found,) = Result.load(tmp_path).cross_check
    assert (found.theirs, found.agrees, found.reason) == (None, None, "prdc is not installed")


def test_without_the_option_a_result_has_no_cross_check(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    assert main(["score", "--samples", str(runs["F->T"]), "--out", str(tmp_path)]) == 0
    assert "cross_check" not in json.loads((tmp_path / "result.json").read_text())
