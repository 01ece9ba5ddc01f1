"""The CoDi baseline: what it asks for without weights, and a whole run on a converted folder."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.checkpoint_info import checkpoint_sha256
from codixr_bench.cli import main
from codixr_bench.models.codi import CoDiModel
from codixr_bench.registry import load_model
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task
from helpers.codi_release import convert_by_command


@pytest.mark.parametrize("spec", ["codi", "codi:nowhere"])
def test_without_weights_it_says_what_to_download_under_which_licence_and_how(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(spec)
    message = str(caught.value)
    assert "https://huggingface.co/ZinengTang/CoDi" in message
    assert "MIT licence" in message
    assert "codixr convert CoDi_encoders.pth" in message
    assert "--model codi:" in message
    assert "\n" not in message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CoDi's release, narrow and random, converted by the command; its words are the phantom's."""
    phantom = PhantomDataset("train")
    words = sorted({w for i in range(99) for w in re.findall("[a-z]+|[.,]", phantom[i].report)})
    return convert_by_command(tmp_path_factory.mktemp("codi"), words[-64:])


def test_a_converted_folder_runs_end_to_end_as_released(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["run", "--task", "T->F", "--model", f"codi:{folder}", "--limit", "2"]
    assert main([*command, "--out", str(out)]) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["model"]["checkpoint_sha256"] == checkpoint_sha256(folder)
    assert result["generation"] == {
        "seed": 0,
        "scheduler": "DDIMScheduler",
        "steps": 50,
        "guidance": 7.5,
        "attend_to": "own",
    }
    assert any(score["name"] == "fid_phantom" for score in result["scores"])
    ((_, (first, second)),) = SampleStore.open(out / "samples").batches()
    assert first[Modality.F].shape == (1, 64, 64)
    assert np.abs(first[Modality.F] - second[Modality.F]).max() > 0.1


def test_a_converted_folder_answers_with_views_and_a_report(folder: Path) -> None:
    task, study = Task.parse("F->L+T"), PhantomDataset("test")[0]
    (made,) = CoDiModel(folder, steps=2).generate([{Modality.F: study.frontal}], task, [0])
    assert made[Modality.L].shape == (1, 64, 64)
    assert isinstance(made[Modality.T], str)


def test_joint_outputs_attend_to_their_own_vector(folder: Path) -> None:
    study = PhantomDataset("test")[0]
    task = Task.parse("T->F+L")
    model = CoDiModel(folder, steps=2)
    conditions = [{Modality.T: study.report}]
    (ours,) = model.generate(conditions, task, [0])
    own, others = (
        model.pipeline.generate(conditions, task.outputs, [0], replace(model.sampling, attend_to=x))
        for x in ("own", "others")
    )
    assert np.array_equal(ours[Modality.F], own[0][Modality.F])
    assert not np.array_equal(ours[Modality.F], others[0][Modality.F])
