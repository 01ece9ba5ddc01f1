"""`codixr train`: what it refuses before anything is trained."""

from pathlib import Path

import pytest

from codixr import cli
from codixr.commands.train import Request, parse_settings, train
from codixr.errors import InputError

QUICK = {
    "steps": "2",
    "batch": "4",
    "refine_steps": "0",
    "validate_every": "0",
    "tracker": "none",
}


def test_only_the_phantom_has_wordings_of_ours() -> None:
    from codixr.commands.train import chosen_stages
    from codixr.training.prompt_wording import check_data

    both = (Request(stage="all", preset="tiny", data=data) for data in ("phantom", "prepared"))
    stages = [chosen_stages(one) for one in both]
    assert ["prompt-wording" in one for one in stages] == [True, False]
    assert ["prompt-lexicon" in one for one in stages] == [True, False]
    with pytest.raises(InputError, match="give --data phantom"):
        check_data("prompt-wording", "prepared")
    with pytest.raises(InputError, match="--preset paper has no stage prompt-wording"):
        chosen_stages(Request(stage="prompt-wording", preset="paper"))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"stage": "report-ldm"}, "report-ldm needs report-vae.* train report-vae .* --limit 12`"),
        ({"stage": "alignment"}, r"alignment-F\+L needs .*first `codixr train"),
        ({"stage": "image-vae", "preset": "paper"}, "keeps Stable Diffusion's image VAE"),
        ({"stage": "report-vae", "preset": "paper"}, "starts from pretrained parts.*--init"),
        ({"stage": "report-vae", "view": "F"}, "--view F belongs to image-ldm"),
        ({"settings": {"stepz": "2"}}, "--set stepz=2: no stage .* has 'stepz'"),
        ({"settings": {"steps": "two"}}, "--set steps=two: give a whole number"),
        ({"settings": {"steps": "0"}}, "--set steps=0: give a whole number from 1 .*, or none"),
        ({"settings": {"steps": "none"}}, "give steps or epochs, above 0"),
        ({"settings": {"clip": "-1"}}, "--set clip=-1: give a number above 0"),
        ({"settings": {"meanings": "0"}}, "--set meanings=0: give a whole number from 1 "),
        ({"settings": {"own_share": "2"}}, "--set own_share=2: give a number from 0 to 1$"),
        ({"settings": {"cache": "false"}}, "image-ldm-F: .*give cache=true, or wordings=0"),
        ({"settings": {"condition_mix": "some"}}, "use text-only or all-subsets"),
        (
            {"stage": "prompt-encoders", "settings": {"accumulate": "2"}},
            "accumulate is 2, but .* it would lose negatives",
        ),
        ({"data": "nowhere"}, "--data nowhere: no such folder"),
    ],
)
def test_what_cannot_be_trained_says_why_and_what_to_do(
    tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    values: dict[str, object] = {
        "stage": "all",
        "preset": "tiny",
        "data": "phantom",
        "out": tmp_path / "new",
        "settings": QUICK,
        "limit": 12,
        "threads": 1,
    }
    with pytest.raises(InputError, match=match):
        train(Request(**(values | changes)))  # type: ignore[arg-type]


def test_settings_need_an_equals_sign() -> None:
    assert parse_settings(["steps=3", "image-ldm.ema=0"]) == {"steps": "3", "image-ldm.ema": "0"}
    with pytest.raises(InputError, match="write KEY=VALUE"):
        parse_settings(["steps"])


def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "all", "--preset", "tiny", "--data", "nowhere", "--out", str(tmp_path / "x")]
    assert cli.main(words) == 2
    assert capsys.readouterr().err.splitlines() == [
        "codixr train: error: --data nowhere: no such folder; give 'phantom' or a prepared data set"
    ]
    assert not (tmp_path / "x").exists()


def test_processes_that_would_each_train_alone_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"2 processes were started .*ACCELERATE_USE_CPU=true"):
        train(Request(stage="all", preset="tiny", data="phantom", out=tmp_path / "x", limit=12))
    assert not (tmp_path / "x").exists()
