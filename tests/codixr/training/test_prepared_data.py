"""Training on a folder that ``codixr prepare`` made: what real data looks like."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from codixr.commands.train import Request, train
from codixr.data.phantom.phantom_plan import plan_phantom
from codixr.data.shards import Outcome, prepare
from codixr.errors import InputError

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

    def __call__(self, item: object) -> Outcome:
        outcome = self.make(item)  # type: ignore[operator]
        study = replace(outcome.row.study, lateral=None)
        return replace(outcome, row=replace(outcome.row, study=study))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare(plan_phantom(limit=8), out / "whole", quiet=True)
    plan = plan_phantom(limit=8)
    prepare(replace(plan, make=WithoutLateral(plan.make)), out / "frontal", quiet=True)
    return out


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
    assert len(losses) == 8
    assert all(0 < loss < 1e4 for loss in losses)
