"""A picture in colours is the same grey picture, with the same note, for all four commands."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from codixr.cli import main as codixr
from codixr.data.openi_pictures import plan_openi
from codixr.data.prepared import PreparedDataset
from codixr.data.shards import prepare
from codixr_bench.cli import main as bench
from helpers.openi_download import write_download

SIDE = 64
NOTE = "is in colours: its luminance is taken"
COLOURS = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
GREY = COLOURS.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255
"""ITU-R 601, [8, 64, 64] in [0, 1]."""


def folders(root: Path) -> tuple[Path, Path]:
    """The pictures in colours, and their luminance as 16 bits."""
    colours, grey = root / "colours", root / "grey"
    for folder in (colours, grey):
        (folder / "F").mkdir(parents=True)
    for place in range(len(COLOURS)):
        Image.fromarray(COLOURS[place]).save(colours / "F" / f"{place}.png")
        deep = np.rint(GREY[place] * 65535).astype(np.uint16)
        Image.fromarray(deep).save(grey / "F" / f"{place}.png")
    return colours, grey


def test_fid_takes_the_luminance_with_a_note(tmp_path, capsys):
    colours, grey = folders(tmp_path)
    arguments = ["--backbone", "phantom", "--json"]
    assert bench(["fid", str(colours), str(grey), *arguments]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["scores"][0]["value"] == pytest.approx(0, abs=1e-3)
    assert f"8 of 8 pictures: {NOTE}" in shown.err


def test_score_takes_the_luminance_with_a_note(tmp_path, capsys):
    values = []
    for folder in folders(tmp_path):
        arguments = ["--task", "T->F", "--limit", "8", "--metrics", "fid_phantom", "--json"]
        out = ["--out", str(tmp_path / f"out-{folder.name}")]
        assert bench(["score", "--samples", str(folder), *arguments, *out]) == 0
        shown = capsys.readouterr()
        assert (f"8 pictures: {NOTE}" in shown.err) is (folder.name == "colours")
        values.append(json.loads(shown.out)["scores"][0]["value"])
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_generate_takes_the_luminance_with_a_note(tmp_path, capsys, monkeypatch):
    taken = []

    class Pipeline:
        size = SIDE
        dtype = torch.float32

        @classmethod
        def from_pretrained(cls, folder):
            return cls()

        def to(self, device, dtype):
            pass

        def set_progress_bar_config(self, **options):
            pass

        def __call__(self, **call):
            taken.append(call)
            return SimpleNamespace(images={}, reports=["Clear."])

    module = ModuleType("codixr.model.pipeline")
    module.CoDiXRPipeline = Pipeline
    monkeypatch.setitem(sys.modules, "codixr.model.pipeline", module)
    colours, _ = folders(tmp_path)
    arguments = ["--from", f"F={colours / 'F' / '0.png'}", "--to", "T"]
    assert codixr(["generate", *arguments, "--out", str(tmp_path / "out")]) == 0
    assert f"0.png: {NOTE}" in capsys.readouterr().err
    picture = taken[0]["inputs"]["F"]
    np.testing.assert_allclose(picture[0], GREY[0], atol=1e-5)


def test_prepare_takes_the_luminance_with_a_note(tmp_path):
    write_download(tmp_path)
    scan = tmp_path / "pictures" / "9001" / "CXR9001_1_IM-0001-1001.png"
    assert scan.is_file()
    Image.fromarray(COLOURS[0]).save(scan)
    plan = plan_openi(tmp_path / "pictures", SIDE, archive=tmp_path / "NLMCXR_reports.tgz")
    manifest = prepare(plan, tmp_path / "data", quiet=True)
    assert manifest.notes[NOTE] == 1
    dataset = PreparedDataset(tmp_path / "data", "test")
    [study] = [s for s in map(dataset.__getitem__, range(len(dataset))) if s.study_id == "CXR9001"]
    np.testing.assert_allclose(study.frontal[0], GREY[0], atol=1e-4)
