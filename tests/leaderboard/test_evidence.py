"""A row's statistics give its scores, or the row is refused; a hostile file of them is refused."""

import copy
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from string import ascii_letters

import numpy as np
import pyarrow as pa
import pytest

from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.result import Result
from codixr_leaderboard.evidence import evidence_of
from codixr_leaderboard.sending import submit
from codixr_leaderboard.standing import Badge, standing_of, standings_of
from codixr_leaderboard.statistics_file import LARGEST, read_table, slim
from codixr_leaderboard.studies import study_problems
from codixr_leaderboard.submission import RefusedError, read_submission
from helpers.statistics_fakes import Columns, drawn_columns, encoded, result_of, run_folder
from helpers.submission_fakes import Json, N, result_json

DAY = date(2026, 11, 20)
ROWS = Path(__file__).parents[2] / "leaderboard" / "results"
COLUMNS = drawn_columns()
RESULT = result_of(COLUMNS)


def score(content: Json, name: str) -> Json:
    return next(one for one in content["scores"] if one["name"] == name)


def problems(content: Json, columns: Columns) -> str:
    found = evidence_of(Result.model_validate(content), columns)
    return "\n".join(map(str, found.problems))


def test_statistics_of_the_run_give_its_scores() -> None:
    found = evidence_of(Result.model_validate(RESULT), read_table(encoded(COLUMNS), N, "it"))
    assert found.problems == ()
    assert set(found.recomputed) == {
        f"{kind}_{average}"
        for kind in ("auroc", "f1")
        for average in ("micro", "macro", "weighted")
    }
    assert found.unchecked == ("fid_phantom",)


def moved(name: str, by: float) -> Callable[[Json], None]:
    def forge(content: Json) -> None:
        one = score(content, name)
        one["value"] += by
        one["ci95"] = [end + by for end in one["ci95"]]

    return forge


def swapped_classes(content: Json) -> None:
    classes = score(content, "auroc_macro")["per_class"]
    for field in ("value", "ci95"):
        classes["Edema"][field], classes["Atelectasis"][field] = (
            classes["Atelectasis"][field], classes["Edema"][field],
        )  # fmt: skip


def other_cells(content: Json) -> None:
    counts = score(content, "f1_macro")["per_class"]["Edema"]["counts"]
    counts["fp"] -= 1
    counts["tn"] += 1


def narrowed(content: Json) -> None:
    one = score(content, "auroc_macro")
    one["ci95"] = [one["value"] - 1e-5, one["value"] + 1e-5]


@pytest.mark.parametrize(
    ("forge", "field"),
    [
        (moved("auroc_micro", 0.02), "scores.auroc_micro.value"),
        (moved("fid_phantom", -3.0), "scores.fid_phantom.value"),
        (moved("f1_macro", 0.01), "scores.f1_macro.value"),
        (swapped_classes, "per_class.Edema.value"),
        (other_cells, "scores.f1_macro.per_class.Edema.counts"),
        (narrowed, "scores.auroc_macro.ci95"),
    ],
)
def test_an_edited_score_does_not_follow_from_its_statistics(forge, field) -> None:
    content = copy.deepcopy(RESULT)
    forge(content)
    assert field in problems(content, COLUMNS)


def test_what_each_study_gave_is_needed_and_no_pseudovalues_do_instead() -> None:
    columns = {name: c for name, c in COLUMNS.items() if not name.startswith("classification.p")}
    value = score(RESULT, "auroc_micro")["value"]
    columns["auroc_micro.pseudovalue"] = np.full(N, value)
    said = problems(RESULT, columns)
    assert "scores.auroc_micro: the statistics lack what each study gave to it" in said


def test_labels_of_other_studies_are_found_beside_another_row() -> None:
    other = dict(COLUMNS) | {
        "classification.label.Edema": COLUMNS["classification.label.Edema"][::-1]
    }
    result = Result.model_validate(RESULT)
    found = list(study_problems(result, COLUMNS, (result, other)))
    assert [str(one) for one in found] == [
        "statistics: 'classification.label.Edema' is not that of these studies"
    ]
    assert not list(study_problems(result, COLUMNS, (result, COLUMNS)))


def test_labels_of_another_labeler_are_not_held_against_these() -> None:
    other = dict(COLUMNS) | {"report_labels.reference.Edema": np.zeros(N, dtype=np.int8)}
    mine = dict(COLUMNS) | {"report_labels.reference.Edema": np.ones(N, dtype=np.int8)}
    result = Result.model_validate(result_json("F->T"))
    content = json.dumps(result_json("F->T"))
    elsewhere = Result.model_validate_json(content.replace("labeler:", "labeler:older-"))
    assert elsewhere != result
    assert list(study_problems(result, mine, (result, other)))
    assert not list(study_problems(result, mine, (elsewhere, other)))


def test_verify_and_submit_hold_a_row_against_the_real_outputs(tmp_path: Path, capsys) -> None:
    root, other = tmp_path / "results", tmp_path / "other"
    submit([run_folder(tmp_path / "run", COLUMNS)], root, owner="ann", today=DAY)
    rolled = {name: np.roll(column, 7) for name, column in drawn_columns(2).items()}
    folder = run_folder(tmp_path / "real", rolled, "real")
    with pytest.raises(RefusedError, match="is not that of these studies"):
        submit([folder], root, owner="codixr", today=DAY)
    submit([folder], other, owner="codixr", today=DAY)
    for path in (other / "phantom").iterdir():
        path.rename(root / "phantom" / path.name)
    assert main(["verify", str(root / "phantom" / "my-model.json")]) == 1
    assert "is not that of these studies" in capsys.readouterr().out
    assert main(["site", str(root), str(tmp_path / "site")]) == 0
    assert "phantom/my-model, T->F isn't ranked" in capsys.readouterr().err
    page = (tmp_path / "site" / "phantom-t-to-f.html").read_text()
    assert "self-reported: its statistics don't give its scores" in page
    page = (tmp_path / "site" / "models" / "phantom-my-model.html").read_text()
    assert "not ranked" in page


def test_wide_columns_stay_with_the_run_and_the_rest_is_the_same(tmp_path: Path) -> None:
    wide = np.random.default_rng(1).normal(size=(N, 32))
    kept = np.random.default_rng(2).normal(size=(N, 10))
    folder = run_folder(tmp_path / "run", COLUMNS)
    table = {name: pa.array(values) for name, values in COLUMNS.items()}
    for name, rows in (("clip_agreement.real.F", wide), ("view_agreement.real.F", kept)):
        flat = pa.array(rows.reshape(-1))
        table[name] = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    pa.parquet.write_table(pa.table(table), folder / "statistics.parquet")
    found = read_table(slim(folder / "statistics.parquet"), N, "it")
    assert set(found) == {*COLUMNS, "view_agreement.real.F"}
    np.testing.assert_array_equal(found["view_agreement.real.F"], kept)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(found[name], values)


def hidden(content: bytes) -> bytes:
    """With words between the columns and the table of contents."""
    place = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return content[:place] + b"a small effusion" * 50 + content[place:]


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no parquet": (lambda: b"PAR1" * 50, "not a statistics file"),
    "empty": (lambda: b"", "not a statistics file"),
    "cut short": (lambda: encoded(COLUMNS)[:-40], "not a statistics file"),
    "too large": (lambda: b"0" * (LARGEST + 1), "at most 5,000,000"),
    "fewer studies": (
        lambda: encoded({name: column[:-1] for name, column in COLUMNS.items()}),
        "1,999 rows for 2,000",
    ),
    "a column of words": (
        lambda: encoded({"classification.note": np.array(["a small effusion"] * N)}),
        "doesn't hold numbers",
    ),
    "a name that is prose": (
        lambda: encoded({"no acute process seen": COLUMNS["fid_phantom.pseudovalue"]}),
        "no statistics are called",
    ),
    "a name that is an identifier": (
        lambda: encoded({"bleu.s50414267": COLUMNS["fid_phantom.pseudovalue"]}),
        "no statistics are called",
    ),
    "a schema with words": (lambda: encoded(COLUMNS, store_schema=True), "text beside"),
    "a value that is no number": (
        lambda: encoded({"rouge.rouge_l": np.full(N, np.nan)}),
        "no number",
    ),
    "an infinite value": (lambda: encoded({"rouge.rouge_l": np.full(N, np.inf)}), "no number"),
    "groups of rows": (lambda: encoded(COLUMNS, row_group_size=100), "groups of rows"),
    "bytes of no column": (lambda: hidden(encoded(COLUMNS)), "bytes that no column has"),
    "many columns": (
        lambda: encoded({f"bleu.{a}{b}": np.zeros(N, dtype=np.int8)
                         for a in ascii_letters for b in "abcdefghijkl"}),
        "more columns",
    ),
    "rows that are long": (
        lambda: encoded({"view_agreement.real.F": np.zeros((N, 40))}),
        "unpacks to more",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_our_words(name: str) -> None:
    make, said = HOSTILE[name]
    with pytest.raises(InputError) as error:
        read_table(make(), N, "the file")
    assert said in str(error.value)
    for text in ("effusion", "acute", "50414267", "patient"):
        assert text not in str(error.value)


def test_submit_copies_them_and_verify_says_what_they_show(tmp_path: Path, capsys) -> None:
    folder, root = run_folder(tmp_path / "run", COLUMNS), tmp_path / "results"
    written = submit([folder], root, owner="ann", today=DAY)
    row = root / "phantom" / "my-model.json"
    assert written == [row, root / "phantom" / "my-model" / "T-to-F.parquet"]
    assert main(["verify", str(root)]) == 0
    said = capsys.readouterr().out
    assert "  statistics checked: T->F\n    6 scores recomputed, 1 unchecked\n" in said
    (standing,) = standings_of(row, read_submission(row)).values()
    assert standing.badge == Badge.CHECKED


def test_submit_refuses_a_result_that_is_not_of_its_statistics(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", COLUMNS)
    (folder / "statistics.parquet").write_bytes(encoded(drawn_columns(1)))
    with pytest.raises(RefusedError, match="its statistics give"):
        submit([folder], tmp_path / "results", today=DAY)
    assert not (tmp_path / "results").exists()


def test_a_replaced_result_takes_its_statistics_with_it(tmp_path: Path) -> None:
    root = tmp_path / "results"
    submit([run_folder(tmp_path / "run", COLUMNS)], root, owner="ann", today=DAY)
    bare = tmp_path / "result.json"
    bare.write_text(json.dumps(result_json("T->F")))
    submit([bare], root, owner="ann", replace=True, today=DAY)
    row = root / "phantom" / "my-model.json"
    assert not (root / "phantom" / "my-model" / "T-to-F.parquet").exists()
    (standing,) = standings_of(row, read_submission(row)).values()
    assert standing.badge == Badge.SELF_REPORTED


def test_only_a_simulated_row_is_told_to_bring_statistics(tmp_path: Path, capsys) -> None:
    simulated = tmp_path / "phantom.json"
    simulated.write_text(json.dumps(result_json("T->F")))
    row = json.loads((ROWS / "openi" / "constant.json").read_text())
    real = tmp_path / "openi.json"
    real.write_text(json.dumps(row["results"][0]))
    for file, told in ((simulated, True), (real, False)):
        words = ["submit", str(file), "--model", "mine", "--owner", "ann"]
        assert main([*words, "--to", str(tmp_path / file.stem)]) == 0
        assert ("on simulated tracks" in capsys.readouterr().err) is told


def test_a_foreign_file_in_a_rows_folder_is_refused(tmp_path: Path, capsys) -> None:
    root = tmp_path / "results"
    submit([run_folder(tmp_path / "run", COLUMNS)], root, owner="ann", today=DAY)
    beside = root / "phantom" / "my-model" / "T-to-F.parquet"
    beside.rename(beside.with_name("F-to-T.parquet"))
    assert main(["verify", str(root)]) == 1
    assert "the row has no result that this is of" in capsys.readouterr().out
    (beside.parent / "notes.txt").write_text("x")
    assert main(["verify", str(root)]) == 2


def test_statistics_of_patients_are_refused() -> None:
    content = copy.deepcopy(RESULT)
    content["track"] |= {"name": "openi"}
    with pytest.raises(InputError, match="stay on the machine"):
        standing_of(Result.model_validate(content), encoded(COLUMNS))
