"""The notebooks run from top to bottom, and are stored without what they print."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[str]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def run(name: str, folder: Path, monkeypatch) -> tuple[dict, list]:
    """Every code cell, in order, in an empty folder: the names, and what each cell shows."""
    monkeypatch.chdir(folder)
    names: dict = {}
    shown = []
    for source in cells(FOLDER / f"{name}.ipynb", "code"):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), name, "eval"), names))
    return names, shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["cells"][0]["cell_type"] == "markdown"
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.slow
def test_three_models_are_evaluated_framed_compared_and_drawn(tmp_path, monkeypatch):
    names, shown = run("three-models", tmp_path, monkeypatch)
    wide = names["wide"]
    assert set(wide.columns) == {"codixr", "noise", "brighter"}
    assert wide.loc["fid_phantom", "codixr"] < wide.loc["fid_phantom", "brighter"]
    found = names["differences"].set_index("score")
    assert found.loc["fid_phantom", "high"] < 0
    page = shown[0]._repr_html_()
    assert "<table" in page
    assert "data:image/png" in page
    assert names["grid"].width > 64
    assert {"result.json", "statistics.parquet", "grid.png"} <= set(shown[-1])


@pytest.mark.slow
def test_sentences_become_pictures_and_reports_again(tmp_path, monkeypatch):
    names, shown = run("sentences", tmp_path, monkeypatch)
    assert names["sheet"].size == (4 * 64, 2 * 64)
    assert names["effusion"].count(1) >= 3
    light, _, heavy = (np.asarray(picture, dtype=float) for picture in names["both"])
    assert np.abs(heavy - light).mean() > 1  # the weights change the picture
    assert len(shown) == 5
