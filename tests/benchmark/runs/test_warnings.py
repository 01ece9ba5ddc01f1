"""A score above the real studies' own is warned of, and one that chance explains is not."""

from pathlib import Path

import numpy as np
import pytest

from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_bench.runs.warnings import ALPHA, above_real, in_most
from codixr_bench.score import ResultWarning
from codixr_bench.statistics.skill import Measured

RNG = np.random.default_rng(0)
N = 400


def measured(value: float, by_study: np.ndarray) -> Measured:
    return Measured(value, by_study - by_study.mean())


def pair(gain: float, noise: float = 0.2) -> tuple[Measured, Measured]:
    """A model and the real studies, whose difference has the standard error noise / sqrt(N)."""
    real = RNG.normal(0, 1, N)
    return measured(0.9 + gain, real + RNG.normal(0, noise, N)), measured(0.9, real)


def test_a_score_better_than_the_real_studies_is_named_with_its_p() -> None:
    better, real = pair(0.05)
    same, also_real = pair(0.0)
    (found,) = above_real(
        {"auroc_macro": better, "f1_macro": same}, {"auroc_macro": real, "f1_macro": also_real}
    )
    assert found.code == "above_real"
    assert found.message.startswith("auroc_macro: better than the real studies themselves")
    assert found.value is not None
    assert found.value < 1e-4
    assert found.message.endswith("(p < 0.0001)")
    assert found.limit == ALPHA == 0.01


@pytest.mark.parametrize(("name", "gain"), [("auroc_macro", -0.05), ("fid_phantom", 0.05)])
def test_a_worse_score_is_not_above(name: str, gain: float) -> None:
    model, real = pair(gain)
    assert list(above_real({name: model}, {name: real})) == []


def test_only_primary_scores_are_tested_and_holm_pays_for_each() -> None:
    model, real = pair(0.05)
    assert list(above_real({"auroc_micro": model}, {"auroc_micro": real})) == []
    # 2.6 standard errors: p is .005 alone, and .01 where two are tested.
    just = measured(0.9 + 2.6 * 0.2 / np.sqrt(N), real.by_study + _standard(0.2))
    base = measured(0.9, real.by_study)
    alone = list(above_real({"auroc_macro": just}, {"auroc_macro": base}))
    assert [one.code for one in alone] == ["above_real"]
    none = measured(0.8, real.by_study)
    both = above_real(
        {"auroc_macro": just, "f1_macro": none, "label_f1_macro": none},
        {"auroc_macro": base, "f1_macro": base, "label_f1_macro": base},
    )
    assert list(both) == []


def _standard(spread: float) -> np.ndarray:
    draws = RNG.normal(0, 1, N)
    return spread * (draws - draws.mean()) / draws.std()


def test_two_outputs_may_agree_more_than_those_of_the_real_studies() -> None:
    # Two pictures of another patient do: the evaluated studies' agreement is no end of the scale.
    model, real = pair(0.2)
    for name in ("view_agreement", "report_image_agreement"):
        assert list(above_real({name: model}, {name: real})) == []
    found = above_real(
        {"view_agreement": model, "auroc_macro": model},
        {"view_agreement": real, "auroc_macro": real},
    )
    assert [one.message.partition(":")[0] for one in found] == ["auroc_macro"]


def test_a_warning_of_an_earlier_version_still_loads() -> None:
    said = "auroc_macro: better than the real studies themselves (p = <0.0001)"
    assert ResultWarning(code="above_real", message=said).message == said
    with pytest.raises(ValueError, match="not the message"):
        ResultWarning(code="above_real", message=said.replace("<0.0001", "small"))


def test_studies_of_one_patient_are_one_draw() -> None:
    difference = np.repeat(RNG.normal(0, 1, 20), 20)
    model, real = measured(1.1, difference), measured(0.9, np.zeros(N))
    patients = np.repeat(np.arange(20), 20)
    names = {"auroc_macro": model}, {"auroc_macro": real}
    assert list(above_real(*names)) != []
    assert list(above_real(*names, patients)) == []


def test_of_several_samples_a_warning_stays_that_most_of_them_have() -> None:
    one = ResultWarning.of("above_real", ["auroc_macro"], ["= 0.0010"], value=0.001, limit=ALPHA)
    assert in_most([[one], [one], []]) == [one]
    assert in_most([[one], []]) == []


@pytest.mark.parametrize("model", ["real", "constant"])
def test_a_run_writes_its_warnings_and_shows_them(model: str, tmp_path: Path, capsys) -> None:
    command = ["run", "--task", "T->F", "--model", model, "--limit", "48", "--out", str(tmp_path)]
    assert main([*command, "--metrics", "frechet,classification"]) == 0
    result = Result.load(tmp_path / "result.json")
    assert [one.code for one in result.warnings] == ["small_n", "small_n"]
    assert (result.warnings[0].value, result.warnings[0].limit) == (48.0, 128.0)
    said = "small_n: fid_phantom: n = 48 is fewer than the network's 128 features"
    assert said in " ".join(capsys.readouterr().out.split())
    assert said.replace("'", "&#39;") in (tmp_path / "report.html").read_text()
    assert main(["show", str(tmp_path)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_warning_says_its_code_once() -> None:
    gap = ResultWarning.of("judge_gap", ["judge_gap"], ["< 0.001"], value=0.0, limit=0.01)
    assert gap.told.startswith("judge_gap: opinions of the same pictures differ")
    copies = ResultWarning.of("copies", ["copies_image"], ["0.5", "0.0"], value=0.5, limit=0.1)
    assert copies.told.startswith("copies: copies_image: 0.5 of the outputs")
