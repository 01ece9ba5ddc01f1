"""`codixr train all` killed, and shared by processes: all stages end as in an uninterrupted run."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codixr import cli
from codixr.training.configs import STAGES

FORK = multiprocessing.get_context("fork")
SETTINGS = ("steps=2", "batch=4", "refine_steps=0", "validate_every=1", "save_every=0")

pytestmark = pytest.mark.slow


def words(out: Path) -> list[str]:
    settings = [f"--set={setting}" for setting in (*SETTINGS, "tracker=none")]
    place = ["--data", "phantom", "--out", str(out), "--limit", "12", "--threads", "1"]
    return ["train", "all", "--preset", "tiny", *place, *settings]


def main(out: Path) -> None:
    sys.exit(cli.main(words(out)))


def started(out: Path) -> multiprocessing.process.BaseProcess:
    process = FORK.Process(target=main, args=(out,))
    process.start()
    return process


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, float]]:
    """An uninterrupted run of one process, and the seconds that it took."""
    base = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(base / "cache"))
        began = time.monotonic()
        process = started(base / "one")
        process.join()
        assert process.exitcode == 0
        yield base / "one", time.monotonic() - began


def losses(out: Path) -> dict[str, list[float]]:
    notes = {s: json.loads((out / "stages" / s / "done.json").read_text()) for s in STAGES}
    return {s: [*note["loss"].values(), note["validation"]] for s, note in notes.items()}


def test_a_command_killed_twice_at_random_moments_exports_the_same_bits(
    one: tuple[Path, float], tmp_path: Path
) -> None:
    whole, seconds = one
    moments = random.Random(time.time_ns())
    for _ in range(2):
        process = started(tmp_path / "run")
        time.sleep(moments.uniform(0.05, 0.45) * seconds)
        assert process.is_alive()
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "run" / "model").exists()
    process = started(tmp_path / "run")
    process.join()
    assert process.exitcode == 0
    ours, theirs = (
        {p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*") if p.is_file()}
        for f in (tmp_path / "run" / "model", whole / "model")
    )
    assert ours.keys() == theirs.keys()
    # The card tells the hours that each stage took.
    assert [name for name in ours if ours[name] != theirs[name]] in ([], ["README.md"])
    assert sum(name.endswith(".safetensors") for name in ours) >= 8


def torchrun(out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = "torch.distributed.run --standalone --nproc_per_node 2 -m codixr.cli"
    return subprocess.run(
        [sys.executable, "-m", *command.split(), *words(out), *more],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "sharding", [{}, {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}], ids=["ddp", "fsdp"]
)
def test_two_processes_end_every_stage_with_the_losses_of_one(
    one: tuple[Path, float], tmp_path: Path, sharding: dict[str, str]
) -> None:
    out = tmp_path / "two"
    found = torchrun(out, ACCELERATE_USE_CPU="true", **sharding)
    assert found.returncode == 0, found.stderr[-2000:]
    for stage, expected in losses(one[0]).items():
        note = json.loads((out / "stages" / stage / "done.json").read_text())
        assert note["processes"] == 2
        assert losses(out)[stage] == pytest.approx(expected, rel=1e-4), stage
    assert (out / "model" / "model_index.json").is_file()


@pytest.mark.parametrize(
    ("more", "environment", "match"),
    [
        (
            ["--set", "batch=5"],
            {"ACCELERATE_USE_CPU": "true"},
            "a batch of 5 cannot be shared by 2 processes",
        ),
        ([], {"CUDA_VISIBLE_DEVICES": ""}, "2 processes were started and each would train alone"),
    ],
)
def test_torchrun_fails_with_one_line_of_ours_said_once(
    tmp_path: Path, more: list[str], environment: dict[str, str], match: str
) -> None:
    found = torchrun(tmp_path / "two", *more, **environment)
    assert found.returncode != 0
    assert found.stderr.count(match) == 1
    assert "exitcode  : 2" in found.stderr  # ours; torchrun itself ends with 1
    assert "codixr/train.py" not in found.stderr  # no traceback through our files
