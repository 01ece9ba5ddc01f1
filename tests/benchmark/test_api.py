"""One Python call: the same code and files as the command, for names, objects and functions."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import codixr_bench
from codixr.errors import InputError
from codixr_bench import compare, evaluate, load_result
from codixr_bench.api import Results
from codixr_bench.cli import main
from codixr_bench.runs.crash import ModelError
from helpers.bench_fakes import contents

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that lie beside would be shown as a scale."""
    monkeypatch.chdir(tmp_path)


def grey(conditions: Any, seed: int) -> np.ndarray:
    """A flat picture, as bright as its study's seed says."""
    level = np.random.default_rng(seed).random()
    return np.full((64, 64), level)


@pytest.fixture(scope="module")
def found() -> Results:
    return evaluate(grey, "L->F", limit=16, progress=False)


def test_the_call_leaves_the_files_of_the_command(tmp_path: Path) -> None:
    words = ["run", "--task", "F->T", "--model", "noise", "--limit", "12", "--out", "a"]
    assert main(words) == 0
    results = evaluate("noise", "F->T", limit=12, out="b")
    assert results.folder == Path("b")
    ours, theirs = contents(tmp_path / "b"), contents(tmp_path / "a")
    assert sorted(ours) == sorted(theirs)
    for name in theirs:
        if name not in ("result.json", "scored.json"):
            assert ours[name] == theirs[name], name
    one, other = (json.loads(files["result.json"]) for files in (ours, theirs))
    assert {k: v for k, v in one.items() if k not in ("timings", "code")} == {
        k: v for k, v in other.items() if k not in ("timings", "code")
    }


def test_a_function_is_a_model_and_shows_itself(found: Results, tmp_path: Path) -> None:
    frame = found.to_frame()
    row = frame[frame["score"] == "fid_phantom"].iloc[0]
    assert row["model"] == "grey"
    assert row["low"] <= row["value"] <= row["high"]
    assert row["n"] == 16
    assert "fid_phantom" in found.table()
    assert max(map(len, found.table().splitlines())) <= 80
    assert found["L-to-F"].score("fid_phantom") is not None
    assert found.grid().width > 64
    html = found._repr_html_()
    assert "fid_phantom" in html
    assert "data:image/png;base64," in html
    kept = found.save(tmp_path / "kept")
    assert load_result(kept) == next(iter(found))
    with pytest.raises(InputError, match="is there already"):
        found.save(kept)


def test_two_results_are_compared_study_by_study(found: Results) -> None:
    other = evaluate("noise", "L->F", limit=16, progress=False)
    compared = compare(found, other.folder)
    frame = compared.to_frame().set_index("score")
    assert frame["paired"].all()
    row = frame.loc["fid_phantom"]
    assert row["difference"] == pytest.approx(row["first"] - row["second"])
    assert row["low"] <= row["difference"] <= row["high"]
    assert "fid_phantom" in repr(compared)


def test_a_function_may_make_reports_from_what_it_is_given() -> None:
    seen = []

    def write(conditions: Any) -> str:
        seen.append({str(modality): np.shape(part) for modality, part in conditions.items()})
        return "No acute disease."

    results = evaluate(write, "F+L->T", limit=3, metrics="bleu,rouge", name="mine", progress=False)
    assert {score.name for score in next(iter(results)).scores} >= {"bleu_1", "rouge_l"}
    assert seen[0] == {"F": (1, 64, 64), "L": (1, 64, 64)}
    assert next(iter(results)).model.name == "mine"


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (lambda _: np.zeros((32, 32)), InputError, r"shape \[1, 32, 32\], not \[1, 64, 64\]"),
        (lambda _: "text", InputError, "is a str, not a NumPy array"),
        (lambda _: 1 / 0, ModelError, "position 0: ZeroDivisionError"),
        (3, InputError, "a int is not a name of"),
        ("nois", InputError, "did you mean 'noise'"),
    ],
    ids=["size", "kind", "crash", "number", "name"],
)
def test_a_wrong_model_is_told_in_words(model: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        evaluate(model, "L->F", limit=2, progress=False)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, codixr_bench\n"
        "heavy = {'torch', 'numpy', 'pandas', 'pydantic', 'rich'} & set(sys.modules)\n"
        "print(sorted(heavy), 'evaluate' in dir(codixr_bench))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        _ = codixr_bench.evaluat


def test_the_example_in_the_documents_runs() -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    exec(script, {})


PAGE = ROOT / "docs" / "python.md"
