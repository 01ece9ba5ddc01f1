"""``codixr-bench label --compare``: two files of labels, or labelers."""

import csv
import gzip
import json
import random

import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.cli import main
from codixr_bench.labeler.rules import label_report

REPORTS = {
    f"5{i:03d}": text
    for i, text in enumerate(
        ["No edema.", "Effusion.", "Possible pneumonia.", "Small pneumothorax.", "Mass.", "Clear."]
        * 5
    )
}


def mimic_like(path, seed, skip=(), changed=()):
    """As MIMIC-CXR ships them: subject and study, observations in another order, gzip."""
    names = sorted(OBSERVATIONS)
    rows = []
    for study, report in REPORTS.items():
        labels = dict(zip(OBSERVATIONS, label_report(report), strict=True))
        if study in changed:
            labels["Edema"] = -1
        cells = ["" if labels[n] is None else f"{labels[n]:.1f}" for n in names]
        if study not in skip:
            rows.append([f"1{study}", study, *cells])
    random.Random(seed).shuffle(rows)
    with gzip.open(path, "wt", newline="") as file:
        csv.writer(file).writerows([["subject_id", "study_id", *names], *rows])
    return str(path)


def test_shuffled_files_of_mimics_kind_are_matched_by_study(tmp_path, capsys):
    a = mimic_like(tmp_path / "a.csv.gz", 1, skip=["5001"])
    b = mimic_like(tmp_path / "b.csv.gz", 2, skip=["5002", "5003"], changed=["5004", "5010"])
    assert main(["label", "--compare", a, b, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["matched"] == 27
    assert found["matched_by"] == "study_id"
    assert (found["only_in_a"], found["only_in_b"]) == (2, 1)
    by = {one["observation"]: one for one in found["by"]}
    assert by["Edema"]["agreement"] == pytest.approx(25 / 27)
    assert by["Pleural Effusion"]["kappa"] == 1.0
    assert "differ" not in by["Edema"]
    assert main(["label", "--compare", a, b, "--json", "--ids"]) == 0
    by = {one["observation"]: one for one in json.loads(capsys.readouterr().out)["by"]}
    assert sorted(by["Edema"]["differ"]) == ["5004", "5010"]


def files_of_studies(folder):
    for study, report in REPORTS.items():
        path = folder / "files" / "p10" / f"p1{study}" / f"s{study}.txt"
        path.parent.mkdir(parents=True)
        path.write_text(report)
    return str(folder)


def test_labels_of_a_folder_of_mimics_kind_are_matched_by_the_study_in_the_path(tmp_path, capsys):
    a = mimic_like(tmp_path / "a.csv.gz", 1, changed=["5004", "5010"])
    folder, own = files_of_studies(tmp_path / "mimic"), str(tmp_path / "own.csv")
    assert main(["label", folder, "-o", own]) == 0
    for arguments in (["--compare", a, own], [folder, "--compare", a, "chexpert-rules"]):
        assert main(["label", *arguments, "--json", "--ids"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["matched"], found["matched_by"]) == (30, "study_id")
        by = {one["observation"]: one for one in found["by"]}
        assert sorted(by["Edema"]["differ"]) == ["5004", "5010"]


def test_study_ids_match_as_programs_write_them_and_separators_as_spreadsheets_do(tmp_path, capsys):
    a = mimic_like(tmp_path / "a.csv.gz", 1)
    with gzip.open(a, "rt") as file:
        text = file.read()
    for number, changed in enumerate(
        (text.replace(",5", ",s5"), text.replace(",", ";"), text.replace(",", "\t"))
    ):
        b = tmp_path / f"{number}.csv"
        b.write_text(changed)
        assert main(["label", "--compare", a, str(b), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["matched"] == 30


def test_the_table_names_reports_only_when_asked(tmp_path, capsys):
    a = mimic_like(tmp_path / "a.csv.gz", 1)
    b = mimic_like(tmp_path / "b.csv.gz", 2, changed=["5004"])
    assert main(["label", "--compare", a, b]) == 0
    out = capsys.readouterr().out
    assert "30 reports, matched by study_id" in " ".join(out.split())
    assert "5004" not in out
    assert main(["label", "--compare", a, b, "--ids"]) == 0
    assert "Edema: differs in 5004" in capsys.readouterr().out


def test_the_table_fits_a_terminal_of_80_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    a = mimic_like(tmp_path / "a.csv.gz", 1)
    assert main(["label", "--compare", a, a]) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    edema = next(line for line in out.splitlines() if line.startswith("Edema"))
    assert edema.split()[1:5] == ["0", "1.000", "1.000", "1.000"]


def plain(path, labels):
    with path.open("w", newline="") as file:
        rows = [["Reports", *OBSERVATIONS]]
        rows += [["x", *("" if v is None else v for v in row)] for row in labels]
        csv.writer(file).writerows(rows)
    return str(path)


def test_files_without_a_name_for_reports_are_matched_by_order(tmp_path, capsys):
    labels = [label_report(report) for report in REPORTS.values()]
    a, b = plain(tmp_path / "a.csv", labels), plain(tmp_path / "b.csv", labels)
    assert main(["label", "--compare", a, b, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["matched_by"] == "order"
    short = plain(tmp_path / "c.csv", labels[:-1])
    assert main(["label", "--compare", a, short]) == 2
    assert "has more rows than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("study_id,Edema\n1,0\n", "no column 'No Finding'"),
        ("study_id," + ",".join(OBSERVATIONS) + "\n1" + ",2" * 14 + "\n", "row 1: a label is not"),
        ("study_id," + ",".join(OBSERVATIONS) + ("\n1" + "," * 14) * 2 + "\n", "has come before"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused(tmp_path, capsys, content, message):
    bad = tmp_path / "bad.csv"
    bad.write_text(content)
    good = mimic_like(tmp_path / "a.csv.gz", 1)
    assert main(["label", "--compare", good, str(bad)]) == 2
    assert message in capsys.readouterr().err


def test_two_labelers_are_compared_on_reports_that_are_read_once(tmp_path, capsys):
    source = tmp_path / "r.csv"
    texts = ["No edema but small effusion.", "The heart.", "Mass."]
    source.write_text("".join(f'"{text}"\n' for text in texts))
    compared = ["label", str(source), "--compare", "chexpert-rules", "chexpert-clinical"]
    assert main([*compared, "--json", "--ids"]) == 0
    by = {one["observation"]: one for one in json.loads(capsys.readouterr().out)["by"]}
    assert by["Pleural Effusion"]["differ"] == ["1"]
    assert by["Cardiomegaly"]["differ"] == ["2"]
    assert by["Lung Lesion"]["agreement"] == 1.0
