"""Scores that are a submitter's word in a row whose statistics are checked: shown apart."""

import copy
import csv
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from codixr_bench.cli import main
from codixr_bench.comparing.reproduction import Reproduction, digest
from codixr_bench.result import Result
from codixr_bench.statistics.effective_draws import ratio_interval
from codixr_leaderboard import ranking, site, table
from codixr_leaderboard.sending import submit
from codixr_leaderboard.standing import Badge, Standing, standing_of
from codixr_leaderboard.stated import silences
from codixr_leaderboard.studies import Studies
from codixr_leaderboard.submission import Submission
from helpers.committed_rows import committed
from helpers.request_repo import PLACE, Repo
from helpers.statistics_fakes import Columns, drawn_columns, encoded, result_of, with_features
from helpers.submission_fakes import Json, N, submission

DAY = date(2026, 11, 20)
TASK = "T->F"
MADE_UP = ("copies_image", "copies_of_test_image", "copies_altered_image",
           "copies_of_test_altered_image", "repeats_image", "authpct")  # fmt: skip
COMPARED = ("image_attribute_f1_zone", "anatomy_plausible")
UNCHECKED = "diversity_vendi"
TAKEN = (*MADE_UP, *COMPARED, UNCHECKED)
NONE = ratio_interval(np.zeros(N), np.ones(N))
"""The interval of none of 2,000 yes-or-no answers."""
REAL = with_features(drawn_columns(3), seed=3)
MINE = with_features(drawn_columns(), REAL)


def side(model: str, columns: Columns, name: str) -> tuple[Json, Columns]:
    """A drawn row with a committed row's searched and network scores, whatever its pictures are."""
    result, given = committed(model, TASK)
    content = result_of(columns, name)
    content["scores"] += [
        json.loads(one.model_dump_json()) for one in result.scores if one.name in TAKEN
    ]
    leads = ("image_attributes.zone.", "anatomy_plausible.", *(f"{one}.pseudo" for one in TAKEN))
    return content, columns | {n: np.asarray(c) for n, c in given.items() if n.startswith(leads)}


def made_up() -> tuple[Json, Columns]:
    """No copies and no repeats, in every column: nothing contradicts it."""
    content, columns = side("codixr", MINE, "my-model")
    for score in content["scores"]:
        if score["name"] in MADE_UP and score["name"] != "authpct" and score["n"] == N:
            score["value"], score["ci95"] = 0.0, list(NONE)
            columns[f"{score['name']}.pseudovalue"] = np.zeros(N)
    return content, columns


def standing(*attempts: Reproduction) -> Standing:
    content, columns = made_up()
    real, theirs = side("real", REAL, "real")
    row = Submission(model="real", submitted=DAY, results=(Result.model_validate(real),))
    beside = Studies([(row, lambda _: encoded(theirs))])
    return standing_of(
        Result.model_validate(content), encoded(columns), attempts, "ann", studies=beside
    )


def sent(tmp_path: Path) -> Path:
    """Both rows where the leaderboard reads them."""
    root = tmp_path / "results"
    for name, owner, (content, columns) in (
        ("real", "codixr", side("real", REAL, "real")),
        ("my-model", "ann", made_up()),
    ):
        run = tmp_path / name
        run.mkdir()
        Result.model_validate(content).save(run / "result.json")
        (run / "statistics.parquet").write_bytes(encoded(columns, store_schema=True))
        submit([run], root, owner=owner, today=DAY)
    return root


def test_made_up_answers_pass_and_are_the_submitters_word() -> None:
    known = standing()
    assert known.badge is Badge.CHECKED
    assert set(known.bounded) == {*MADE_UP, *COMPARED}
    assert known.unchecked == (UNCHECKED,)
    assert set(known.stated) == set(TAKEN)
    assert dict(known.silences) == {
        "copies": ("copies_image", "copies_altered_image"),
        "copies_of_test": ("copies_of_test_image", "copies_of_test_altered_image"),
        "collapse": ("repeats_image", UNCHECKED),
    }


def test_a_rerun_vouches_for_what_it_compared_and_for_nothing_else() -> None:
    content = encoded(made_up()[1])
    attempt = Reproduction(
        task=TASK, model_version="1.0", statistics_sha256=digest(content), by="cat", on=DAY,
        device="cpu", studies=64, equal=64,
    )  # fmt: skip
    known = standing(attempt)
    assert known.badge is Badge.REPRODUCED
    assert set(known.remade) == set(COMPARED)
    assert set(known.stated) == {*MADE_UP, UNCHECKED}
    assert [code for code, _ in known.silences] == ["copies", "copies_of_test", "collapse"]
    for by in ("ann", "Ann"):
        assert standing(attempt.model_copy(update={"by": by})).remade == ()


def test_what_pages_verify_and_comment_say_of_it(tmp_path: Path, capsys) -> None:
    root = sent(tmp_path)
    row = root / "phantom" / "my-model.json"
    assert main(["verify", str(row)]) == 0
    said = capsys.readouterr().out
    assert "  statistics checked: T->F\n" in said
    assert f"    7 scores recomputed, {len(TAKEN) - 1} bounded, 1 unchecked\n" in said
    assert "self-reported: that there is no warning of copies, copies_of_test, collapse" in said
    assert main(["verify", str(row), "--json"]) == 0
    (task,) = json.loads(capsys.readouterr().out)["files"][0]["tasks"]
    assert set(task["bounded"]) == {*MADE_UP, *COMPARED}
    assert task["unchecked"] == [UNCHECKED]
    assert task["no_warning_on_its_word"]["copies"] == ["copies_image", "copies_altered_image"]
    assert main(["site", str(root), str(tmp_path / "site")]) == 0
    page = (tmp_path / "site" / "phantom-t-to-f.html").read_text()
    assert "statistics checked<br>copies, copies_of_test, collapse: self-reported</small>" in page
    assert "“copies: self-reported” under a model says" in page
    assert page.count('<abbr title="self-reported">†</abbr>') == 2 * len(TAKEN)
    first, others = page.split("All other scores")
    assert "†" not in first
    assert others.count("† Self-reported: nobody has computed this value anew") == 1
    page = (tmp_path / "site" / "models" / "phantom-my-model.html").read_text()
    assert "That there is no warning of copies, copies_of_test, collapse is self-reported" in page
    assert f"nothing bounds what is stated for {UNCHECKED}." in page
    assert "A warning of copies would come of copies_image, copies_altered_image." in page
    assert page.count('<abbr title="self-reported">†</abbr>') == len(TAKEN)


def test_a_request_with_it_is_told_how_far_it_is_checked(tmp_path: Path) -> None:
    root, repo = sent(tmp_path), Repo(tmp_path / "repo")
    place = repo.folder / PLACE
    for name in ("real.json", "real/T-to-F.parquet"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes((root / "phantom" / name).read_bytes())
    repo.commit("real")
    repo.git("checkout", "-q", "-b", "request")
    for name in ("my-model.json", "my-model/T-to-F.parquet"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes((root / "phantom" / name).read_bytes())
    report = repo.check("ann")
    assert report.problems == []
    assert report.checked == [
        f"phantom/my-model, T→F: statistics checked; 7 scores recomputed, {len(TAKEN) - 1} "
        "bounded, 1 unchecked; self-reported: that there is no warning of copies, copies_of_test, "
        "collapse"
    ]


@pytest.mark.parametrize("kind", ["bounded", "unchecked"])
def test_a_score_that_is_somebodys_word_ranks_nobody(kind: str, tmp_path: Path) -> None:
    rows = [submission("mine", 0.9), submission("yours", 0.6)]
    first = "fid_phantom"
    known = {
        ("phantom", "mine", TASK): Standing(Badge.REPRODUCED, **{kind: (first,)}, remade=(first,)),
        ("phantom", "yours", TASK): Standing(Badge.CHECKED),
    }
    (board,) = ranking.boards(rows, known)
    assert [(r.result.model.name, r.rank) for r in board.rows] == [("mine", None), ("yours", 1)]
    known["phantom", "mine", TASK] = Standing(Badge.CHECKED, **{kind: (first,)})
    (board,) = ranking.boards(rows, known)
    assert [row.rank for row in board.rows] == [None, 1]
    assert "| mine | 4.00 † [" in table.markdown(board)
    assert "mine & 4.00 † [" in table.latex(board)
    (mine, yours) = csv.DictReader(table.as_csv(board).splitlines())
    assert (mine["self_reported"], mine["badge"]) == (first, "statistics checked")
    assert yours["self_reported"] == ""
    assert table.named(board.rows[0]) == "mine †"
    site.build_pages(rows, {}, tmp_path, known)
    page = (tmp_path / "phantom-t-to-f.html").read_text()
    assert "4.00 <abbr" in page
    assert page.split("All other scores")[0].count("† Self-reported: nobody") == 1


def test_a_row_without_statistics_is_marked_in_every_value(tmp_path: Path) -> None:
    rows = [submission("mine", 0.9), submission("yours", 0.6)]
    site.build_pages(rows, {}, tmp_path, {("phantom", "yours", TASK): Standing(Badge.CHECKED)})
    page = (tmp_path / "phantom-t-to-f.html").read_text()
    assert page.count('<abbr title="self-reported">†</abbr>') == len(rows[0].results[0].scores)


def test_without_the_real_outputs_a_left_out_score_is_a_word_too() -> None:
    content, _ = side("codixr", MINE, "my-model")
    result = Result.model_validate(content)
    bare = copy.deepcopy(content)
    bare["scores"] = [one for one in bare["scores"] if one["name"] not in TAKEN]
    for one in (result, Result.model_validate(bare)):
        codes = dict(silences(one, (), beside_real=False))
        assert {"judge_gap", "above_real"} <= codes.keys()
        assert ("copies_image" in codes.get("copies", ())) == (one.score("copies_image") is None)
    assert silences(result, (), beside_real=True) == ()
