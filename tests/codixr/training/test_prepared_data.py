"""Training on a folder that ``codixr prepare`` made: what real data looks like."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from codixr.commands.train import Request, train
from codixr.data.phantom.phantom_plan import plan_phantom
from codixr.data.preparation_plan import Made
from codixr.data.shards import prepare
from codixr.errors import InputError
from codixr.training.recipes import STAGES
from helpers.prepared_folders import prepared_folder
from helpers.processes import in_two, killed

QUICK = {
    "steps": "2",
    "batch": "4",
    "refine_steps": "0",
    "validate_every": "0",
    "tracker": "none",
}


@dataclass(frozen=True)
class WithoutLateral:
    """Makes the phantom's studies, but for their lateral views."""

    make: object

    def __call__(self, item: object) -> Made:
        made = self.make(item)  # type: ignore[operator]
        study = replace(made.row.study, lateral=None)
        return replace(made, row=replace(made.row, study=study))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare(plan_phantom(limit=8), out / "whole", quiet=True)
    plan = plan_phantom(limit=8)
    prepare(replace(plan, make=WithoutLateral(plan.make)), out / "frontal", quiet=True)
    return out


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake MIMIC-CXR, prepared at 64 x 64: the patients, views and reports of an archive."""
    return prepared_folder("mimic-cxr", tmp_path_factory.mktemp("mimic"), image_size=64)


def request(out: Path, data: Path, stage: str = "all") -> Request:
    return Request(stage=stage, preset="tiny", data=str(data), out=out, settings=QUICK, threads=1)


def test_a_stage_trains_on_prepared_studies_and_shows_no_samples_unless_asked(
    folder: Path, tmp_path: Path
) -> None:
    train(request(tmp_path / "run", folder / "whole", "image-vae"))
    done = json.loads((tmp_path / "run" / "stages" / "image-vae" / "done.json").read_text())
    assert done["data"]["studies"] == {"train": 8, "val": 8}
    assert not (tmp_path / "run" / "samples").exists()


@pytest.mark.parametrize(
    ("stage", "match"),
    [
        ("image-vae", "image-vae needs L, and no training study of --data .* has it"),
        ("prompt-encoders", "prompt-encoders needs L, and no training study"),
    ],
)
def test_a_stage_whose_modality_the_data_lacks_says_which(
    folder: Path, tmp_path: Path, stage: str, match: str
) -> None:
    with pytest.raises(InputError, match=match):
        train(request(tmp_path / "run", folder / "frontal", stage))


@pytest.mark.slow
def test_every_stage_trains_on_prepared_studies(folder: Path, tmp_path: Path) -> None:
    made = train(request(tmp_path / "run", folder / "whole"))
    assert made == [tmp_path / "run" / "model"]
    assert (tmp_path / "run" / "model" / "model_index.json").is_file()
    losses = [
        json.loads(path.read_text())["loss"]["loss"]
        for path in (tmp_path / "run" / "stages").glob("*/done.json")
    ]
    assert len(losses) == len(STAGES) - len(WORDING)
    assert all(0 < loss < 1e4 for loss in losses)


def learnt(out: Path) -> dict[str, np.ndarray]:
    """Every weight of the finished parts."""
    files = [p for p in sorted(out.glob("*/**/*.safetensors")) if "model" not in p.parts]
    return {
        f"{path.relative_to(out)}:{name}": weight
        for path in files
        for name, weight in load_file(path).items()
    }


def in_folder(out: Path, data: Path, stage: str, steps: str, **changes: str) -> None:
    settings = QUICK | {"steps": steps} | changes
    train(replace(request(out, data, stage), settings=settings))


def on_its_own_disk(out: Path, data: Path) -> None:
    """One process a node, each node with a disk of its own: the folder is another in each."""
    rank = os.environ["RANK"]
    os.environ |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    in_folder(out / f"node-{rank}", data, "prompt-encoders", "2")


def test_two_processes_decode_the_pictures_once_and_together(folder: Path, tmp_path: Path) -> None:
    in_two(in_folder, tmp_path / "two", folder / "whole", "prompt-encoders", "2")
    in_folder(tmp_path / "one", folder / "whole", "prompt-encoders", "2")
    ours, theirs = (sorted((tmp_path / n / "cache").iterdir()) for n in ("two", "one"))
    assert [p.name for p in ours] == [p.name for p in theirs]
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]
    assert not [p for p in (tmp_path / "two").rglob(".*") if p.is_file()]


def test_nodes_with_a_disk_each_write_the_same_folder_each(folder: Path, tmp_path: Path) -> None:
    in_two(on_its_own_disk, tmp_path, folder / "whole")
    first, second = (learnt(tmp_path / f"node-{rank}") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert first
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert (tmp_path / "node-1" / "stages" / "prompt-encoders" / "done.json").exists()
    assert len(list((tmp_path / "node-1" / "cache").glob("pictures-*.npy"))) == 4


WORDING = ("prompt-wording", "prompt-lexicon")
"""Stages of the phantom alone."""
KEY_BIASES = ("k_proj.bias", "key.bias", "c_attn.bias")
"""What a softmax does not see: their gradient is rounding alone, and AdamW takes its sign."""

EACH = (
    ("image-vae", {}),
    ("prompt-encoders", {}),
    ("prompt-details", {}),
    ("report-vae", {}),
    ("image-ldm", {"view": "F"}),
    ("image-ldm", {"view": "L"}),
    ("report-ldm", {}),
    ("alignment", {"pair": "F+L"}),
    ("alignment", {"pair": "F+T"}),
)


def one_stage(out: Path, data: Path, stage: str, chosen: dict[str, str]) -> None:
    settings = QUICK | {"steps": "20"}
    train(replace(request(out, data, stage), settings=settings, **chosen))  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_end_every_stage_with_the_weights_of_one(
    archive: Path, tmp_path: Path
) -> None:
    """Each stage from the same folder, in one process and in two."""
    one, two = tmp_path / "one", tmp_path / "two"
    for stage, chosen in EACH:
        if one.exists():
            shutil.rmtree(two)
            shutil.copytree(one, two)
        in_two(one_stage, two, archive, stage, chosen)
        one_stage(one, archive, stage, chosen)
        ours, theirs = learnt(two), learnt(one)
        assert ours.keys() == theirs.keys()
        largest = 0.0
        for name, wanted in theirs.items():
            if name.endswith(KEY_BIASES):
                continue
            # A bias that began at 0 is tiny after 20 steps: it is held to a weight's usual size.
            size = max(np.linalg.norm(wanted), 0.01 * wanted.size**0.5)
            difference = np.linalg.norm(ours[name] - wanted) / size
            largest = max(largest, difference)
            assert difference < 1e-3, (stage, name)
        print(f"{stage}: {len(theirs)} weights, the largest relative difference {largest:.2g}")


def saved_at_every_step(out: Path, data: Path) -> None:
    in_folder(out, data, "all", "4", save_every="0")


def two_in_one(out: Path, data: Path) -> None:
    in_two(saved_at_every_step, out, data)


@pytest.mark.slow
def test_two_processes_that_were_killed_in_every_stage_end_with_the_bits_of_two_that_were_not(
    archive: Path, tmp_path: Path
) -> None:
    two_in_one(tmp_path / "whole", archive)
    out = tmp_path / "killed"
    for stage in STAGES:
        if stage in WORDING:
            continue
        sign = out / "stages" / stage / "checkpoints" / "step-00000001.pt"
        killed(two_in_one, out, archive, sign=sign, delay=0.0)
        assert not (out / "stages" / stage / "done.json").exists()
    two_in_one(out, archive)
    ours, theirs = learnt(out), learnt(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
