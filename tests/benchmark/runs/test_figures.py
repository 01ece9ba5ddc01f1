"""Drawings of a run: in its folder and on its page, when it is scored and afterwards."""

import base64
import re
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.runs.figures import GAPS, HEADS, MIX
from codixr_bench.runs.later_figures import put_on_page

RUN = ["run", "--task", "T->F+L", "--model", "real", "--limit", "12", "--metrics", "anatomy"]


def figures(folder: Path) -> list[bytes]:
    page = (folder / "report.html").read_text()
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    return [base64.b64decode(one) for one in found]


def test_a_run_with_both_views_shows_what_each_measures(tmp_path, capsys):
    folder = tmp_path / "both"
    assert main([*RUN, "--out", str(folder)]) == 0
    assert figures(folder) == [(folder / "anatomy.svg").read_bytes()]
    page = (folder / "report.html").read_text()
    assert HEADS["anatomy.svg"] in page.replace("&#39;", "'")
    printed = capsys.readouterr().out
    assert "anatomy_agreement" in printed
    assert "anatomy_plausible[F]" in printed


def test_a_drawing_that_comes_later_joins_the_page_and_the_run_stays_finished(tmp_path, capsys):
    folder = tmp_path / "one"
    options = ["--task", "T->F", "--model", "noise", "--limit", "12", "--metrics", "frechet"]
    assert main(["run", *options, "--out", str(folder)]) == 0
    assert figures(folder) == []
    before = (folder / "result.json").read_bytes()
    for name in (GAPS, MIX):
        put_on_page(folder, name, f"<svg>{name}</svg>".encode())
    # In the order of the page, not of coming.
    assert figures(folder) == [b"<svg>mix.svg</svg>", b"<svg>gaps.svg</svg>"]
    capsys.readouterr()
    assert main(["run", *options, "--out", str(folder)]) == 0
    assert "scoring" not in capsys.readouterr().err
    assert (folder / "result.json").read_bytes() == before
    assert len(figures(folder)) == 2
    assert main(["run", *options, "--out", str(folder), "--overwrite"]) == 0
    assert figures(folder) == []


def test_only_a_runs_folder_takes_one(tmp_path):
    with pytest.raises(InputError, match="is not a run's folder"):
        put_on_page(tmp_path / "none", MIX, b"<svg/>")
    with pytest.raises(InputError):
        put_on_page(tmp_path, MIX, b"<svg/>")
    assert not (tmp_path / MIX).exists()
