"""`tests/perf/ablation.py`, small: from the embedded checkpoint to a table, killed on the way."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from helpers.processes import killed

NUMBER = r"[-+]?[\d,]+\.\d+"
NUMBERS = rf"{NUMBER} \[{NUMBER}, {NUMBER}\]"


def script() -> ModuleType:
    path = Path(__file__).parents[2] / "perf" / "ablation.py"
    spec = importlib.util.spec_from_file_location("ablation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_an_ablation_that_was_killed_goes_on_to_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    ablation, out = script(), tmp_path / "out"
    words = ["condition_mix", f"--out={out}", "--steps=2", "--limit=16", "--train-limit=8"]
    words += ["--set=batch=4", "--set=save_every=0", "--task=T->F"]
    begun = out / "all-subsets" / "stages" / "image-ldm-F" / "checkpoints" / "step-00000001.pt"
    killed(ablation.main, words, sign=begun, delay=0.0)
    half = out / "all-subsets" / ".report_vae.part"
    half.mkdir()
    (half / "leftover").touch()
    assert ablation.main(words) == 0
    printed = capsys.readouterr()
    assert "image-ldm-L: finished already (2 steps)" in printed.err  # of text-only
    assert "image-ldm-F: going on from step 1" in printed.err
    head, _, *lines = printed.out.splitlines()
    assert head == "| task | score | text-only | all-subsets | all-subsets − text-only |"
    assert [line.split(" | ")[1] for line in lines] == ["auroc_macro ↑", "fid_phantom ↓"]
    assert all(len(re.findall(NUMBERS, line)) == 3 for line in lines), lines
    assert not list(out.rglob("leftover"))
    assert ablation.main(words) == 0
    again = capsys.readouterr()
    assert again.out == printed.out
    assert "scoring" not in again.err


def test_a_folder_without_a_whole_checkpoint_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["condition_mix", f"--out={tmp_path / 'out'}", "--steps=2", f"--run={tmp_path}"]
    assert script().main(words) == 2
    assert f"--run {tmp_path}: holds no whole checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
