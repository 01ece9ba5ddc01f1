"""A run's scores stand on a scale: constant is 0, the ceiling 1, of the same studies."""

from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.result import Result

N = "48"


def run(folder: Path, task: str, model: str, metrics: str = "") -> Result:
    out = folder / f"{model}-{task[:1]}"
    asked = ["--metrics", metrics] if metrics else []
    arguments = ["--task", task, "--model", model, "--limit", N, "--out", str(out), *asked]
    assert main(["run", *arguments]) == 0
    return Result.load(out / "result.json")


@pytest.mark.parametrize("task", ["T->F", "F->L"])
def test_constant_has_the_skill_0_and_real_1(tmp_path: Path, task: str) -> None:
    for model, expected in (("constant", 0.0), ("real", 1.0)):
        scores = run(tmp_path, task, model, "frechet,classification").scores
        skills = {s.name: s.skill for s in scores if s.skill and s.skill.value is not None}
        assert {"fid_phantom", "fid_phantom_other", "auroc_micro"} <= set(skills)
        for name, one in skills.items():
            assert one.value == pytest.approx(expected, abs=1e-9), name
            assert one.ci95 == pytest.approx((expected, expected), abs=1e-6), name
            assert one.of == "real"


def test_constant_has_the_skill_0_and_real_1_on_real_reports(tmp_path: Path) -> None:
    for model, expected in (("constant", 0.0), ("real", 1.0)):
        out = tmp_path / model
        command = ["run", "--task", "F->T", "--model", model, "--track", "openi"]
        assert main([*command, "--limit", "150", "--out", str(out)]) == 0
        skills = {s.name: s.skill for s in Result.load(out / "result.json").scores if s.skill}
        # A report is one in both, so the share of others has no scale.
        assert skills.pop("non_report_share").value is None
        assert {"bleu_4", "rouge_l", "label_f1_micro", "label_f1_macro"} <= set(skills)
        for name, one in skills.items():
            assert one.value == pytest.approx(expected, abs=1e-9), name
            assert one.ci95 == pytest.approx((expected, expected), abs=1e-6), name
            assert one.of == "real"


def test_the_ceiling_of_reports_from_pictures_is_the_classifier(tmp_path: Path) -> None:
    result = run(tmp_path, "F->T", "retrieval", "report_labels")
    score = result.score("label_f1_macro")
    assert score is not None
    assert score.skill is not None
    assert score.skill.of == "classifier"
    assert score.skill.constant == 0.0
    assert 0.5 < score.skill.ceiling < 1.0
    assert score.skill.value == pytest.approx(score.value / score.skill.ceiling)
    share = result.score("non_report_share")
    assert share.skill.value is None
    assert "three standard errors" in share.skill.reason


def test_scores_on_request_that_have_no_skill_say_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, "T->F", "constant", "kid_phantom")
    assert [score.name for score in result.scores] == ["kid_phantom"]
    assert result.scores[0].skill.value == 0.0
    result = run(tmp_path, "F->T", "constant", "copies_report")
    assert [score.skill for score in result.scores] == [None] * 4


def test_real_against_real_is_0_by_every_distance(tmp_path: Path) -> None:
    result = run(tmp_path, "L->F", "real", "kid_phantom,frechet")
    assert result.score("kid_phantom").value == 0.0
    assert result.score("fid_phantom").value == pytest.approx(0.0, abs=1e-9)
    other, real = (result.score(f"fid_phantom_other{end}") for end in ("", "_real"))
    assert other.value == pytest.approx(real.value)
    assert other.value > 1.0
