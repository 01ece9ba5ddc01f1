"""Prompt encoders on batches of both views, the paper's way."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from codixr.commands.train import Request, train
from codixr.errors import InputError
from codixr.training import recipes
from codixr.training.stage_config import PromptTraining, contradiction

QUICK = {"steps": "2", "batch": "4", "validate_every": "0", "tracker": "none"}


def request(out: Path, **settings: str) -> Request:
    return Request(
        stage="prompt-encoders",
        preset="tiny",
        data="phantom",
        out=out,
        settings=QUICK | settings,
        limit=12,
        threads=1,
    )


def test_the_option_trains_and_is_what_the_folder_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    train(request(out, views="together"))
    place = out / "stages" / "prompt-encoders"
    assert json.loads((place / "config.json").read_text())["views"] == "together"
    assert set(json.loads((place / "done.json").read_text())["loss"]) == {"loss", "XR", "labels"}
    with pytest.raises(InputError, match="views together, and the command says apart"):
        train(request(out))
    with pytest.raises(InputError, match="one loss of reports and X-rays: give weight_tf and"):
        train(request(tmp_path / "other", views="together", weight_tl="0.1"))


def test_the_papers_preset_has_it_and_a_folder_from_before_did_not() -> None:
    config = recipes.recipe("paper")["prompt-encoders"]
    assert isinstance(config, PromptTraining)
    assert config.views == "together"
    before = asdict(config)
    assert contradiction("prompt-encoders", before, config) is None
    del before["views"]
    found = contradiction("prompt-encoders", before, config)
    assert found is not None
    assert (found.name, found.before, found.now) == ("views", "apart", "together")
    assert found.cure == "--set prompt-encoders.views=apart"
    tiny = recipes.recipe("tiny")["prompt-encoders"]
    assert isinstance(tiny, PromptTraining)
    assert tiny.views == "apart"
