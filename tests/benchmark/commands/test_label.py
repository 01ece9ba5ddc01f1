"""``codixr-bench label``: files in and out, other labelers, comparison, privacy."""

import csv
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr.data.labels import OBSERVATIONS
from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.labeler.agreement import Tally, kappa
from codixr_bench.labeler.canary import check
from codixr_bench.labeler.interface import load_labeler
from codixr_bench.labeler.rules import ChexpertRules

REPORTS = ["No edema, no effusion.", 'Large "left"\n\neffusion.', "", "42", "Größe. Mass."]
FAKE = """
import argparse, csv, sys
sys.path[1:] = {paths!r}
from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.rules import label_report
parser = argparse.ArgumentParser()
parser.add_argument("--reports_path"); parser.add_argument("--output_path")
a = parser.parse_args()
rows = [r[0] for r in csv.reader(open(a.reports_path, newline=""))]
assert all(r.strip() for r in rows), "an empty cell crashes the original"
out = csv.writer(open(a.output_path, "w", newline=""))
out.writerow(["Reports", *OBSERVATIONS])
for r in rows:
    out.writerow([r, *("" if v is None else float({value}) for v in label_report(r))])
"""


def write(path: Path, header: bool = False) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_ALL)
        if header:
            rows.writerow(["id", "text"])
        rows.writerows([f"s{i}", r] if header else [r] for i, r in enumerate(REPORTS))
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_reports_are_written_back_as_they_came_with_their_labels(tmp_path, capsys):
    out = tmp_path / "o.csv"
    assert main(["label", str(write(tmp_path / "r.csv")), "-o", str(out)]) == 0
    rows = read(out)
    assert rows[0] == ["Reports", *OBSERVATIONS]
    assert [row[0] for row in rows[1:]] == REPORTS
    assert rows[1][1] == "1.0"
    assert rows[1][1 + OBSERVATIONS.index("Edema")] == "0.0"
    captured = capsys.readouterr()
    assert "empty reports: 1: No Finding" in captured.err
    assert "effusion" not in captured.err + captured.out


def test_without_text_rows_are_called_by_number_column_or_file(tmp_path):
    out = tmp_path / "o.csv"
    assert main(["label", str(write(tmp_path / "r.csv")), "-o", str(out), "--no-text"]) == 0
    assert [row[0] for row in read(out)] == ["row", "1", "2", "3", "4", "5"]
    named = str(write(tmp_path / "n.csv", header=True))
    assert main(["label", named, "--column", "text", "--id", "id", "-o", str(out)]) == 0
    assert [row[0] for row in read(out)] == ["id", "s0", "s1", "s2", "s3", "s4"]
    assert "effusion" not in out.read_text()
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "b.txt").write_text("No mass.")
    (folder / "a.txt").write_bytes("Größe. Mass.".encode("latin-1"))
    assert main(["label", str(folder), "-o", str(out)]) == 0
    assert [row[0] for row in read(out)] == ["file", "a.txt", "b.txt"]


def test_parquet_and_prepared_folders_are_read_by_column(tmp_path):
    table = pa.table({"study_id": ["x", "y"], "report": ["Edema.", None]})
    pq.write_table(table, tmp_path / "test-00000.parquet")
    (tmp_path / "manifest.json").write_text("{}")
    out = tmp_path / "o.csv"
    assert main(["label", str(tmp_path), "-o", str(out)]) == 0
    assert [row[0] for row in read(out)] == ["study_id", "x", "y"]
    assert main(["label", str(tmp_path / "test-00000.parquet"), "-o", str(out)]) == 0
    assert [row[0] for row in read(out)] == ["row", "1", "2"]


def test_workers_and_bytes_of_another_encoding_change_nothing(tmp_path):
    source = tmp_path / "r.csv"
    source.write_bytes(b"".join(b'"Gr\xf6\xdfe. No mass %d."\n' % i for i in range(2500)))
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    assert main(["label", str(source), "-o", str(one)]) == 0
    assert main(["label", str(source), "-o", str(two), "--workers", "2"]) == 0
    assert one.read_bytes() == two.read_bytes()
    assert b"Gr\xf6\xdfe" in one.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r.csv", "--column", "nope"], "no column 'nope'"),
        (["missing.csv"], "does not exist"),
        (["two.csv"], "row 1: 2 columns"),
        (["r.csv", "--labeler", "chexpert-rule"], "did you mean 'chexpert-rules'"),
        (["r.csv", "--labeler", "original"], "--home"),
        (["r.csv", "--labeler", "chexbert"], "codixr[radeval]"),
        ([], "no reports"),
        (["r.csv", "-o", "no/folder/o.csv"], "cannot write"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "radeval", None)
    write(tmp_path / "r.csv")
    (tmp_path / "two.csv").write_text("Secret edema,and more\n")
    before = sorted(tmp_path.iterdir())
    assert main(["label", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Secret" not in error
    assert sorted(tmp_path.iterdir()) == before


def test_an_unlabelled_output_does_not_replace_an_older_one(tmp_path):
    out = tmp_path / "o.csv"
    out.write_text("older")
    (tmp_path / "two.csv").write_text("Edema.\na,b\n")
    assert main(["label", str(tmp_path / "two.csv"), "-o", str(out)]) == 2
    assert out.read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 2


def installation(folder: Path, value: str = "v") -> Path:
    (folder / "phrases").mkdir(parents=True)
    (folder / "phrases" / "mass.txt").write_text("mass")
    paths = [str(Path(p).resolve()) for p in sys.path if p]
    (folder / "label.py").write_text(FAKE.format(paths=paths, value=value))
    own = folder / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    own.chmod(0o755)
    return folder


def test_the_original_runs_as_a_process_of_its_own(tmp_path):
    home = installation(tmp_path / "home")
    source, ours, theirs = write(tmp_path / "r.csv"), tmp_path / "a.csv", tmp_path / "b.csv"
    own = ["--labeler", "original", "--home", str(home)]
    assert main(["label", str(source), "-o", str(ours)]) == 0
    assert main(["label", str(source), "-o", str(theirs), *own]) == 0
    assert ours.read_bytes() == theirs.read_bytes()
    assert load_labeler("original", home).version != ChexpertRules.version


def test_a_labeler_that_calls_everything_present_is_refused(tmp_path, capsys):
    home = installation(tmp_path / "home", value="1")
    out = tmp_path / "o.csv"
    own = ["--labeler", "original", "--home", str(home), "--python", sys.executable]
    assert main(["label", str(write(tmp_path / "r.csv")), "-o", str(out), *own]) == 2
    assert "No pneumothorax." in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(InputError, match="nothing was labelled"):
        check(Inverted())


class Inverted(ChexpertRules):
    def label(self, reports):
        turn = {1: 0, 0: 1}
        return [tuple(turn.get(v, v) for v in row) for row in super().label(reports)]


def test_compare_gives_kappa_by_observation_and_the_rows_that_differ(tmp_path, capsys):
    source, labels = write(tmp_path / "r.csv"), tmp_path / "o.csv"
    assert main(["label", str(source), "-o", str(labels)]) == 0
    rows = read(labels)
    rows[2][1 + OBSERVATIONS.index("Edema")] = "-1.0"
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    capsys.readouterr()
    compared = ["label", str(source), "--compare", str(labels), "chexpert-rules"]
    assert main([*compared, "--json", "--ids"]) == 0
    by = {one["observation"]: one for one in json.loads(capsys.readouterr().out)["by"]}
    assert by["Edema"]["differ"] == ["2"]
    assert by["Edema"]["agreement"] == pytest.approx(0.8)
    assert by["Lung Lesion"]["kappa"] == 1.0
    assert main([*compared, "--ids"]) == 0
    assert "Edema: differs in 2" in capsys.readouterr().out


def test_kappa_equals_sklearns():
    import numpy as np
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    one, other = rng.integers(-1, 2, 300), rng.integers(-1, 2, 300)
    other[:150] = one[:150]
    tally = Tally()
    for i, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        tally.add(str(i), (a,) * 14, (b,) * 14)
    found = tally.agreements()[3]
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))
    assert found.by_class["absent"] == pytest.approx(cohen_kappa_score(one == 0, other == 0))
    assert kappa(np.array([[5, 0], [0, 0]])) is None


def test_explain_shows_cue_rule_place_and_surprise(capsys):
    assert main(["label", "--explain", "Plate-like atelectasis, no new mass, edema unlikely."]) == 0
    out = capsys.readouterr().out
    for part in ("no new", "DOUBTS_FIRST 2", "endplate", "'unlikely' decides nothing", "Edema"):
        assert part in out


@pytest.mark.parametrize("reading", ["original", "clinical"])
def test_an_explanation_in_json_says_what_the_table_says(reading, capsys):
    words = ["label", "--explain", "No new mass; small left effusion.", "--reading", reading]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels"]["Pleural Effusion"] == 1
    assert list(told["labels"]) == list(OBSERVATIONS)
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert {one["label"] for one in told["mentions"]} >= {"present"}
    for part in [part for one in told["mentions"] for part in one.values()] + told["notes"]:
        assert part in shown


@pytest.fixture(scope="module")
def phantom_reports(tmp_path_factory):
    """Samples of the constant model: one report for all."""
    out = tmp_path_factory.mktemp("run")
    made = ["run", "--task", "F->T", "--model", "constant", "--limit", "8", "--out", str(out)]
    assert main([*made, "--metrics", "bleu"]) == 0
    return out


def test_a_run_is_scored_with_the_original_itself(phantom_reports, tmp_path, capsys):
    home = installation(tmp_path / "home")
    scored = ["score", "--samples", str(phantom_reports), "--metrics", "report_labels", "--json"]
    capsys.readouterr()
    found = {}
    for name, own in (
        ("rules", []),
        ("original", ["--labeler", "original", "--labeler-home", str(home)]),
        ("clinical", ["--labeler", "chexpert-clinical"]),
    ):
        assert main([*scored, *own, "--out", str(tmp_path / name)]) == 0
        capsys.readouterr()
        result = json.loads((tmp_path / name / "result.json").read_text())
        (found[name],) = (s for s in result["scores"] if s["name"] == "label_f1_micro")
    version = load_labeler("original", home).version
    assert f"labeler:chexpert-original@{version}" in found["original"]["signature"].split("|")
    assert "labeler:chexpert-rules@" in found["rules"]["signature"]
    assert "labeler:chexpert-clinical@" in found["clinical"]["signature"]
    assert found["original"]["value"] == found["rules"]["value"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labeler", "orginal"], "did you mean 'original'"),
        (["--labeler", "original"], "--labeler-home DIR"),
        (["--labeler-home", "x"], "--labeler-home DIR"),
        (["--labeler", "original", "--labeler-home", "nowhere"], "has no label.py"),
    ],
)
def test_a_labeler_that_cannot_score_is_refused(phantom_reports, capsys, arguments, message):
    assert main(["score", "--samples", str(phantom_reports), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_reports_that_stand_as_names_are_told(tmp_path, capsys):
    (tmp_path / "r.csv").write_text("Small effusion.\nNo pneumothorax.\n")
    assert main(["label", str(tmp_path / "r.csv")]) == 0
    assert "the rows are called by their reports" in capsys.readouterr().err
    for told in (["--text"], ["--no-text"]):
        assert main(["label", str(tmp_path / "r.csv"), *told]) == 0
        assert "called by their reports" not in capsys.readouterr().err


def test_an_empty_text_is_not_explained(capsys):
    assert main(["label", "--explain", "  "]) == 2
    assert "--explain: the text is empty" in capsys.readouterr().err
