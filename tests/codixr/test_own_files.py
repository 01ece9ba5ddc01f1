"""A file of ours that is given to a command which takes another is named, with what takes it."""

import argparse
import csv
import json

import numpy as np
import pandas as pd
import pytest

from codixr.cli import main as codixr
from codixr.errors import InputError
from codixr.own_files import explained, kind_of
from codixr_bench.cli import main as bench
from codixr_bench.result import Result
from helpers.compare_fakes import simulate, write_run

LABELS = "Reports,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion\n"
SAID = {
    "run": "the folder of a run",
    "runs": "a folder of runs' folders",
    "samples": "the folder of a run that isn't scored",
    "checkpoint": "a checkpoint's folder",
    "prepared": "a folder of prepared data",
    "bundle": "the bundle of a reproduction",
    "rows": "the leaderboard's folder of rows",
    "run/result.json": "a run's result",
    "run/statistics.parquet": "a run's statistics",
    "samples/samples/chunk-00000.parquet": "a run's samples",
    "samples/samples/run.json": "how a run's samples were made",
    "shard.parquet": "a shard of prepared data",
    "rows/fake/row.json": "a row of the leaderboard",
    "config.yaml": "the options of a run",
    "recipe.yaml": "a track's recipe",
    "lock.json": "the lock file of published weights",
    "junit.xml": "check --format junit` said",
    "check.json": "check --json` said",
    "compare.json": "compare --json` said",
    "report.html": "a page for a browser",
    "key.json": "the key of a blind reader study",
    "answers.json": "a reader's answers",
    "scored.json": "the digest of a finished run",
    "checkpoint/model_index.json": "the index of a checkpoint",
    "prepared/manifest.json": "the manifest of prepared data",
    "labels.csv": "a file of labels",
}


@pytest.fixture(scope="module")
def ours(tmp_path_factory, request):
    """One of each kind of file, made by the commands where they are quick."""
    from pathlib import Path

    root = Path(__file__).parents[2]
    folder = tmp_path_factory.mktemp("ours")
    (columns,) = simulate(np.random.default_rng(0), 40, models=1)
    run = write_run(folder / "run", columns)
    write_run(folder / "runs/one", columns)
    result = json.loads((run / "result.json").read_text())
    row = {"schema_version": 1, "model": "m", "submitted": "2026-01-01", "results": [result]}
    texts = {
        "rows/fake/row.json": json.dumps(row),
        "checkpoint/model_index.json": '{"_class_name": "CoDiXRPipeline"}',
        "prepared/manifest.json": '{"format_version": 2, "shards": []}',
        "samples/samples/run.json": "{}",
        "bundle/bundle.json": "{}",
        "scored.json": '{"sha256": "0"}',
        "config.yaml": "task: L->F\nmodel: noise\n",
        "recipe.yaml": (root / "data_manifests/openi.yaml").read_text(),
        "lock.json": (root / "benchmark/codixr_bench/backbones/lock.json").read_text(),
        "report.html": "<!doctype html>\n<title>x</title>",
        "key.json": '{"schema_version": 1, "study": "s", "output": "F", "items": []}',
        "answers.json": '{"schema_version": 1, "study": "s", "reader": "R", "answers": []}',
        "labels.csv": LABELS,
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    chunk = pd.DataFrame({"position": [0], "F": [b""]})
    chunk.to_parquet(folder / "samples/samples/chunk-00000.parquet")
    shard = pd.DataFrame({"study_id": ["s"], "frontal": [b""], "labels": [0]})
    shard.to_parquet(folder / "shard.parquet")
    return folder


@pytest.fixture(scope="module")
def told(ours):
    """What the gate and the comparison print for programs."""
    import contextlib
    import io

    same = ["check", str(ours / "run"), "--against", str(ours / "run"), "--allow-same"]
    for name, words in {
        "junit.xml": [*same, "--format", "junit"],
        "check.json": [*same, "--json"],
        "compare.json": ["compare", str(ours / "run"), str(ours / "run"), "--json"],
    }.items():
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert bench(words) == 0
        (ours / name).write_text(out.getvalue())
    return ours


@pytest.mark.parametrize("name", SAID)
def test_each_kind_of_file_is_known_by_what_it_holds(told, name):
    kind = kind_of(told / name)
    assert kind is not None
    assert SAID[name] in kind.name


@pytest.mark.parametrize("name", [n for n in SAID if n not in ("run", "run/result.json", "runs")])
def test_the_gate_says_what_the_wrong_file_is_in_one_line(told, name, capsys):
    code = bench(["check", str(told / "run"), "--against", str(told / name)])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert f"'{told / name}' is {kind_of(told / name).name}, and `codixr-bench check` takes" in line


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (["check", "{}", "--against", "{run}"], "rows/fake/row.json", "take it: codixr-bench show"),
        (["table", "II", "{}"], "rows/fake/row.json", "codixr-bench verify"),
        (["show", "{}"], "run/statistics.parquet", "read with the result.json beside them"),
        (["run", "--config", "{}"], "run/result.json", "codixr-bench show"),
        (["run", "--config", "{}"], "recipe.yaml", "codixr-bench run --track"),
        (["score", "--samples", "{}", "--task", "L->F"], "checkpoint", "codixr generate --check"),
        (["readers", "score", "{}", "{run}"], "run", "codixr-bench readers make"),
        (["site", "{}", "{run}/site"], "samples", "codixr-bench score --samples"),
        (["export", "hub", "{}"], "lock.json", "takes another kind of file"),
        (["audit", "{}"], "run/result.json", "codixr-bench show"),
        (["submit", "{}"], "rows/fake/row.json", "codixr-bench verify"),
    ],
)  # fmt: skip
def test_the_benchmark_names_what_takes_the_file(told, words, name, said, capsys, monkeypatch):
    monkeypatch.chdir(told)
    code = bench([word.format(told / name, run=told / "run") for word in words])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert kind_of(told / name).name in line
    assert said in line


@pytest.mark.parametrize(
    ("words", "name", "said"),
    [
        (["info", "--checkpoint", "{}"], "run", "codixr-bench show"),
        (["prepare", "--verify", "{}"], "checkpoint", "codixr info --checkpoint"),
        (["info", "--data", "{}"], "prepared/manifest.json", "give its folder"),
        (["generate", "--from", "F={}", "--to", "T", "--out", "o"], "run/result.json", "show"),
    ],
)
def test_so_does_the_generator(told, words, name, said, capsys, monkeypatch):
    monkeypatch.chdir(told)
    code = codixr([word.format(told / name) for word in words])
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert kind_of(told / name).name in line
    assert said in line


def test_a_row_that_is_loaded_as_a_result_is_named(told):
    with pytest.raises(InputError, match="is a row of the leaderboard, of 1 results: `codixr-ben"):
        Result.load(told / "rows/fake/row.json")


def test_verify_refuses_what_is_neither_a_result_nor_a_row_by_its_name(told, capsys):
    assert bench(["verify", str(told / "lock.json")]) == 1
    assert "it is the lock file of published weights" in capsys.readouterr().out


def test_a_table_with_an_endless_cell_is_bad_input(tmp_path, capsys):
    csv.field_size_limit(131_072)  # as a new process has it: commands that read long cells raise it
    (tmp_path / "a.csv").write_text(f"a,b\n{'x' * 200_000},1\n")
    assert bench(["audit", str(tmp_path / "a.csv")]) == 2
    assert "is not a CSV" in capsys.readouterr().err


def test_an_error_about_something_else_stays_as_it_is(told):
    error = InputError("--margin: write SCORE=LOSS")
    parsed = argparse.Namespace(new=told / "rows/fake/row.json", margin=["x"])
    assert explained(error, "codixr-bench check", parsed) is error
    damaged = InputError(f"'{told / 'run'}' is damaged")
    parsed = argparse.Namespace(new=told / "run")
    assert explained(damaged, "codixr-bench check", parsed) is damaged


def test_what_is_nobodys_or_not_there_is_no_kind(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.parquet").write_text("x")
    (tmp_path / "d.yaml").write_text(": : :")
    for name in ("a.json", "b.json", "c.parquet", "d.yaml", "nowhere", "."):
        assert kind_of(tmp_path / name) is None
