"""`codixr generate`: a warning belongs to its report, and goes when it does."""

import json
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from codixr.cli import main
from codixr.modality import Modality
from codixr.model.familiarity import OutsideTrainingWarning

STRANGE, FAMILIAR = "T: the text has words", ""


class Pipeline:
    """Makes flat pictures and short reports, and warns of what it is told to."""

    size, dtype = 32, torch.float32
    doubt = FAMILIAR
    calls = 0

    @classmethod
    def from_pretrained(cls, folder: Path | None) -> "Pipeline":
        return cls()

    def to(self, *_: Any) -> None: ...

    def set_progress_bar_config(self, **_: Any) -> None: ...

    def __call__(self, *, outputs: str, num_images: int, **_: Any) -> SimpleNamespace:
        type(self).calls += 1
        if self.doubt:
            warnings.warn(self.doubt, OutsideTrainingWarning, stacklevel=2)
        made = [Modality(letter) for letter in outputs.split("+")]
        pictures = {m: [Image.new("L", (32, 32))] * num_images for m in made if m.is_image}
        reports = [f"Report {i}." for i in range(num_images)] if Modality.T in made else None
        return SimpleNamespace(images=pictures, reports=reports)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Pipeline]:
    module = ModuleType("codixr.model.pipeline")
    module.CoDiXRPipeline = Pipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "codixr.model.pipeline", module)
    monkeypatch.setattr(Pipeline, "calls", 0)
    return Pipeline


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A call with or without a doubt; its exit code."""
    frontal = tmp_path / "in.png"
    Image.linear_gradient("L").save(frontal)

    def call(doubt: str, *more: str, to: str = "T") -> int:
        monkeypatch.setattr(Pipeline, "doubt", doubt)
        return main(
            ["generate", "--from", f"F={frontal}", "--to", to, "--out", str(tmp_path / "o"), *more]
        )

    return call


def there(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "o").iterdir())


def test_each_report_has_a_warning_of_its_own(generate: Any, tmp_path: Path) -> None:
    assert generate(STRANGE, "--num", "2") == 0
    names = ["report-0.txt", "report-0.warning.txt", "report-1.txt", "report-1.warning.txt"]
    assert there(tmp_path) == names
    for name in names[1::2]:
        assert STRANGE in (tmp_path / "o" / name).read_text()


@pytest.mark.parametrize("second", [STRANGE + " of another", FAMILIAR])
def test_a_call_beside_other_reports_leaves_their_warnings(
    generate: Any, tmp_path: Path, second: str
) -> None:
    assert generate(STRANGE) == 0
    assert generate(second, "--num", "2", "--overwrite") == 0
    assert (tmp_path / "o" / "report.warning.txt").read_text().endswith(f"{STRANGE}\n")
    assert ("report-0.warning.txt" in there(tmp_path)) == bool(second)


def test_a_report_that_is_replaced_takes_its_warning_along(generate: Any, tmp_path: Path) -> None:
    assert generate(STRANGE, "--num", "3") == 0
    assert generate(FAMILIAR, "--num", "2", "--overwrite") == 0
    kept = ["report-0.txt", "report-1.txt", "report-2.txt", "report-2.warning.txt"]
    assert there(tmp_path) == kept
    assert generate(STRANGE, to="L") == 0  # no report at all
    assert there(tmp_path) == ["L.png", *kept]


def test_a_warning_that_is_there_is_asked_about_as_other_files_are(
    generate: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(STRANGE) == 0
    (tmp_path / "o" / "report.txt").rename(tmp_path / "mine.txt")
    capsys.readouterr()
    assert generate(FAMILIAR) == 2
    assert "already holds report.warning.txt; give another" in capsys.readouterr().err
    assert there(tmp_path) == ["report.warning.txt"]
    assert Pipeline.calls == 1
    assert generate(FAMILIAR, "--overwrite") == 0
    assert there(tmp_path) == ["report.txt"]


@pytest.mark.parametrize("doubt", [STRANGE, FAMILIAR])
def test_a_warning_that_is_a_folder_is_refused_before_anything_is_written(
    generate: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], doubt: str
) -> None:
    (tmp_path / "o" / "report.warning.txt").mkdir(parents=True)
    assert generate(doubt, "--overwrite") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "its report.warning.txt is a folder; give another folder" in line
    assert there(tmp_path) == ["report.warning.txt"]
    assert Pipeline.calls == 0


def test_what_shows_nobody_in_particular_says_so_wherever_doubts_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "doubt", FAMILIAR)
    assert main(["generate", "--to", "L+T", "--out", str(tmp_path / "o"), "--json"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    (line,) = told["warnings"]
    assert "nobody in particular" in line
    assert printed.err.count(line) == 1
    assert told["files"][-1] == str(tmp_path / "o" / "report.warning.txt")
    assert line in (tmp_path / "o" / "report.warning.txt").read_text()
    assert line in Image.open(tmp_path / "o" / "L.png").text["Warning"]  # type: ignore[attr-defined]
