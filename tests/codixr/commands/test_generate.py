"""`codixr generate` with the real pipeline and the checkpoint in the package, on a real chest."""

import json
from pathlib import Path

import data_store  # the package pydicom-data
import numpy as np
import pytest
from PIL import Image

from codixr.cli import main
from codixr.model import checkpoint_info as info

SCAN = Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm"
EMBEDDED = Path(info.__file__).parent.parent / "assets" / "tiny"

pytestmark = pytest.mark.skipif(
    not (EMBEDDED / "model_index.json").is_file(), reason="no embedded checkpoint yet"
)


def generate(out: Path, *more: str) -> int:
    return main(["generate", "--out", str(out), "--steps", "4", *more])


def test_a_dicom_file_becomes_the_other_view_and_a_report(tmp_path, capsys):
    assert generate(tmp_path / "a", "--from", f"L={SCAN}", "--to", "F+T", "--seed", "3") == 0
    printed = capsys.readouterr()
    names = ("F.png", "report.txt", "report.warning.txt")  # a real film is outside the training
    assert printed.out.split() == [str(tmp_path / "a" / name) for name in names]
    picture = np.asarray(Image.open(tmp_path / "a" / "F.png"))
    assert picture.shape == (64, 64)
    assert picture.std() > 5
    assert (tmp_path / "a" / "report.txt").read_text().strip()


def test_a_text_that_is_cut_is_told_of_and_what_is_written_says_so(tmp_path, capsys):
    text = "Small left effusion. " * 200
    assert generate(tmp_path, "--from", f"T={text}", "--to", "F", "--steps", "1", "--json") == 0
    printed = capsys.readouterr()
    (line,) = json.loads(printed.out)["warnings"]
    assert "the model reads 128: the rest" in line
    assert f"codixr generate: note: {line}" in printed.err
    assert printed.err.count("is left out") == 1
    assert line in Image.open(tmp_path / "F.png").text["Warning"]


def test_files_of_another_call_are_named(tmp_path, capsys):
    source = ("--from", "T=Large left pleural effusion.", "--to")
    (tmp_path / "L-side.png").write_bytes(b"")  # not a name of ours
    assert generate(tmp_path, *source, "F") == 0
    assert "of another call" not in capsys.readouterr().err
    assert generate(tmp_path, *source, "L") == 0
    assert "also holds F.png of another call" in capsys.readouterr().err
    inputs = ("--from", f"F={tmp_path / 'F.png'}", "--from", f"L={tmp_path / 'L.png'}")
    assert generate(tmp_path, *inputs, "--to", "T") == 0
    assert "of another call" not in capsys.readouterr().err  # they are this patient's
    for k in range(5):
        (tmp_path / f"F-{k}.png").write_bytes(b"")
    assert generate(tmp_path, *inputs, "--to", "T", "--overwrite") == 0
    told = capsys.readouterr().err
    assert "also holds F-0.png, F-1.png, F-2.png and 2 more of another call" in told


def test_what_is_written_carries_what_was_warned_of(tmp_path, capsys):
    source = ("--from", "T=Acute left rib fracture.", "--to", "F")
    assert generate(tmp_path / "a", *source, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    (line,) = told["warnings"]
    assert "not drawn" in line
    assert "fracture" not in line
    carried = Image.open(tmp_path / "a" / "F.png").text["Warning"]
    assert line in carried
    assert "simulated" in carried
    assert generate(tmp_path / "b", "--from", f"F={SCAN}", "--to", "T") == 0
    assert "report.warning.txt" in capsys.readouterr().out
    beside = (tmp_path / "b" / "report.warning.txt").read_text(encoding="utf-8")
    assert "not look like this checkpoint's training pictures" in beside
    own = ("--from", f"F={tmp_path / 'a' / 'F.png'}", "--to", "T", "--json", "--overwrite")
    assert generate(tmp_path / "b", *own) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []
    assert not (tmp_path / "b" / "report.warning.txt").exists()


def test_the_seed_decides_the_sample(tmp_path):
    source = ("--from", "T=Large left pleural effusion.", "--to", "F")
    for name, seed, num in (("a", "5", "1"), ("b", "5", "2"), ("c", "6", "1")):
        assert generate(tmp_path / name, *source, "--seed", seed, "--num", num) == 0
    a, b0, b1, c = (
        np.asarray(Image.open(tmp_path / path), dtype=int)
        for path in ("a/F.png", "b/F-0.png", "b/F-1.png", "c/F.png")
    )
    assert np.abs(a - b0).max() <= 1
    assert np.abs(b1 - c).max() <= 1  # sample k has the seed plus k
    assert np.abs(a - c).max() > 1


def test_info_and_the_pipeline_agree_on_the_digest():
    from codixr.model.pipeline import CoDiXRPipeline

    told = info.describe(EMBEDDED)
    assert told.sha256 == CoDiXRPipeline.from_pretrained(EMBEDDED).sha256
    assert told.bytes <= 20e6  # the promise of the issue


def test_guidance_between_no_noises_is_no_guidance(tmp_path):
    text = ("--from", "T=small left pleural effusion.", "--to", "F")
    settings = {"a": ("--guidance", "1"), "b": ("--guidance-interval", "0,0"), "c": ()}
    for name, options in settings.items():
        assert generate(tmp_path / name, *text, *options) == 0
    made = {name: (tmp_path / name / "F.png").read_bytes() for name in settings}
    assert made["a"] == made["b"] != made["c"]
