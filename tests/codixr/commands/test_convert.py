"""`codixr convert` from files to a folder that the other commands take."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.cli import main
from codixr.model.pipeline import CoDiXRPipeline
from helpers.codi_release import WORDS, convert_by_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_by_command(tmp_path_factory.mktemp("codi"), WORDS)


def test_the_record_counts_what_was_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((folder / "conversion.json").read_text())
    assert main(["info", "--checkpoint", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    parts = {part["name"]: part["parameters"] for part in shown["components"]}
    pipe = CoDiXRPipeline.from_pretrained(folder)
    assert sum(parts.values()) == record["parameters"]
    sizes = {n: sum(p.numel() for p in m.parameters()) for n, m in pipe.modules.items()}
    assert parts == sizes | {"report_vae": sizes["report_vae"] + 1}  # and the latents' scale
    assert record["made_new"] == []


def test_the_folder_generates_every_kind_of_output(folder: Path, tmp_path: Path) -> None:
    source = ["--from", f"T={WORDS[3]} {WORDS[4]}", "--checkpoint", str(folder), "--steps", "2"]
    assert main(["generate", *source, "--to", "F+L", "--out", str(tmp_path / "a")]) == 0
    views = [np.asarray(Image.open(tmp_path / "a" / f"{view}.png")) for view in "FL"]
    assert all(view.shape == (64, 64) and view.std() > 0 for view in views)
    picture = ["--from", f"F={tmp_path / 'a' / 'F.png'}", "--checkpoint", str(folder)]
    made = ["generate", *picture, "--steps", "2", "--to", "T", "--out", str(tmp_path / "b")]
    assert main(made) == 0
    known = {*WORDS, "<|endoftext|>"}
    assert set((tmp_path / "b" / "report.txt").read_text().split()) <= known


def test_a_vocabulary_of_another_size_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(path) for path in sorted(folder.parent.glob("*.pth"))]
    vocabularies = [
        part
        for name in ("clip", "bert", "gpt2")
        for part in (f"--{name}-tokenizer", str(folder.parent / name))
    ]
    out = tmp_path / "out"
    assert main(["convert", *files, "--to", str(out), *vocabularies]) == 2  # the paper's sizes
    assert "has 68 tokens, the model 49,408" in capsys.readouterr().err
    assert not out.exists()
