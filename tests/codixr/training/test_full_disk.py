"""A disk that is full for real: nothing is lost, the error says what to do, and a run goes on."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codixr import cli
from codixr.atomic import new_array
from codixr.data.phantom import PhantomDataset
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training import checkpoints
from codixr.training.data import TrainingStudies
from helpers.engine_fakes import LineStage, config, train
from helpers.small_disk import enlarge, fill, with_disk

FULL_AT = 13


def weights(stage: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in stage.parameters()])


def test_a_run_on_a_full_disk_keeps_its_checkpoints_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    whole = LineStage(config())
    train(whole, tmp_path / "whole")

    def filled(disk: Path) -> None:
        stage = LineStage(config())
        forward = stage.forward

        def filling(batch: Any, draw: Any, step: int) -> Any:
            if step == FULL_AT and stage.training:
                fill(disk)
            return forward(batch, draw, step)

        stage.forward = filling  # type: ignore[method-assign]
        with pytest.raises(
            InputError, match=rf"no space left for .*step-000000{FULL_AT + 1}\.pt: .*free some"
        ):
            train(stage, disk / "run")
        folder = checkpoints.CheckpointFolder(disk / "run" / "checkpoints")
        assert sorted(p.name for p in folder.folder.iterdir()) == [
            "best.pt",
            f"step-000000{FULL_AT - 1}.pt",
            f"step-000000{FULL_AT}.pt",
        ]
        saved = folder.newest()
        assert saved is not None
        assert saved["step"] == FULL_AT
        (disk / "ballast").unlink()
        resumed = LineStage(config())
        train(resumed, disk / "run")
        assert torch.equal(weights(resumed), weights(whole))

    with_disk(tmp_path / "disk", 200, filled)


def test_a_table_that_the_disk_has_no_room_for_is_refused_before_it_is_written(
    tmp_path: Path,
) -> None:
    def filled(disk: Path) -> None:
        new_array(disk / "some.npy", np.float32, (10_000,))[:] = 1.0
        with pytest.raises(InputError, match=r"no space left for .*more\.npy"):
            new_array(disk / "more.npy", np.float32, (10_000,))
        assert [p.name for p in disk.iterdir()] == ["some.npy"]
        assert np.load(disk / "some.npy").sum() == 10_000

    with_disk(tmp_path / "disk", 64, filled)


def test_decoded_pictures_that_the_disk_has_no_room_for_are_refused_and_leave_no_file(
    tmp_path: Path,
) -> None:
    class Studies:  # a reader that keeps no pictures of its own: 16 views take 64 KiB
        split, fingerprint, modalities = "val", "of-the-data", frozenset({Modality.F})

        def __len__(self) -> int:
            return 16

        def __getitem__(self, index: int) -> Study:
            picture = np.full((1, 64, 64), index / 15, np.float32)
            return Study(study_id=f"{index}", subject_id="one", split="val", frontal=picture)

    def filled(disk: Path) -> None:
        studies: Any = Studies()
        read = TrainingStudies(studies, 64, disk / "pictures")
        with pytest.raises(InputError, match=r"no space left for .*pictures-F-val-.*free some"):
            read.images(Modality.F, slice(0, 1))
        assert not list((disk / "pictures").iterdir())
        enlarge(disk, 128)
        assert read.images(Modality.F, slice(15, 16)).min() == 1.0

    with_disk(tmp_path / "disk", 48, filled)


def test_simulated_pictures_that_the_disk_has_no_room_for_are_refused_and_leave_no_file(
    tmp_path: Path,
) -> None:
    def filled(disk: Path) -> None:
        data = PhantomDataset("val", limit=6, cache_dir=disk)  # two files of 24 KiB
        with pytest.raises(InputError, match=r"no space left for .*val-00006-.*free some"):
            data.images(Modality.F)
        assert not list(disk.iterdir())
        enlarge(disk, 128)
        assert data.images(Modality.F).any()

    with_disk(tmp_path / "disk", 32, filled)


def words(stage: str, out: Path) -> list[str]:
    place = ["--preset=tiny", "--data=phantom", f"--out={out}", "--limit=12", "--threads=1"]
    settings = ("steps=2", "batch=4", "refine_steps=0", "validate_every=1", "save_every=0")
    return ["train", *stage.split(), *place, *(f"--set={setting}" for setting in settings)]


def size(folder: Path) -> int:
    """KiB that a folder takes on a disk; of a file with two names once."""
    files = {p.stat().st_ino: p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    return sum(-(-size // 4096) * 4 for size in files.values())


def learnt(out: Path) -> dict[str, bytes]:
    return {p.as_posix(): p.read_bytes() for p in sorted((out / "denoiser_f").rglob("*.safe*"))}


@pytest.mark.slow
def test_a_command_says_so_wherever_the_disk_fills_and_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    base, whole, stage = tmp_path / "base", tmp_path / "whole", "image-ldm --view F"
    for earlier in ("image-vae", "prompt-encoders"):
        assert cli.main(words(earlier, base)) == 0
        shutil.rmtree(base / "stages" / earlier / "checkpoints")
    shutil.copytree(base, whole)
    assert cli.main(words(stage, whole)) == 0
    begin, end = size(base), size(whole)
    checkpoint = size(whole / "stages" / "image-ldm-F" / "checkpoints") // 2
    caches = size(whole / "cache") + 32  # its folders take room too
    # Room for nothing, the caches, a checkpoint, two and half of the weights, all but the samples.
    weights = 2 * checkpoint + checkpoint // 8
    rooms = (20, caches, checkpoint + caches, weights + caches, end - begin - 8)

    def filled(disk: Path) -> None:
        shutil.copytree(base, disk / "run")
        capfd.readouterr()
        stops = []
        for room in rooms:
            more = size(disk / "run" / "logs") - size(base / "logs")  # each attempt leaves its own
            enlarge(disk, begin + room + more)
            assert cli.main(words(stage, disk / "run")) == 2
            printed = capfd.readouterr().err
            assert "Traceback" not in printed
            last = printed.splitlines()[-1]
            assert last.startswith("codixr train: error: no space left for ")
            stops.append(last.split(":")[2].removeprefix(f" no space left for {disk}/run"))
        print("the disk was full at:", *stops, sep="\n  ")
        checkpoints = "/stages/image-ldm-F/checkpoints"
        assert stops[0].startswith("/cache/.")
        assert stops[1:] == [
            f"{checkpoints}/step-00000001.pt",
            f"{checkpoints}/step-00000002.pt",
            "/denoiser_f/diffusion_pytorch_model.safetensors",
            "/samples/image-ldm-F/step-00000002.png",
        ]
        enlarge(disk, 2 * end)
        assert cli.main(words(stage, disk / "run")) == 0
        ours, theirs = learnt(disk / "run"), learnt(whole)
        assert list(ours.values()) == list(theirs.values())
        assert len(ours) == 3  # the denoiser, the mean that it begins with, its alignment's part
        assert not list(disk.rglob(".*.part"))

    with_disk(tmp_path / "disk", begin + rooms[0], filled)
