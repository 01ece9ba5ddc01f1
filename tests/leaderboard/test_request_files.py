"""What a pull request puts beside rows: statistics, and attempts to reproduce them."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.comparing.reproduction import digest
from codixr_bench.result import Result
from helpers.request_repo import DAY, PLACE, Repo, reasons, row
from helpers.statistics_fakes import drawn_columns, encoded, result_of
from helpers.submission_fakes import Json


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repo")
    made.git("checkout", "-q", "-b", "request")
    return made


COLUMNS = drawn_columns()
PARQUET = PLACE / "bobs-model" / "T-to-F.parquet"


def with_statistics(repo: Repo, seed: int = 0, owner: str = "bob") -> Path:
    """Bob's row of drawn statistics, and beside it those of a draw of one's choice."""
    content = Result.model_validate(result_of(COLUMNS, "bobs-model"))
    repo.write(row("bobs-model", owner, results=(content,)))
    path = repo.folder / PARQUET
    path.parent.mkdir()
    path.write_bytes(encoded(drawn_columns(seed)))
    return path


def test_a_row_comes_with_its_statistics(repo: Repo) -> None:
    with_statistics(repo)
    assert reasons(repo.check()) == ""


def test_statistics_of_other_samples_are_refused(repo: Repo) -> None:
    with_statistics(repo, seed=1)
    assert f"{PARQUET}: scores.auroc_micro.value: its statistics give" in reasons(repo.check())


def of_other_studies() -> dict[str, np.ndarray]:
    """The same values study by study, of studies in another order: every score is the same."""
    return {name: np.roll(column, 7) for name, column in COLUMNS.items()}


@pytest.mark.parametrize("name", ["real", "anns-model"])
def test_statistics_of_other_studies_are_refused_in_a_request(repo: Repo, name: str) -> None:
    repo.git("checkout", "-q", "main")
    owner = None if name == "real" else "ann"
    first = Result.model_validate(result_of(drawn_columns(2), name))
    repo.write(row(name, owner, results=(first,)))
    beside = repo.folder / PLACE / name / "T-to-F.parquet"
    beside.parent.mkdir()
    beside.write_bytes(encoded(drawn_columns(2)))
    repo.commit("the first row's statistics")
    repo.git("checkout", "-q", "-B", "request")
    path = with_statistics(repo)
    assert reasons(repo.check()) == ""
    repo.git("checkout", "-q", "-B", "request", "main")
    path.parent.mkdir(exist_ok=True)
    # An older date doesn't make a request's row the one that the base's are held against.
    content = Result.model_validate(result_of(COLUMNS, "bobs-model"))
    repo.write(row("bobs-model", "bob", results=(content,), submitted=DAY - timedelta(days=3)))
    path.write_bytes(encoded(of_other_studies()))
    assert "'classification.label.Edema' is not that of these studies" in reasons(repo.check())


def test_statistics_of_anothers_row_are_refused(repo: Repo) -> None:
    path = repo.folder / PLACE / "anns-model" / "T-to-F.parquet"
    path.parent.mkdir()
    path.write_bytes(encoded(COLUMNS))
    assert "owner: the statistics of another owner's row" in reasons(repo.check("bob"))


def test_statistics_of_no_row_and_of_no_task_are_refused(repo: Repo) -> None:
    path = with_statistics(repo)
    path.with_name("F-to-T.parquet").write_bytes(encoded(COLUMNS))
    orphan = repo.folder / PLACE / "nobody" / "T-to-F.parquet"
    orphan.parent.mkdir()
    orphan.write_bytes(encoded(COLUMNS))
    said = reasons(repo.check())
    assert "the row has no result that these are of" in said
    assert "statistics of no row that is accepted" in said


def test_an_owner_removes_statistics_of_a_result_that_is_gone(repo: Repo) -> None:
    path = with_statistics(repo)
    extra = path.with_name("F-to-T.parquet")
    extra.write_bytes(encoded(COLUMNS))
    repo.git("checkout", "-q", "main")
    repo.commit("bob's row, with a file too many")
    repo.git("checkout", "-q", "-B", "request")
    extra.unlink()
    assert reasons(repo.check("bob")) == ""
    repo.git("checkout", "-q", "-B", "request", "main")
    path.unlink()
    assert "owner: the statistics of another owner's row" in reasons(repo.check("eve"))


def test_a_link_in_the_place_of_statistics_is_refused(repo: Repo) -> None:
    path = with_statistics(repo)
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert "a link, or a file that can be run" in reasons(repo.check())


def attempt(by: str, equal: int = 64) -> Json:
    return {
        "task": "T->F", "model_version": "1.0",
        "statistics_sha256": digest(encoded(COLUMNS)), "by": by, "on": "2026-11-20",
        "device": "cpu", "studies": 64, "equal": equal,
    }  # fmt: skip


@pytest.mark.parametrize(("on", "said"), [("2026-11-01", "within a week"), ("2027-11-20", "come")])
def test_an_attempt_of_another_day_is_refused(repo: Repo, on: str, said: str) -> None:
    path = with_statistics(repo)
    repo.git("checkout", "-q", "main")
    repo.commit("bob's row")
    repo.git("checkout", "-q", "-B", "request")
    content = {"reproductions": [attempt("cat") | {"on": on}]}
    path.with_name("reproduced.json").write_text(json.dumps(content))
    assert said in reasons(repo.check("cat"))


@pytest.mark.parametrize(
    ("by", "author", "said"),
    [
        ("cat", "cat", ""),
        ("cat", "dan", "by: not the account that opened the request"),
        ("bob", "bob", "by: the row's owner; somebody else has to make the samples"),
    ],
)
def test_an_attempt_is_of_the_account_that_opened_the_request(repo, by, author, said) -> None:
    path = with_statistics(repo)
    repo.git("checkout", "-q", "main")
    repo.commit("bob's row")
    repo.git("checkout", "-q", "-B", "request")
    content = {"reproductions": [attempt(by)]}
    path.with_name("reproduced.json").write_text(json.dumps(content))
    told = reasons(repo.check(author))
    assert said in told
    assert bool(said) == bool(told)
