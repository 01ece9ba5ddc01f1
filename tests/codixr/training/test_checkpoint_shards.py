"""Checkpoints in rows: what each process has is written by itself, and read by any number."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from codixr.errors import InputError
from codixr.training import checkpoint_shards
from codixr.training.checkpoints import CheckpointFolder
from codixr.training.disk import Disk
from codixr.training.engine import Engine
from codixr.training.processes import make_accelerator
from helpers.engine_fakes import LineStage, config, curve, noted
from helpers.processes import FSDP, in_two

WEIGHTS = ("line.0.weight", "line.0.bias", "line.2.weight", "line.2.bias", "heat")


def of_two(folder: Path, step: int) -> Path:
    """A checkpoint whose one matrix of 3 rows lies in two files."""
    folder.mkdir(parents=True, exist_ok=True)
    matrix = torch.arange(6.0).reshape(3, 2) + step
    for index, name in enumerate(checkpoint_shards.file_names(f"step-{step:08d}", 2)):
        rows = matrix[:2] if index == 0 else matrix[2:]
        names = ("parameters/w", "averaged/w", "optimizer/0/exp_avg")
        tensors = {name: rows.clone() for name in names}
        save_file(
            tensors | ({"optimizer/0/step": torch.tensor(1.0)} if index == 0 else {}), folder / name
        )
    rest = {
        "step": step,
        "optimizer": {"state": [0], "param_groups": []},
        "rows": checkpoint_shards.file_names(f"step-{step:08d}", 2),
    }
    return CheckpointFolder(folder).save(rest)


def newest(folder: Path) -> dict[str, Any]:
    found = CheckpointFolder(folder).newest()
    assert found is not None
    return found


def test_rows_are_put_together_as_they_are_asked_for(tmp_path: Path) -> None:
    of_two(tmp_path, 5)
    state = newest(tmp_path)
    whole = torch.arange(6.0).reshape(3, 2) + 5
    assert torch.equal(state["parameters"]["w"], whole)
    assert dict(state["averaged"]).keys() == {"w"}
    found = {key: tuple(x.shape) for key, x in state["optimizer"]["state"][0].items()}
    assert found == {"exp_avg": (3, 2), "step": ()}
    with pytest.raises(KeyError):
        state["parameters"]["other"]


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_a_checkpoint_with_a_damaged_file_of_rows_is_named_and_the_one_before_is_used(
    tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    of_two(tmp_path, 5)
    of_two(tmp_path, 6)
    hurt = tmp_path / checkpoint_shards.file_names("step-00000006", 2)[1]
    match harm:
        case "gone":
            hurt.unlink()
        case "cut":
            hurt.write_bytes(hurt.read_bytes()[:-4])
        case "other":
            hurt.write_bytes(b"no tensors")
    assert newest(tmp_path)["step"] == 5
    assert "step-00000006.pt is damaged" in capsys.readouterr().err
    assert not list(tmp_path.glob("step-00000006*"))


def test_rows_stay_as_long_as_a_checkpoint_names_them(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder._keep_as_best(of_two(tmp_path, 1))
    for step in (2, 3, 4):
        of_two(tmp_path, step)
    alone = tmp_path / checkpoint_shards.file_names("step-00000009", 2)[0]
    alone.write_bytes(b"a killed process'")
    folder.sweep()
    steps = {path.name[5:13] for path in tmp_path.glob(checkpoint_shards.PATTERN)}
    assert {int(step) for step in steps} == {1, 3, 4}
    assert torch.load(tmp_path / "best.pt", weights_only=True)["step"] == 1


def sharded(folder: Path, own_disks: bool) -> list[float]:
    rank = int(os.environ["RANK"])
    stage = LineStage(config(), contrast=True)
    if own_disks:
        folder, stage.folder.disk = folder / str(rank), Disk()
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    losses = noted(engine)
    engine.run()
    return losses


@pytest.mark.slow
def test_two_processes_write_their_own_rows_and_one_goes_on_from_them(tmp_path: Path) -> None:
    alone = curve(LineStage(config(), contrast=True), tmp_path / "one")
    in_two(sharded, tmp_path / "two", False, **FSDP)
    folder = tmp_path / "two" / "checkpoints"
    files = [load_file(path) for path in sorted(folder.glob("step-00000039.shard*"))]
    assert len(files) == 2
    for name in WEIGHTS[:4]:
        rows = [len(found[f"averaged/{name}"]) for found in files]
        assert rows == [sum(rows) // 2] * 2, name
    assert [f"averaged/{WEIGHTS[4]}" in found for found in files] == [True, False]
    assert len({*folder.glob("*.safetensors")}) <= 6  # of the last two, and of the best
    (folder / "step-00000040.pt").unlink()
    again = curve(LineStage(config(), contrast=True), tmp_path / "two")
    assert again == pytest.approx(alone[39:], abs=1e-4)


@pytest.mark.slow
def test_processes_with_a_disk_each_write_whole_tensors(tmp_path: Path) -> None:
    in_two(sharded, tmp_path, True, **FSDP)
    for rank in "01":
        folder = tmp_path / rank / "checkpoints"
        saved = torch.load(folder / "step-00000040.pt", weights_only=True)
        assert {name: type(x) for name, x in saved["averaged"].items()} == dict.fromkeys(
            WEIGHTS, Tensor
        )
        assert not list(folder.glob("*.safetensors"))


def full(folder: Path) -> str:
    write = checkpoint_shards.write

    def fails(path: Path, tensors: Any, index: int) -> None:
        if index == 1 and "00000020" in path.name:
            raise InputError(f"no space left for {path.name}")
        write(path, tensors, index)

    checkpoint_shards.write = fails  # in this process alone, which was forked
    try:
        sharded(folder, False)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_where_one_process_has_no_room_all_stop_and_the_checkpoint_before_stays(
    tmp_path: Path,
) -> None:
    found = in_two(full, tmp_path, **FSDP)
    assert found == ["no space left for step-00000020.shard-00001-of-00002.safetensors"] * 2
    assert newest(tmp_path / "checkpoints")["step"] == 19
