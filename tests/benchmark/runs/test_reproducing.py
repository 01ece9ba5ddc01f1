"""A row's samples are made anew: equal study by study for its own model, not for another one."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr_bench.cli import main
from codixr_bench.comparing.reproduction import NUMBERS, compare_studies
from codixr_bench.registry import load_model
from codixr_bench.result import Result
from codixr_bench.runs.reproducing import differences_of

ROW = Path(__file__).parents[3] / "leaderboard" / "results" / "phantom" / "codixr.json"


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
    with pytest.raises(ValueError, match="in common"):
        compare_studies({}, chosen, new)


def test_columns_that_the_row_lacks_are_told_and_do_not_count_against_it(
    noise_run, tmp_path, capsys
) -> None:
    for name in ("result.json", "statistics.parquet"):
        (tmp_path / name).write_bytes((noise_run / name).read_bytes())
    table = pq.read_table(tmp_path / "statistics.parquet")
    gone = [name for name in table.column_names if name.startswith("bleu.sacrebleu.")]
    pq.write_table(table.drop_columns(gone), tmp_path / "statistics.parquet")
    asked = ["reproduce-row", str(tmp_path), "--model", "noise", "--studies", "16", "--choice", "1"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "equal, 16 of 16 studies are equal; not compared, because the row lacks them" in out
    assert f"{gone[0]}, " in out
    kept = [name for name in table.column_names if name.endswith(".pseudovalue")]
    pq.write_table(table.select(kept), tmp_path / "statistics.parquet")
    assert main(asked) == 2
    assert "no column that new samples could be held against" in capsys.readouterr().err


def test_a_forged_row_differs_though_its_statistics_give_its_scores(
    noise_run, tmp_path, capsys
) -> None:
    for name in ("result.json", "statistics.parquet"):
        (tmp_path / name).write_bytes((noise_run / name).read_bytes())
    table = pq.read_table(tmp_path / "statistics.parquet")
    better = np.minimum(np.asarray(table["rouge.rouge_l"]) + 0.3, 1.0)
    at = table.column_names.index("rouge.rouge_l")
    table = table.set_column(at, "rouge.rouge_l", pa.array(better))
    pq.write_table(table, tmp_path / "statistics.parquet")
    asked = ["reproduce-row", str(tmp_path), "--model", "noise", "--studies", "16", "--choice", "1"]
    assert main(asked) == 1
    assert "rouge.rouge_l in 16" in capsys.readouterr().out


@pytest.mark.slow  # Six minutes on two busy cores: twelve tasks of 64 studies.
def test_the_committed_row_of_codixr_is_equal_for_its_own_model(capsys) -> None:
    asked = ["reproduce-row", str(ROW), "--model", "codixr", "--studies", "64", "--choice", "0"]
    assert main(asked) == 0
    assert capsys.readouterr().out.count(": equal, ") == 12
