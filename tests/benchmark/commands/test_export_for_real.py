"""What wandb and mlflow were given, read back from where they keep it. Needs their libraries."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.result import Result
from helpers.compare_fakes import simulate, write_run

HEADER, RECORD, BLOCK = 7, struct.Struct("<IHB"), 32768
"""Of a log as LevelDB has it: the file's header, a record's, and what no header crosses."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    (columns,) = simulate(np.random.default_rng(0), 60, models=1)
    return write_run(tmp_path_factory.mktemp("runs") / "run", columns, task="L+T->F")


def export(place: str, run: Path, folder: Path, **settings: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "codixr_bench", "export", place, str(run), "--project", "ward"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "MLFLOW"))}
    return subprocess.run(
        command, cwd=folder, env=kept | settings, capture_output=True, text=True, check=False
    )


def scores(run: Path) -> dict[str, float]:
    return {s.name: s.value for s in Result.load(run).scores if s.value is not None}


def test_mlflow_gives_back_every_number_and_the_file(run, tmp_path):
    reason = "pip install 'codixr[mlflow]' to try the export for real"
    mlflow = pytest.importorskip("mlflow", reason=reason)
    pytest.importorskip("alembic", reason=reason)
    done = export("mlflow", run, tmp_path)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ward")
    (found,) = client.search_runs([experiment.experiment_id])
    numbers = scores(run)
    assert {name: found.data.metrics[name] for name in numbers} == numbers
    assert found.data.params["task"] == "L+T->F"
    (kept,) = tmp_path.rglob("result.json")
    assert kept.read_bytes() == Result.load(run).to_json()


def test_a_store_that_mlflow_refuses_is_one_line(run, tmp_path):
    pytest.importorskip("mlflow", reason="pip install 'codixr[mlflow]' to try the export for real")
    done = export("mlflow", run, tmp_path, MLFLOW_TRACKING_URI="nowhere://x")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("codixr-bench: error: mlflow refuses: ")
    assert "Traceback" not in done.stderr


def records(content: bytes) -> Iterator[bytes]:
    """The messages in a file of wandb's, put together from the parts that blocks cut them into."""
    at, whole = HEADER, b""
    while at + RECORD.size <= len(content):
        if (left := BLOCK - at % BLOCK) < RECORD.size:
            at += left
            continue
        _, length, kind = RECORD.unpack_from(content, at)
        at += RECORD.size
        whole += content[at : at + length]
        at += length
        if kind in (1, 4):  # the whole, or its last part
            yield whole
            whole = b""


def test_wandb_keeps_every_number_and_what_it_is_of(run, tmp_path):
    reason = "pip install 'codixr[wandb]' to try the export for real"
    pytest.importorskip("wandb", reason=reason)
    from wandb.proto import wandb_internal_pb2

    done = export("wandb", run, tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    (kept,) = tmp_path.rglob("*.wandb")
    numbers, settings = {}, {}
    for one in records(kept.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(one)
        for item in record.summary.update:
            numbers[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        for item in record.run.config.update:
            settings[item.key] = json.loads(item.value_json)
        if record.run.project:
            assert record.run.project == "ward"
    expected = scores(run)
    assert {name: numbers.get(name) for name in expected} == expected
    assert settings["task"] == "L+T->F"


def test_no_key_of_wandb_is_one_line(run, tmp_path):
    pytest.importorskip("wandb", reason="pip install 'codixr[wandb]' to try the export for real")
    done = export("wandb", run, tmp_path, HOME=str(tmp_path), WANDB_MODE="online")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("codixr-bench: error: wandb refuses: ")
    assert "Traceback" not in done.stderr
