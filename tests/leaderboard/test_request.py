"""Rows have owners: on one machine, and in a pull request read as data against its base branch."""

import copy
import json
from datetime import date
from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_leaderboard.ownership import is_copy, is_reserved, skeleton
from codixr_leaderboard.request import Request, check_request
from codixr_leaderboard.sending import submit
from codixr_leaderboard.submission import read_submission
from helpers.request_repo import DAY, PLACE, Repo, reasons, row
from helpers.submission_fakes import Json, a_result, result_json


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.git("checkout", "-q", "-b", "request")
    return made


def test_a_new_row_is_accepted_and_its_change_told(repo: Repo) -> None:
    repo.write(row("bobs-model", "bob", 0.6))
    report = repo.check()
    assert reasons(report) == ""
    assert report.changes == ["phantom/bobs-model, T→F: fid_phantom new, 16.00"]


def test_an_own_update_is_accepted_and_its_change_told(repo: Repo) -> None:
    repo.write(row("anns-model", "ann", 0.8))
    report = repo.check("ann")
    assert reasons(report) == ""
    assert report.changes == ["phantom/anns-model, T→F: fid_phantom 12.00 → 8.00"]


@pytest.mark.parametrize("owner", ["bob", "ann", None])
def test_a_takeover_is_refused_whatever_owner_it_declares(repo: Repo, owner: str | None) -> None:
    repo.write(row("anns-model", owner, 0.95))
    assert "owner: " in reasons(repo.check("bob"))


def test_a_reference_point_and_its_name_belong_to_the_project(repo: Repo) -> None:
    repo.write(row("real", "bob", 0.95))
    assert "owner: the row is another owner's" in reasons(repo.check("bob"))


@pytest.mark.parametrize(
    "name", ["noise", "N0ise", "rea1", "CoDi_XR", "codi-xr", "constant", "Real.", "CoDi (paper)"]
)
def test_a_reserved_name_is_refused_in_any_spelling(repo: Repo, name: str) -> None:
    assert is_reserved(name)
    repo.write(row(name, "bob", 0.6))
    said = reasons(repo.check("bob"))
    assert "a reference point" in said or "the row is another owner's" in said


@pytest.mark.parametrize(
    "name", ["Anns_Model", "anns model", "ann5-model", "anns-mode1", "ànns-model"]
)
def test_a_name_that_looks_like_anothers_is_refused(repo: Repo, name: str) -> None:
    assert skeleton(name) == skeleton("anns-model")
    repo.write(row(name, "bob", 0.6))
    said = reasons(repo.check("bob"))
    assert "looks like the name of another row" in said or "the row is another owner's" in said


def test_a_row_keeps_its_name(repo: Repo) -> None:
    repo.write(row("Anns Model", "ann", 0.6))
    assert "model: the row is called 'anns-model'" in reasons(repo.check("ann"))


def test_names_that_differ_are_told_apart() -> None:
    for one, other in (("model 1", "model 2"), ("unet-s", "unet-m"), ("papernet", "paper")):
        assert skeleton(one) != skeleton(other)
    assert not is_reserved("PaperNet")
    assert is_reserved("paper net")


def test_a_copy_of_another_row_is_refused_and_one_changed_score_is_none(repo: Repo) -> None:
    repo.write(row("bobs-model", "bob", 0.9))
    assert "a copy" in reasons(repo.check("bob"))
    assert is_copy(a_result(quality=0.9), a_result(model="other", quality=0.9))
    assert not is_copy(a_result(quality=0.9), a_result(quality=0.89))


SPOILT = {
    "a workflow": (lambda r: _put(r, ".github/workflows/x.yml"), "changes other files too"),
    "the checker": (lambda r: _put(r, "leaderboard/codixr_leaderboard/checks.py"), "other files"),
    "a removed row": (lambda r: (r.folder / PLACE / "real.json").unlink(), "removed by the main"),
    "another kind of file": (lambda r: _put(r, f"{PLACE}/x.py"), "only leaderboard/results"),
    "a folder too deep": (lambda r: _put(r, f"{PLACE}/a/x.json"), "only leaderboard/results"),
    "a name with a command": (
        lambda r: _put(r, f"{PLACE}/::error title=x::y.json"), "only leaderboard/results",
    ),
    "a link": (lambda r: (r.folder / PLACE / "x.json").symlink_to("real.json"), "a link"),
    "no JSON": (lambda r: _put(r, f"{PLACE}/x.json"), "not strict JSON"),
    "a bomb": (lambda r: _put(r, f"{PLACE}/x.json", "[" * 999_999), "levels deep"),
    "a huge file": (lambda r: _put(r, f"{PLACE}/x.json", " " * 1_000_001), "bytes"),
    "a future date": (
        lambda r: r.write(row("x", "bob", 0.6, submitted=date(2027, 9, 9))), "a date to come",
    ),
    "an old date": (lambda r: r.write(row("x", "bob", 0.6, submitted=date(2026, 11, 1))), "week"),
    "invented versions": (
        lambda r: r.write(row("x", "bob", 0.6, earlier=(_version("0.9"),))), "no earlier versions",
    ),
}  # fmt: skip


def _put(repo: Repo, path: str, text: str = "x") -> None:
    (repo.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (repo.folder / path).write_text(text)
    repo.write(row("bobs-model", "bob", 0.6))


def _version(version: str, quality: float = 0.5):
    content: Json = result_json("T->F", "x", quality)
    content["model"]["version"] = version
    return a_result().model_validate(content)


@pytest.mark.parametrize("name", SPOILT)
def test_a_request_with_more_than_rows_is_refused(repo: Repo, name: str) -> None:
    spoil, said = SPOILT[name]
    spoil(repo)
    report = repo.check("bob")
    assert said in reasons(report)
    # What a file is called is as hostile as what is in it.
    assert "::error" not in reasons(report)


def test_versions_that_never_stood_in_the_table_are_refused(repo: Repo) -> None:
    def named(result):
        model = result.model.model_copy(update={"name": "anns-model"})
        return result.model_copy(update={"model": model})

    before = row("anns-model", "ann").results[0]
    new = named(_version("2.0", 0.8))
    repo.write(row("anns-model", "ann", results=(new,), earlier=(before,)))
    assert reasons(repo.check("ann")) == ""
    repo.git("checkout", "-q", "-B", "request", "main")
    repo.write(row("anns-model", "ann", results=(new,), earlier=(named(_version("0.1", 0.4)),)))
    assert "never stood in the table" in reasons(repo.check("ann"))


def test_a_request_without_results_is_none_of_its_business(repo: Repo) -> None:
    (repo.folder / "README.md").write_text("better")
    report = repo.check()
    assert not report.problems
    assert not report.changes


def test_the_command_writes_a_report_and_reads_nothing_of_the_request_from_disk(
    repo: Repo, tmp_path: Path, monkeypatch, capsys
) -> None:
    repo.write(row("bobs-model", "bob", 0.6))
    head = repo.commit()
    repo.git("checkout", "-q", "main")
    monkeypatch.chdir(repo.folder)
    out = tmp_path / "report.json"
    asked = ["verify", "--author", "bob", "--opened", f"{DAY}T10:00:00Z", "--report", str(out)]
    assert main([*asked, "--request", f"main..{head}"]) == 0
    assert json.loads(out.read_text()) == {
        "fine": True,
        "changes": ["phantom/bobs-model, T→F: fid_phantom new, 16.00"],
        "checked": ["phantom/bobs-model, T→F: self-reported"],
        "problems": [],
    }
    asked[2] = "eve"
    assert main([*asked, "--request", f"main..{head}"]) == 1
    assert "owner: not the account that opened the request" in capsys.readouterr().out
    for wrong in ("main..nowhere", "main", "--upload-pack=x..main", "main..;id"):
        assert main([*asked, f"--request={wrong}"]) == 2
    assert main(["verify"]) == 2
    with pytest.raises(InputError, match="git rev-parse failed"):
        check_request(tmp_path, Request("main", head, "bob", DAY))


def test_verify_finds_a_copy_beside_it(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "results" / "phantom"
    folder.mkdir(parents=True)
    for one in (row("real", None, 0.9), row("bobs-model", "bob", 0.9)):
        (folder / f"{one.model}.json").write_bytes(one.to_json())
    assert main(["verify", str(tmp_path / "results")]) == 1
    said = capsys.readouterr().out
    assert "real.json' is fine" in said
    assert "bobs-model.json' is refused" in said
    assert main(["verify", str(folder / "bobs-model.json")]) == 1


def test_submit_never_takes_a_row(tmp_path: Path) -> None:
    root = tmp_path / "results"
    file = tmp_path / "result.json"

    def send(model: str, owner: str | None, quality: float = 0.7, **more):
        file.write_text(json.dumps(copy.deepcopy(result_json("T->F", model, quality))))
        return submit([file], root, owner=owner, today=DAY, **more)

    (path,) = send("anns model", "ann")
    before = path.read_bytes()
    for owner in ("bob", None, "codixr"):
        with pytest.raises(InputError, match="is a row of 'ann'"):
            send("anns model", owner, 0.9, replace=True)
    with pytest.raises(InputError, match="--replace puts yours there"):
        send("anns model", "ann", 0.9)
    with pytest.raises(InputError, match="looks like the name of another row"):
        send("Anns mode1", "bob", 0.9)
    for name in ("noise", "CoDi_XR", "paper x"):
        with pytest.raises(InputError, match="a reference point or of a row of the paper"):
            send(name, "bob", 0.9)
    assert path.read_bytes() == before
    assert len(list(root.rglob("*.json"))) == 1
    send("anns model", "ann", 0.9, replace=True)
    assert read_submission(path).owner == "ann"
    send("noise", "codixr", 0.2)


def test_a_files_name_is_no_command_of_a_runner(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "results" / "phantom"
    folder.mkdir(parents=True)
    (folder / "a\n::error title=x::owned.json").write_text("{}")
    (folder / "b\x1b[2J.json").write_text("{}")
    assert main(["verify", str(tmp_path / "results")]) == 1
    said = capsys.readouterr().out
    assert "::" not in said
    assert "\x1b" not in said
    assert said.count("is refused") == 2
