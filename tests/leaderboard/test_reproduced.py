"""Who made a row's samples anew, and where its owner says the model is."""

import json
from datetime import date
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.comparing.reproduction import Reproduction, digest
from codixr_bench.result import Result
from codixr_leaderboard.sending import submit
from codixr_leaderboard.standing import Badge, read_reproductions, standing_of
from codixr_leaderboard.submission import read_submission
from helpers.statistics_fakes import drawn_columns, encoded, result_of
from helpers.submission_fakes import result_json

DAY = date(2026, 11, 20)
COLUMNS = drawn_columns()
RESULT = Result.model_validate(result_of(COLUMNS))
CONTENT = encoded(COLUMNS)
REVISION = "0123456789abcdef0123456789abcdef01234567"


def attempt(by: str, equal: int = 64, studies: int = 64) -> Reproduction:
    return Reproduction(
        task="T->F", model_version=RESULT.model.version, statistics_sha256=digest(CONTENT), by=by,
        on=DAY, device="cpu", platform="Linux-x86_64", torch="2.9.0", studies=studies, equal=equal,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attempts", "badge", "differing"),
    [
        ([attempt("cat")], Badge.REPRODUCED, []),
        ([attempt("cat"), attempt("dan", 3)], Badge.REPRODUCED, ["dan"]),
        ([attempt("dan", 3)], Badge.CHECKED, ["dan"]),
        ([attempt("ann")], Badge.CHECKED, []),
        ([attempt("cat", 8, 8)], Badge.CHECKED, []),
        ([attempt("cat", 61)], Badge.REPRODUCED, []),
        ([attempt("cat", 60)], Badge.CHECKED, ["cat"]),
    ],
)
def test_one_equal_attempt_of_somebody_else_gives_the_badge_and_none_takes_it(
    attempts, badge, differing
) -> None:
    standing = standing_of(RESULT, CONTENT, tuple(attempts), "ann")
    assert standing.badge == badge
    assert [one.by for one in standing.differing] == differing


def test_an_attempt_of_more_studies_than_there_are_is_no_badge() -> None:
    many = attempt("cat", 9999, 9999)
    assert standing_of(RESULT, CONTENT, (many,), "ann").badge is Badge.CHECKED


def test_one_attempt_told_often_is_refused() -> None:
    one = attempt("cat", 1)
    content = {"reproductions": [one.model_dump(mode="json")] * 3}
    with pytest.raises(InputError, match="the same attempt twice"):
        read_reproductions(json.dumps(content).encode(), "it")


def send(tmp_path: Path, hub: str | None, **more: object) -> Path:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(result_json("T->F")))
    return submit([file], tmp_path / "r", owner="ann", hub=hub, today=DAY, **more)[0]


def test_a_row_says_where_its_model_is_and_keeps_it(tmp_path: Path) -> None:
    path = send(tmp_path, f"my-lab/xray.v2@{REVISION}")
    hub = read_submission(path).hub
    assert hub is not None
    assert (hub.name, hub.revision) == ("my-lab/xray.v2", REVISION)
    send(tmp_path, None, replace=True)
    assert read_submission(path).hub == hub
    assert main(["site", str(tmp_path / "r"), str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "models" / "phantom-my-model.html").read_text()
    assert f"my-lab/xray.v2 on the Hugging Face hub, revision <code>{REVISION}</code>" in page


@pytest.mark.parametrize(
    "hub",
    [
        "my-lab/xray",
        "my-lab/xray@main",
        f"xray@{REVISION}",
        f"https://evil.example/x@{REVISION}",
        f"../etc/passwd@{REVISION}",
        f"my-lab/xray/more@{REVISION}",
        f"my-lab/<b>@{REVISION}",
        f"my-lab/xr\u00e4y@{REVISION}",
        f"my-lab/xray@{REVISION}\n",
        f"my lab/xray@{REVISION}",
        f"my-lab/xray@{REVISION.upper()}",
        "",
    ],
)
def test_anything_but_a_hub_name_and_a_commit_is_refused(tmp_path: Path, hub: str) -> None:
    with pytest.raises(InputError, match="--hub: OWNER/NAME@REVISION") as error:
        send(tmp_path, hub)
    assert "evil" not in str(error.value)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["my-lab/s50414267", "my-lab/scan-20261120"])
def test_a_hub_name_that_may_be_a_study_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"hub\.name: it looks like an identifier"):
        send(tmp_path, f"{name}@{REVISION}")


@pytest.mark.parametrize(
    "hub",
    [
        "my-lab/xray",
        {"name": "my-lab/xray"},
        {"name": "my-lab/xray", "revision": "main"},
        {"name": "my-lab/xray", "revision": REVISION, "url": "https://evil.example"},
        {"name": "a" * 60 + "/" + "b" * 60, "revision": REVISION},
    ],
)
def test_a_file_with_another_place_is_refused(tmp_path: Path, hub: object, capsys) -> None:
    path = send(tmp_path, None)
    content = json.loads(path.read_text()) | {"hub": hub}
    path.write_text(json.dumps(content))
    assert main(["verify", str(path)]) == 1
    said = capsys.readouterr().out
    assert "hub" in said
    assert "evil" not in said


def test_an_account_that_cant_be_one_is_told_before_any_sample(tmp_path: Path, capsys) -> None:
    path = send(tmp_path, None)
    for account in ("a b", "", "-x", "x" * 40, "<b>"):
        asked = ["reproduce-row", str(path), "--model", "noise", f"--record={account}"]
        assert main(asked) == 2
        assert "an account has up to 39 letters" in capsys.readouterr().err
    assert main(["reproduce-row", str(path), "--model", "noise", "--record", "cat"]) == 2
    assert "is no row of the leaderboard with statistics" in capsys.readouterr().err


@pytest.mark.slow
def test_a_row_is_sent_made_anew_recorded_and_shown_as_reproduced(tmp_path: Path, capsys) -> None:
    run, root = tmp_path / "run", tmp_path / "results"
    asked = ["run", "--task", "L->T", "--model", "noise", "--out", str(run)]
    assert main(asked) == 0
    named = ["--model", "My noise", "--owner", "ann", "--hub", f"ann/noise@{REVISION}"]
    assert main(["submit", str(run), *named, "--to", str(root)]) == 0
    row = root / "phantom" / "my-noise.json"
    again = ["reproduce-row", str(row), "--studies", "20", "--choice", "3", "--model"]
    assert main([*again, "constant", "--record", "dan"]) == 1
    assert main(["verify", str(root)]) == 0
    said = capsys.readouterr().out
    assert "statistics checked; somebody's own samples gave other statistics: L->T" in said
    assert main([*again, "noise", "--record", "cat"]) == 0
    assert main(["verify", str(root)]) == 0
    said = capsys.readouterr().out
    assert "reproduced; somebody's own samples gave other statistics: L->T" in said
    recorded = json.loads((root / "phantom" / "my-noise" / "reproduced.json").read_text())
    assert [(one["by"], one["equal"]) for one in recorded["reproductions"]] == [
        ("dan", 0),
        ("cat", 20),
    ]
    assert {one["device"] for one in recorded["reproductions"]} == {"cpu"}
    assert recorded["reproductions"][0]["torch"][0].isdigit()
    assert main(["site", str(root), str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "models" / "phantom-my-noise.html").read_text()
    assert "Reproduced by cat on" in page
    assert "Warning: a rerun differs, by dan on" in page
