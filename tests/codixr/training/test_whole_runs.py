"""`codixr train all` killed, and shared by processes: all stages end as in an uninterrupted run."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from codixr import cli
from codixr.model.checkpoint_info import embedded_checkpoint
from codixr.training import export, one_stage
from codixr.training.recipes import STAGES
from helpers.processes import FORK, FSDP, in_two, killed

IMPORTED = (export, one_stage)
"""All that a training needs: forked processes find it here, and need not import it again."""

STEPS = 4
NEAR = {"prompt-lexicon": 5e-3}
"""Relative difference of losses that is allowed, where it is more than 1e-4.

The lexicon's is a distance of a hundredth between two towers, one of which is the runs' own: the
rounding of all stages before it, which several processes do in another order, weighs much. From
one and the same tower it is asked for more, below.
"""
SETTINGS = (
    f"steps={STEPS}",
    "batch=4",
    "refine_steps=0",
    "validate_every=2",
    "save_every=0",
    "vocabulary_texts=300",
)

pytestmark = pytest.mark.slow


def words(out: Path) -> list[str]:
    settings = [f"--set={setting}" for setting in (*SETTINGS, "tracker=none")]
    place = ["--data", "phantom", "--out", str(out), "--limit", "8", "--threads", "1"]
    return ["train", "all", "--preset", "tiny", *place, *settings]


def main(out: Path) -> None:
    sys.exit(cli.main(words(out)))


def started(out: Path) -> BaseProcess:
    process = FORK.Process(target=main, args=(out,))
    process.start()
    return process


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An uninterrupted run of one process."""
    base = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODIXR_CACHE", str(base / "cache"))
        process = started(base / "one")
        process.join()
        assert process.exitcode == 0
        yield base / "one"


def steps_of(checkpoints: Path) -> list[int]:
    return [int(path.stem[-8:]) for path in checkpoints.glob("step-*.pt")]


def bits(out: Path) -> dict[str, bytes]:
    """Every file of the folder that does not tell how long something took."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
        and "checkpoints" not in path.parts
        and path.name not in ("done.json", "README.md")
    }


def test_a_command_killed_in_the_middle_of_stages_and_of_the_export_ends_with_the_same_bits(
    one: Path, tmp_path: Path
) -> None:
    chance, out = random.Random(time.time_ns()), tmp_path / "run"
    chosen, in_the_middle = sorted(chance.sample(STAGES, 4), key=STAGES.index), 0
    for stage in chosen:
        place = out / "stages" / stage
        begun = place / "checkpoints" / f"step-{chance.randint(1, 2):08d}.pt"
        killed(main, out, sign=begun, delay=chance.uniform(0, 0.02))
        at = max(steps_of(place / "checkpoints"))
        print(f"killed in {stage} after the checkpoint of step {at} of {STEPS}")
        assert at > 0
        in_the_middle += at < STEPS and not (place / "done.json").exists()
    assert in_the_middle > 0  # on a busy machine a short stage may end before the kill comes
    export = out / "model.unfinished"
    killed(main, out, sign=export, delay=chance.uniform(0, 0.02))
    print("killed in the export, with", len(list(export.rglob("*.safetensors"))), "files")
    assert not (out / "model").exists()
    process = started(out)
    process.join()
    assert process.exitcode == 0
    ours, theirs = bits(out), bits(one)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    weights = [name for name in ours if name.endswith(".safetensors")]
    print(f"{len(ours)} files equal, {len(weights)} of weights")
    assert len(weights) >= 16


def torchrun(out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = "torch.distributed.run --standalone --nproc_per_node 2 -m codixr.cli"
    return subprocess.run(
        [sys.executable, "-m", *command.split(), *words(out), *more],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
    )


def equal_losses(two: Path, one: Path) -> None:
    """Every stage of ``two`` was trained by two processes and ended with the losses of ``one``."""
    largest = 0.0
    for stage in STAGES:
        ours, theirs = (
            json.loads((out / "stages" / stage / "done.json").read_text()) for out in (two, one)
        )
        assert (ours["processes"], theirs["processes"]) == (2, 1)
        pairs = [(ours["loss"][name], theirs["loss"][name]) for name in theirs["loss"]]
        pairs.append((ours["validation"], theirs["validation"]))
        for mine, its in pairs:
            assert mine == pytest.approx(its, rel=NEAR.get(stage, 1e-4)), stage
            largest = max(largest, abs(mine - its))
    print(f"largest difference of a loss: {largest:.2g}")
    assert (two / "model" / "model_index.json").is_file()


def test_two_processes_of_torchrun_end_every_stage_with_the_losses_of_one(
    one: Path, tmp_path: Path
) -> None:
    more = "--set=checkpoint_gradients=true"  # which changes no number
    found = torchrun(tmp_path / "two", more, ACCELERATE_USE_CPU="true")
    assert found.returncode == 0, found.stderr[-2000:]
    # One process speaks, and no library does.
    told = [line for line in found.stderr.replace("\r", "\n").splitlines() if line.strip()]
    ours = ("codixr train: ", "caching ", "phantom", *(f"{stage}: " for stage in STAGES))
    assert [line for line in told if not line.startswith(ours)] == []
    assert len([line for line in told if "steps of 4 studies" in line]) == len(STAGES)
    equal_losses(tmp_path / "two", one)


def test_two_processes_with_shards_end_every_stage_with_the_losses_of_one(
    one: Path, tmp_path: Path
) -> None:
    assert in_two(cli.main, words(tmp_path / "two"), **FSDP) == [0, 0]
    equal_losses(tmp_path / "two", one)


def test_two_processes_teach_the_lexicon_to_the_embedded_tower_as_one_does(
    tmp_path: Path,
) -> None:
    more = ("--init", str(embedded_checkpoint()))
    one, two = (
        ["prompt-lexicon" if word == "all" else word for word in words(tmp_path / name)]
        for name in ("one", "two")
    )
    assert cli.main([*one, *more]) == 0
    assert in_two(cli.main, [*two, *more]) == [0, 0]
    a, b = (
        json.loads((tmp_path / name / "stages/prompt-lexicon/done.json").read_text())
        for name in ("two", "one")
    )
    assert (a["processes"], b["processes"]) == (2, 1)
    assert a["loss"]["loss"] == pytest.approx(b["loss"]["loss"], rel=1e-5)
    assert a["validation"] == pytest.approx(b["validation"], rel=1e-5)


@pytest.mark.parametrize(
    ("more", "environment", "line"),
    [
        (
            ["--set", "image-ldm.batch=5"],
            {"ACCELERATE_USE_CPU": "true"},
            "image-ldm-F: a batch of 5 cannot be shared by 2 processes x accumulate=1: give a "
            "batch that 2 divides, e.g. --set image-ldm-F.batch=6",
        ),
        (
            [],
            {"CUDA_VISIBLE_DEVICES": ""},
            "2 processes were started and each would train alone: without GPUs set "
            "ACCELERATE_USE_CPU=true before torchrun",
        ),
    ],
    ids=["batch", "alone"],
)
def test_torchrun_fails_at_once_with_one_line_of_ours(
    tmp_path: Path, more: list[str], environment: dict[str, str], line: str
) -> None:
    found = torchrun(tmp_path / "two", *more, **environment)
    assert found.returncode != 0
    own = [text for text in found.stderr.splitlines() if text.startswith("codixr train: error: ")]
    assert own == [f"codixr train: error: {line}"]
    assert "exitcode  : 2" in found.stderr  # ours; torchrun itself ends with 1
    assert "codixr/commands/train.py" not in found.stderr  # no traceback through our files
    assert not (tmp_path / "two").exists()
