"""The table of parameters: the paper's figures, explained to within one per cent."""

import json

import pytest

from codixr.cli import main
from codixr.model.parameters import Sizes, named_preset, sizes


@pytest.fixture(scope="module")
def paper() -> Sizes:
    return sizes(named_preset("paper"))


def test_every_figure_of_the_paper_is_explained_within_one_per_cent(paper: Sizes) -> None:
    for row in (*paper.rows, paper.total):
        assert row.difference is not None
        assert abs(row.difference) < 1, row.name


def test_the_video_layers_have_the_sizes_of_codi_s_modules(paper: Sizes) -> None:
    video = {row.name: row.video for row in paper.rows}
    assert video["prompt encoders"] / 24 == 12_917_946  # one temporal block of the vision tower
    assert round(video["denoiser of F"] / 1e6) == 617
    assert video["report VAE"] == video["denoiser of T"] == 0


def test_the_table_and_the_json_say_the_same(paper: Sizes) -> None:
    plain = json.loads(paper.as_json())
    assert plain["total"]["parameters"] == sum(c["parameters"] for c in plain["components"])
    assert f"{plain['total']['parameters'] / 1e6:,.2f}" in paper.as_table().splitlines()[-4]


def test_tiny_is_counted_without_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--preset", "tiny", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["total"]["parameters"] < 10_000_000
    assert all(c["paper"] is None and c["video"] == 0 for c in plain["components"])
