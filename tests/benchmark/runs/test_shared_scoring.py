"""Scoring by several processes: the files are those of one, for any number of them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr_bench.backbones.real_features import rows_of_dataset
from codixr_bench.cli import main
from codixr_bench.runs import existing
from codixr_bench.runs.existing import Claims, score_existing
from codixr_bench.runs.options import RunOptions
from helpers.bench_fakes import FakeDataset
from helpers.metric_fakes import PixelBackbone
from helpers.sequential import played

REPOSITORY = Path(__file__).parents[3]
MODEL = "helpers.bench_fakes:KilledModel"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A scored run of 21 studies in chunks of 8: both views and a report."""
    folder = tmp_path_factory.mktemp("run")
    options = ["--limit", "21", "--chunk-size", "8", "--out", str(folder)]
    assert main(["run", "--task", "L->F+T", "--model", MODEL, *options]) == 0
    return folder


def content(folder):
    result = json.loads((folder / "result.json").read_text())
    del result["timings"], result["code"]  # a commit between the two is no difference
    return result, pq.read_table(folder / "statistics.parquet")


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_any_number_of_processes_writes_the_result_of_one_bit_for_bit(
    run, tmp_path, monkeypatch, processes
):
    def scored(process):
        monkeypatch.setattr(existing, "current_processes", lambda: process)
        return score_existing(run, Claims(), RunOptions(out=tmp_path / "shared"))

    found = played(processes, scored)
    assert found.folder == tmp_path / "shared"
    assert content(tmp_path / "shared")[0] == content(run)[0]
    assert content(tmp_path / "shared")[1].equals(content(run)[1])


class Counting(PixelBackbone):
    def __init__(self):
        self.seen = 0

    def features(self, images):
        self.seen += len(images)
        return super().features(images)


def test_real_pictures_of_other_studies_are_shared_too(monkeypatch):
    data, counts = FakeDataset(200), []

    def rows(process):
        backbone = Counting()
        found = rows_of_dataset(data, "F", backbone, range(10, 190), keeps=False, sharing=process)
        counts.append(backbone.seen)
        return found if len(found) else None

    monkeypatch.setattr("codixr_bench.backbones.real_features.real_images", _frontal)
    one = rows_of_dataset(data, "F", PixelBackbone(), range(10, 190), keeps=False)
    shared = played(3, rows)
    np.testing.assert_array_equal(shared.all(), one.all())
    assert sorted(counts) == [52, 64, 64], "each computes a third"


def _frontal(positions, studies, view):
    return np.stack([study.frontal for study in studies])


def test_a_cross_check_is_of_one_process(run, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["score", "--samples", str(run), "--cross-check"]) == 2
    assert "--cross-check is of one process" in capsys.readouterr().err


TORCHRUN = "-m torch.distributed.run --nproc_per_node 2 --master_port PORT"
ACCELERATE = (
    "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 "
    "--mixed_precision no --dynamo_backend no --main_process_port PORT"
)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_of_a_launcher_write_the_result_of_one(run, tmp_path, launcher):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "tests"), *sys.path]),
        "COUNT_PROCESSES": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    launcher = launcher.replace("PORT", port)
    command = ["run", "--task", "L->F+T", "--limit", "21", "--chunk-size", "8", "--out", "shared"]
    found = subprocess.run(
        [sys.executable, *launcher.split(), "-m", "codixr_bench.cli", *command, "--model", MODEL],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    assert sorted(path.name for path in tmp_path.glob("process-*")) == ["process-0", "process-1"]
    assert found.stderr.count("scoring 21 samples") == 1, "one of them speaks"
    (result, columns), (shared, others) = content(run), content(tmp_path / "shared")
    assert [score["name"] for score in shared["scores"]] == [s["name"] for s in result["scores"]]
    for one, other in zip(result["scores"], shared["scores"], strict=True):
        assert other["value"] == one["value"], one["name"]
    assert others.column_names == columns.column_names
    for name in columns.column_names:
        if pa.types.is_string(columns.schema.field(name).type):
            assert others[name].to_pylist() == columns[name].to_pylist(), name
            continue
        one, other = (np.array(t[name].to_pylist(), dtype=float) for t in (columns, others))
        np.testing.assert_array_equal(other, one, err_msg=name)


def test_processes_that_could_never_meet_are_refused_at_once(monkeypatch, capsys):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--task", "T->F", "--model", "noise", "--limit", "2"]) == 2
    assert "MASTER_PORT is 0" in capsys.readouterr().err


@pytest.mark.slow
def test_the_documents_slurm_array_runs_the_task_of_its_number(tmp_path):
    page = (REPOSITORY / "docs" / "gpu.md").read_text()
    (script,) = (b for b in page.split("```text\n") if b.startswith("#!/bin/bash\n#SBATCH"))
    (tmp_path / "array.sh").write_text(script.split("```")[0])
    shim = tmp_path / "bin" / "codixr-bench"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m codixr_bench.cli "$@"\n')
    shim.chmod(0o755)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "SLURM_ARRAY_TASK_ID": "6",
        "MODEL": "noise",
        "LIMIT": "4",
    }
    found = subprocess.run(
        ["bash", "array.sh"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    result = json.loads((tmp_path / "runs" / "array" / "6" / "result.json").read_text())
    assert (result["task"], result["track"]["n"], result["model"]["name"]) == ("F->T", 4, "noise")
