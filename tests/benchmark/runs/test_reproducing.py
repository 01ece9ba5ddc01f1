"""A row's samples are made anew: equal study by study for its own model, not for another one."""

import json
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.cli import main
from codixr_bench.comparing.reproduction import NUMBERS, compare_studies
from codixr_bench.registry import load_model
from codixr_bench.result import Result
from codixr_bench.runs.reproducing import differences_of


@pytest.fixture(scope="module")
def noise_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of noise on the first studies; reproducing needs a split's fingerprint, so all."""
    folder = tmp_path_factory.mktemp("run") / "noise"
    asked = ["run", "--task", "L->T", "--model", "noise", "--out", str(folder)]
    assert main([*asked, "--metrics", "bleu,rouge,report_labels"]) == 0
    return folder


def test_a_rows_own_model_gives_its_statistics_and_another_does_not(noise_run, capsys) -> None:
    capsys.readouterr()
    asked = ["reproduce-row", str(noise_run), "--studies", "20", "--choice", "3", "--model"]
    assert main([*asked, "noise"]) == 0
    assert "L->T: equal, 20 of 20 studies are equal" in capsys.readouterr().out
    assert main([*asked, "constant"]) == 1
    assert "L->T: differs, 0 of 20 studies are equal (95% are needed)" in capsys.readouterr().out


def test_a_result_without_statistics_or_without_a_seed_is_refused(noise_run, tmp_path, capsys):
    alone = tmp_path / "result.json"
    alone.write_bytes((noise_run / "result.json").read_bytes())
    assert main(["reproduce-row", str(alone), "--model", "noise"]) == 2
    assert "nothing to compare with" in capsys.readouterr().err
    content = json.loads(alone.read_text())
    del content["generation"]["seed"]
    alone.write_text(json.dumps(content))
    beside = noise_run / "statistics.parquet"
    alone.with_name("statistics.parquet").write_bytes(beside.read_bytes())
    assert main(["reproduce-row", str(alone), "--model", "noise"]) == 2
    assert "has no seed" in capsys.readouterr().err


def test_another_checkpoint_is_told_before_any_sample(noise_run) -> None:
    content = json.loads((noise_run / "result.json").read_text())
    content["model"]["checkpoint_sha256"] = "ab" * 32
    found = differences_of(load_model("noise"), Result.model_validate(content))
    assert found == ["checkpoint ababababab… in the row, none here"]


def test_a_study_is_equal_where_all_its_columns_are_near() -> None:
    rng = np.random.default_rng(0)
    old = {
        "classification.probability.Edema": rng.random(100),
        "bleu.match_1": rng.integers(9, size=100),
        "fid_phantom.pseudovalue": rng.random(100),
        "classification.label.Edema": rng.integers(2, size=100),
    }
    chosen = [5, 17, 40, 99]
    new = {name: values[chosen] for name, values in old.items()}
    new["fid_phantom.pseudovalue"] = rng.random(4)
    new["classification.label.Edema"] = 1 - new["classification.label.Edema"]
    assert compare_studies(old, chosen, new).is_equal
    new["classification.probability.Edema"] = (
        new["classification.probability.Edema"] + np.array([0.0, 0.5, 2.0, 0.0]) * NUMBERS
    )
    new["bleu.match_1"] = new["bleu.match_1"] + np.array([0, 0, 0, 1])
    found = compare_studies(old, chosen, new)
    assert found.equal.tolist() == [True, True, False, False]
    assert found.differing == (("bleu.match_1", 1), ("classification.probability.Edema", 1))
    assert not found.is_equal
    assert not compare_studies({}, chosen, new).equal.any()
