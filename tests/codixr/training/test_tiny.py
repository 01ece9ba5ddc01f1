"""Every stage of the embedded checkpoint's training, from nothing to a folder that generates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from codixr.modality import Modality
from codixr.model import components
from codixr.model.pipeline import CoDiXRPipeline
from codixr.training import tiny


def denoisers(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    preset = components.load_preset(run)
    return {
        m: components.load_component(preset, f"denoiser_{m.lower()}", run).state_dict()
        for m in Modality
    }


def test_the_stages_make_a_checkpoint_that_generates_and_alignment_trains_its_parts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    before: dict[str, dict[str, torch.Tensor]] = {}
    for stage in tiny.SCHEDULES:
        if stage == "alignment-FT":
            before = denoisers(run)
        tiny.main([stage, "--out", str(run), "--steps", "2", "--limit", "12"])
    after = denoisers(run)
    changed = {
        (name, key.split(".")[0])
        for name, weights in before.items()
        for key, weight in weights.items()
        if not torch.equal(weight, after[name][key])
    }
    assert changed == {("T", "environment")}

    tiny.main(["export", "--out", str(run), "--to", str(tmp_path / "model"), "--limit", "12"])
    pipe = CoDiXRPipeline.from_pretrained(tmp_path / "model")
    result = pipe({"T": "large left pleural effusion."}, "F+L", steps=2)
    assert set(result.images) == {Modality.F, Modality.L}
    assert np.asarray(result.images[Modality.F][0]).std() > 0
