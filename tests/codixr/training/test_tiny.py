"""Every stage of the embedded checkpoint's training, from nothing to a folder that generates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from codixr.modality import Modality
from codixr.model import components
from codixr.model.pipeline import CoDiXRPipeline
from codixr.training import tiny


def test_the_stages_make_a_checkpoint_that_generates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    for stage in tiny.SCHEDULES:
        tiny.main([stage, "--out", str(run), "--steps", "2", "--limit", "12"])
    tiny.main(["export", "--out", str(run), "--to", str(tmp_path / "model"), "--limit", "12"])
    pipe = CoDiXRPipeline.from_pretrained(tmp_path / "model")
    result = pipe({"T": "large left pleural effusion."}, "F+L", steps=2)
    assert set(result.images) == {Modality.F, Modality.L}
    assert np.asarray(result.images[Modality.F][0]).std() > 0


def test_alignment_trains_environment_parts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    for stage in ("image-vae", "prompt-encoders", "image-ldm-F", "image-ldm-L", "report-vae"):
        tiny.main([stage, "--out", str(run), "--steps", "1", "--limit", "8"])
    tiny.main(["report-ldm", "--out", str(run), "--steps", "1", "--limit", "8"])
    preset = components.load_preset(run)

    def weights(name: str) -> dict[str, torch.Tensor]:
        return components.load_component(preset, name, run).state_dict()

    before = {name: weights(f"denoiser_{name}") for name in "flt"}
    tiny.main(["alignment-FT", "--out", str(run), "--steps", "2", "--limit", "8"])
    after = {name: weights(f"denoiser_{name}") for name in "flt"}
    changed = {
        (name, key.split(".")[0])
        for name in "flt"
        for key in before[name]
        if not torch.equal(before[name][key], after[name][key])
    }
    assert changed == {("t", "environment")}
