import csv
import io
import json

import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.paper.formats import FORMATS
from codixr_bench.paper.printed import AUROC, BLEU, F1, FID, LABEL_F1, SUPPORT
from codixr_bench.paper.reconcile import recomputed_cells
from codixr_bench.paper.tables import FID_TASKS, REPORT_TASKS, paper_table
from codixr_bench.result import Coverage, ModelInfo, TrackInfo, make_result
from codixr_bench.result_files import result_files
from codixr_bench.score import ClassScore, Score
from codixr_bench.task import Task


def score(name, value, classes=()):
    per_class = {c: ClassScore(value=value, n_pos=5, n_neg=15) for c in classes}
    return Score(
        name=name, value=value, n=20, higher_is_better=True, per_class=per_class, signature=name
    )


def result(task, model="mine"):
    scores = [score("fid_phantom", 12.5), score("fid_xrv", 1.25)]
    for family, classes in (("auroc", PATHOLOGIES), ("f1", PATHOLOGIES)):
        scores += [score(f"{family}_{a}", 0.847) for a in ("micro", "weighted")]
        scores.append(score(f"{family}_macro", 0.847, classes))
    if task.endswith("T"):
        scores = [score(f"bleu_{k}", 0.5 - k / 10) for k in range(1, 5)]
        scores += [score(f"label_f1_{a}", 0.7) for a in ("micro", "weighted")]
        scores.append(score("label_f1_macro", 0.6, (*PATHOLOGIES, "No Finding")))
    track = TrackInfo(name="phantom", version="1", fingerprint="0" * 64, split="test", n=20)
    return make_result(
        task=Task.parse(task),
        track=track,
        model=ModelInfo(name=model, version="1"),
        generation={},
        coverage=Coverage(expected=20, scored=20),
        scores=scores,
        timings={},
    )


ALL = [result(task) for task in (*FID_TASKS[0], *FID_TASKS[1], *REPORT_TASKS)]


def rows(name, results=ALL):
    return {
        (block.title.split(":")[1].split()[0], row.label, row.source): row.cells
        for block in paper_table(name, results)
        for row in block.rows
    }


@pytest.mark.parametrize(
    ("name", "columns"),
    [("II", [6, 6, 6, 6]), ("III", [13] * 4), ("IV", [12, 12]), ("V", [14, 14])],
)
def test_every_row_has_a_cell_a_column_and_groups_span_them(name, columns):
    blocks = paper_table(name, ALL)
    assert [len(block.columns) for block in blocks] == columns
    for block in blocks:
        assert {len(row.cells) for row in block.rows} == {len(block.columns)}
        assert sum(width for _, width in block.groups) in (0, len(block.columns))


def test_only_what_was_measured_alike_shares_a_block():
    here = "phantom test, n=20"
    for name in ("II", "III", "IV", "V"):
        blocks = paper_table(name, ALL)
        assert [block.source for block in blocks] == [
            source for source in ("printed", here) for _ in range(len(blocks) // 2)
        ]
        for block in blocks:
            assert {row.source for row in block.rows} == {block.source}
            assert block.title.endswith(f"; {block.source}")
    other = ALL[0].model_copy(update={"track": ALL[0].track.model_copy(update={"n": 30})})
    found = [block.source for block in paper_table("III", [*ALL, other], own=True)]
    assert found == [here, here, "phantom test, n=30", "phantom test, n=30"]


def test_scores_that_were_made_otherwise_stand_apart():
    def made(signature):
        scores = [
            s.model_copy(update={"signature": f"{signature}|n:{s.n}"}) if "fid" in s.name else s
            for s in ALL[0].scores
        ]
        return ALL[0].model_copy(update={"scores": tuple(scores)})

    one, other = made("fid|ref:same-studies"), made("fid|ref:others")
    assert len(paper_table("II", [one, other], own=True)) == 2
    assert len(paper_table("II", [one, one], own=True)) == 1
    # Table III doesn't show distances: how they were made doesn't matter there.
    assert len(paper_table("III", [one, other], own=True)) == 2


def test_the_best_of_a_column_is_bold_and_the_real_data_do_not_compete():
    def valued(model, value):
        one = result("T->F", model)
        scores = tuple(s.model_copy(update={"value": value}) for s in one.scores)
        return one.model_copy(update={"scores": scores})

    better, real = valued("better", 9.0), valued("real", 0.0)
    block = paper_table("II", [result("T->F"), better, real], own=True)[0]
    assert {block.rows[i].label: j for i, j in block.best()} == {"better": 1, "mine": 0}
    tex = FORMATS["latex"]([block], "")
    assert r"better & 9.00 & \textbf{9.00}" in tex
    assert r"\textbf{1.25}" in tex
    assert "**9.00**" in FORMATS["markdown"]([block], "")
    assert "\x1b" not in FORMATS["terminal"]([block], "")
    assert not paper_table("II", [better, real], own=True)[0].best(), "nobody to be better than"


def test_intervals_and_a_caption_are_shown_when_asked_for():
    score_of = ALL[0].scores[1].model_copy(update={"ci95": (1.0, 1.5)})
    one = ALL[0].model_copy(update={"scores": (score_of,)})
    blocks = paper_table("II", [one], own=True, intervals=True)
    assert blocks[0].rows[0].cells[0] == "1.25 [1.00, 1.50]"
    tex = FORMATS["latex"](paper_table("II", ALL, own=True), "Ours & theirs")
    assert tex.count(r"\begin{table}") == tex.count(r"\caption{Ours \& theirs}") == 1
    assert tex.count(r"\begin{tabular}") == 2
    for form in ("terminal", "markdown"):
        assert FORMATS[form](blocks, "Ours").splitlines()[0].strip() == "Ours"


@pytest.mark.parametrize("name", ["II", "III", "IV", "V"])
@pytest.mark.parametrize("intervals", [False, True])
def test_a_table_fits_80_columns_with_every_number_whole(name, intervals, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    blocks = paper_table(name, ALL, intervals=intervals)
    text = FORMATS["terminal"](blocks, "")
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for block in blocks:
        for row in block.rows:
            assert all(one in text for one in row.cells)


def test_cells_are_the_results_values():
    here = "phantom test, n=20"
    assert rows("II")["FID", "mine", here][:2] == ("1.25", "12.50")
    assert rows("IV")["BLEU-1", "mine", here][:4] == ("0.40", "0.30", "0.20", "0.10")
    assert rows("III")["AUROC", "mine L+T→F", here] == (".85",) * 13
    assert rows("V")["F1", "mine F+L→T", here] == (*(".60",) * 11, ".70", ".60", ".70")


def test_printed_cells_are_the_papers():
    frontal = paper_table("II", [])[0].rows[1].cells
    assert frontal == ("10.56", "0.86", "34.89", "3.31", "22.63", "1.89")
    assert rows("III", [])["AUROC", "CoDi_XR T→F", "printed"][-3:] == (".90", ".90", ".91")
    assert rows("IV", [])["BLEU-1", "CoDi_XR", "printed"][0] == "–", "unreadable in our copy"


def test_real_stands_once_a_track():
    real = [result(task, "real") for task in FID_TASKS[0]]
    labels = [row.label for row in paper_table("III", real, own=True)[0].rows]
    assert labels == ["Real Data"]


@pytest.mark.parametrize("name", ["II", "III", "IV", "V"])
def test_every_format_holds_every_cell(name):
    blocks = paper_table(name, ALL)
    cells = sum(len(row.cells) for block in blocks for row in block.rows)
    table = list(csv.reader(io.StringIO(FORMATS["csv"](blocks, ""))))
    assert sum(len(line) - 3 for line in table if line[0] != "table") == cells
    tex = FORMATS["latex"](blocks, "")
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") == len(blocks)
    body = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body if "multicolumn" not in line} == {
        len(block.columns) for block in blocks
    }
    assert "_XR" not in tex.replace(r"\_XR", "")
    pipes = FORMATS["markdown"](blocks, "").split("\n\n")
    for block, lines in zip(blocks, pipes[1::2], strict=True):
        assert {line.count("|") for line in lines.splitlines()} == {len(block.columns) + 2}


def test_the_command_reads_folders_and_files(tmp_path, capsys):
    for one in ALL[:2]:
        folder = tmp_path / Task.parse(one.task).folder
        folder.mkdir()
        one.save(folder / "result.json")
    assert len(result_files(tmp_path)) == 2
    assert main(["table", "III", str(tmp_path), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    assert "; phantom test, n=20**" in said
    assert "\n| mine T→F | " in said
    assert main(["table", "V", str(tmp_path)]) == 2
    assert "Table V is about F->T, L->T, F+L->T" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no result"):
        result_files(tmp_path / "empty")


def test_reconcile_lists_exactly_the_averages_that_do_not_follow(capsys):
    assert main(["reconcile", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    listed = {(c["table"], c["row"], c["average"]) for c in found["not_following"]}
    assert listed == {
        ("III", "CoDi", "AUROC macro"),
        ("III", "CoDi_XR L->F", "AUROC weighted"),
        ("III", "CoDi_XR L+T->F", "AUROC macro"),
        ("III", "CoDi_XR L+T->F", "AUROC weighted"),
        ("III", "CoDi_XR L+T->F", "F1 macro"),
        ("III", "CoDi_XR L+T->F", "F1 weighted"),
        ("III", "CoDi_XR T->F", "F1 weighted"),
        ("V", "CoDi_XR L->T", "label F1 macro"),
        ("V", "CoDi_XR F+L->T", "label F1 macro"),
    }
    assert main(["reconcile"]) == 0
    assert "L+T->F          F1 macro              0.44           0.413" in capsys.readouterr().out


def test_recomputed_averages_are_those_worked_out_by_hand():
    cells = {(c.table, c.row, c.average): c.recomputed for c in recomputed_cells()}
    assert cells["III", "CoDi_XR L+T->F", "AUROC macro"] == pytest.approx(0.870)
    assert cells["III", "CoDi_XR L->F", "AUROC weighted"] == pytest.approx(0.861, abs=5e-4)
    assert cells["V", "CoDi_XR F->T", "label F1 macro"] == pytest.approx(0.437)
    assert sum(positives for _, _, positives in SUPPORT.values()) == 8212


def test_every_printed_row_is_whole():
    assert {len(values) for rows in (AUROC, F1) for values in rows.values()} == {13}
    assert {len(values) for values in LABEL_F1.values()} == {14}
    assert {len(v) for of in FID.values() for v in of.values()} == {2}
    assert {len(v) for of in BLEU.values() for v in of.values()} == {4}
