"""``codixr-bench label`` reads the files that people have, or says what they are."""

import bz2
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.cli import main

REPORTS = ["No edema.", "Large effusion, stable.", "Small pneumothorax; no mass."]
ROWS = [(f"s{i}", report) for i, report in enumerate(REPORTS, 1)]
EDEMA = 1 + OBSERVATIONS.index("Edema")


def table(rows, delimiter=",", header=("study_id", "report")):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    return file.getvalue()


def column(head=None):
    return "".join(f'"{cell}"\n' for cell in ([head] if head else []) + REPORTS)


def zipped(names_and_texts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in names_and_texts:
            archive.writestr(name, text)
    return file.getvalue()


def parquet(kind=None):
    file = io.BytesIO()
    ids, texts = zip(*ROWS, strict=True)
    texts = pa.array(texts).cast(kind or pa.string())
    pq.write_table(pa.table({"study_id": ids, "report": texts}), file)
    return file.getvalue()


JSONL = "".join(json.dumps({"study_id": i, "text": t}) + "\n" for i, t in ROWS)
TEXTS = [(f"files/p10/p1000000{i}/{name}.txt", text) for i, (name, text) in enumerate(ROWS)]
READABLE = {
    "the original's": (column().encode(), []),
    "a header of one column": (column("Report Impression").encode(), []),
    "capitals in the header": (column("REPORT").encode(), []),
    "UTF-16 with a mark": (column("report").encode("utf-16"), []),
    "UTF-16 without one": (column("report").encode("utf-16-le"), []),
    "UTF-8 with a mark": (column("text").encode("utf-8-sig"), []),
    "semicolons": (table(ROWS, ";").encode(), ["--id", "study_id"]),
    "tabs": (table(ROWS, "\t").encode(), ["--id", "study_id"]),
    "a separator by name": (table(ROWS, "|").encode(), ["--delimiter", "pipe", "--id", "study_id"]),
    "MIMIC-CXR's sections": (
        table(ROWS, header=("study", "section_findings")).encode(),
        ["--id", "study"],
    ),
    "gzip": (gzip.compress(column().encode()), []),
    "bzip2": (bz2.compress(column().encode()), []),
    "a packed table": (gzip.compress(table(ROWS, ";").encode()), ["--id", "study_id"]),
    "zip of texts": (zipped(TEXTS), []),
    "JSON lines": (JSONL.encode(), ["--id", "study_id"]),
    "packed JSON lines": (gzip.compress(JSONL.encode()), ["--id", "study_id"]),
    "Parquet": (parquet(), ["--id", "study_id"]),
    "Parquet with bytes": (parquet(pa.binary()), ["--id", "study_id"]),
    "a zip of texts in UTF-16": (zipped([(n, t.encode("utf-16")) for n, t in TEXTS]), []),
    "a zip of packed texts": (
        zipped([(n + ".gz", gzip.compress(t.encode())) for n, t in TEXTS]),
        [],
    ),
    "other words for a report": (column("Cleaned_Text").encode(), []),
    "words that run together": (column("reportText1").encode(), []),
    "lines": ("\n".join(REPORTS).encode(), ["--lines"]),
}


@pytest.mark.parametrize("piped", [False, True], ids=["file", "stdin"])
@pytest.mark.parametrize("kind", READABLE)
def test_a_file_is_known_by_its_content(tmp_path, monkeypatch, kind, piped):
    content, arguments = READABLE[kind]
    source = tmp_path / "reports.data"
    source.write_bytes(content)
    out = tmp_path / "labels.csv"
    if piped:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Unseekable(content)))
    place = "-" if piped else str(source)
    assert main(["label", place, "-o", str(out), *arguments]) == 0
    with out.open() as file:
        head, *rows = csv.reader(file)
    assert len(rows) == 3
    edema, effusion = (head.index(name) for name in ("Edema", "Pleural Effusion"))
    assert [row[edema] for row in rows] == ["0.0", "", ""]
    assert [row[effusion] for row in rows] == ["", "1.0", ""]
    if "--id" in arguments:
        assert [row[0] for row in rows] == ["s1", "s2", "s3"]
    if kind.endswith("zip of texts"):
        assert [row[0] for row in rows] == [name for name, _ in TEXTS]


class Unseekable(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation


REFUSED = {
    "nothing": (b"", "is empty"),
    "blank lines": (b"\n \n", "is empty"),
    "a header alone": (b"report\n", "no report under it"),
    "two columns of one name": (table([], header=("report", "report")).encode(), "2 columns"),
    "two columns of text": (
        table([("a", "b")], header=("findings", "impression")).encode(),
        "more than one column of text",
    ),
    "names alone": (table([("a", "b")], header=("study_id", "split")).encode(), "no column that"),
    "a PDF": (b"%PDF-1.7 ...", "a PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture"),
    "an Office file": (zipped([("[Content_Types].xml", ""), ("xl/a.xml", "")]), "an Office file"),
    "a zip of tables": (zipped([("a.csv", "x")]), "without a .txt file (it holds 1 .csv)"),
    "a DICOM file": (bytes(128) + b"DICM" + bytes(9), "a DICOM file"),
    "binary": (b"abc\x00\x01\x02" * 9, "a binary file"),
    "a mark alone": (b"\xff\xfe", "is empty"),
    "a JSON array": (b'[{"text": "x"}]', "a JSON array"),
    "a JSON array with a mark": (b'\xef\xbb\xbf[\r\n {"text": "x"}]', "a JSON array"),
    "a JSON array of texts": (b'["No edema."]', "a JSON array"),
    "a JSON object over lines": (b'{\n "text": "No edema."\n}', "over several lines"),
    "a JSON list as a report": (b'{"text": ["No edema."]}', "row 1: its report is a list"),
    "a JSON field twice": (b'{"text": "a", "text": "b"}', "line 1: a field comes twice"),
    "XML in UTF-16": ("<?xml version='1.0'?><a/>".encode("utf-16"), "XML"),
    "a column of other text": (b"indication\nCough.\n", "no column that"),
    "an empty zip": (zipped([]), "an empty zip"),
    "a broken bzip2": (bz2.compress(column().encode() * 99)[:9] + bytes(90), "damaged or cut off"),
    "XML": (b"<?xml version='1.0'?><a/>", "XML"),
    "half a gzip": (gzip.compress(column().encode() * 99)[:-40], "damaged or cut off"),
    "a broken zip": (zipped(TEXTS)[:60], "damaged zip"),
    "broken JSON": (b'{"text": "x"}\n{"text": \n', "line 2: not a JSON object"),
    "a tar": (bytes(257) + b"ustar" + bytes(300), "a tar archive"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_holds_no_reports_is_refused_in_one_line(tmp_path, capsys, kind):
    content, message = REFUSED[kind]
    source, out = tmp_path / "reports.csv", tmp_path / "labels.csv"
    source.write_bytes(content)
    assert main(["label", str(source), "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") <= 2
    assert sorted(tmp_path.iterdir()) == [source]


def test_folders_are_read_with_their_subfolders_and_name_what_is_left_out(tmp_path, capsys):
    for name, text in [*TEXTS, ("files/p10/index.html", "x"), ("readme.md", "x")]:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "in" / "files" / "empty.txt").write_text("\n")
    out = tmp_path / "labels.csv"
    assert main(["label", str(tmp_path / "in"), "-o", str(out)]) == 0
    rows = list(csv.reader(out.open()))
    assert [row[0] for row in rows] == ["file", "files/empty.txt", *(name for name, _ in TEXTS)]
    assert "2 files are not read (1 .html, 1 .md)" in capsys.readouterr().err


def test_the_labels_never_take_the_reports_place(tmp_path, capsys):
    source, link = tmp_path / "r.csv", tmp_path / "link.csv"
    source.write_text(column())
    link.symlink_to(source)
    for output in (source, link):
        assert main(["label", str(source), "--no-text", "-o", str(output)]) == 2
        assert "holds the reports" in capsys.readouterr().err
    assert source.read_text() == column()


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no devices here")
def test_a_device_or_a_pipe_is_written_to_and_not_replaced(tmp_path):
    source, pipe = tmp_path / "r.csv", tmp_path / "pipe"
    source.write_text(column())
    assert main(["label", str(source), "-o", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert main(["label", str(source), "-o", str(pipe)]) == 0
    assert len(reader.communicate()[0].splitlines()) == 1 + len(REPORTS)
    assert pipe.is_fifo()


def test_nothing_is_printed_of_a_file_without_a_report(tmp_path, capsys):
    (tmp_path / "r.csv").write_text("report\n")
    assert main(["label", str(tmp_path / "r.csv")]) == 2
    assert capsys.readouterr().out == ""


def test_missing_values_and_other_languages_are_counted(tmp_path, capsys):
    source = tmp_path / "r.csv"
    rows = ["nan", "None", "Kein Pneumothorax, Herz nicht vergroessert.", "qwertz uiop", "Edema."]
    source.write_text("".join(f'"{row}"\n' for row in rows))
    assert main(["label", str(source), "-o", str(tmp_path / "o.csv")]) == 0
    error = capsys.readouterr().err
    assert "reports that say nan, None or the like: 2" in error
    assert "texts that don't read like a chest report in English: 2" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t", "--column", "x"], "--column doesn't go with a folder of texts"),
        (["r.csv", "--lines", "--column", "report"], "--column doesn't go with a file of lines"),
        (["r.zip", "--lines"], "--lines doesn't go with a zip archive"),
        (["r.csv", "--delimiter", "ab"], "not one character"),
        (["r.csv", "--ids"], "--ids doesn't go with labelling"),
        (["r.csv", "--json"], "name a file for them by -o"),
        (["r.csv", "--require-section"], "needs --sections"),
        (["r.csv", "--sections", " , "], "names no section"),
        (["r.csv", "--explain", "Edema."], "REPORTS doesn't go with --explain"),
        (["--explain", "Edema.", "--workers", "2"], "--workers doesn't go with --explain"),
        (["r.csv", "--compare", "a.csv", "b.csv"], "REPORTS doesn't go with two files"),
        (["r.csv", "--compare", "a.csv", "original", "-o", "x"], "-o doesn't go with --compare"),
        (["--compare", "chexpert-rules", "chexpert-clinical"], "no reports"),
        (["r.csv", "--reading", "clinical", "--labeler", "original"], "--reading is of"),
        (["r.csv", "--home", "x"], "belongs to --labeler original"),
    ],
)  # fmt: skip
def test_every_option_is_used_or_refused(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a.txt").write_text("Edema.")
    (tmp_path / "r.csv").write_text(column())
    (tmp_path / "r.zip").write_bytes(zipped(TEXTS))
    assert main(["label", *arguments]) == 2
    assert message in capsys.readouterr().err


SECTIONED = [
    "FINDINGS: No effusion.\nIMPRESSION: Edema.",
    "findings:\tno effusion. impression:\tedema.",
    "INDICATION: cough. FINDINGS: No effusion. IMPRESSION: Edema.",
    " \n FINDINGS:  No effusion.\n \n IMPRESSION:  Edema.\n",
    "  Impression : Edema.",
    "CONCLUSION: Edema.",
]


def labelled(tmp_path, reports, *arguments):
    source, out = tmp_path / "r.csv", tmp_path / "o.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([report] for report in reports)
    code = main(["label", str(source), "-o", str(out), "--no-text", *arguments])
    return list(csv.reader(out.open()))[1:] if code == 0 else code


@pytest.mark.parametrize("report", SECTIONED)
def test_a_section_is_found_however_its_header_is_written(tmp_path, report):
    (row,) = labelled(tmp_path, [report], "--sections", "Impression")
    assert row[EDEMA] == "1.0"
    assert row[1 + OBSERVATIONS.index("Pleural Effusion")] == ""


def test_a_report_without_the_section_is_read_whole_or_left_out(tmp_path, capsys):
    reports = [*SECTIONED, "No edema."]
    assert len(labelled(tmp_path, reports, "--sections", "impression")) == 7
    assert "1 report has no section impression: read whole" in capsys.readouterr().err
    required = ["--sections", "impression", "--require-section"]
    assert len(labelled(tmp_path, reports, *required)) == 6
    assert "1 report has no section impression: left out" in capsys.readouterr().err


def test_a_section_that_no_report_has_is_refused_with_what_they_have(tmp_path, capsys):
    assert labelled(tmp_path, SECTIONED, "--sections", "impresion,technique") == 2
    error = capsys.readouterr().err
    assert "no report has a section 'technique'; they have: impression (6), findings (4)" in error
    assert not (tmp_path / "o.csv").exists()


def test_cells_are_made_safe_for_spreadsheets_and_terminals(tmp_path):
    source, out = tmp_path / "r.csv", tmp_path / "o.csv"
    source.write_text('"=cmd|calc!A0 edema"\n"\x1b[31mEdema\x07"\n')
    assert main(["label", str(source), "-o", str(out)]) == 0
    assert [row[0] for row in csv.reader(out.open())][1:] == [
        "=cmd|calc!A0 edema",
        "\x1b[31mEdema\x07",
    ]
    assert main(["label", str(source), "-o", str(out), "--safe-csv"]) == 0
    assert [row[0] for row in csv.reader(out.open())][1:] == ["'=cmd|calc!A0 edema", "[31mEdema"]


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "codixr_bench.cli", "label", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell's background job ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **options,
    )  # fmt: skip


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind_and_says_so(tmp_path, sent):
    out = tmp_path / "o.csv"
    process = command("-", "-o", str(out), "--lines")
    process.stdin.write(b"Edema.\n" * 20_000)
    process.stdin.flush()
    wait_for(lambda: any(tmp_path.iterdir()))
    process.send_signal(sent)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert b"interrupted: no file was written" in error
    assert list(tmp_path.iterdir()) == []


def wait_for(condition, seconds=60.0):
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_file_of_a_run_that_was_killed_is_tidied_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".o.csv.{dead.pid}.part").write_text("half")
    (tmp_path / f".o.csv.{os.getpid()}0.part.txt").write_text("somebody's own")
    (tmp_path / "r.csv").write_text(column())
    assert main(["label", str(tmp_path / "r.csv"), "-o", str(tmp_path / "o.csv")]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f".o.csv.{os.getpid()}0.part.txt", "o.csv", "r.csv"]


def test_a_reader_that_goes_away_is_no_error_to_speak_of(tmp_path):
    source = tmp_path / "r.txt"
    source.write_text("Edema.\n" * 50_000)
    process = command(str(source), "--lines")
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.wait(timeout=60)
    assert error == b""


def test_paths_of_folders_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["label", str(tmp_path / "no"), "-o", str(Path("x") / "y" / "o.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(("mark", "given"), [("^", []), ("~", []), ("|", ["--delimiter", ","])])
def test_a_header_with_another_separator_is_not_labelled(tmp_path, capsys, mark, given):
    path, out = tmp_path / "reports.csv", tmp_path / "labels.csv"
    path.write_text(table([("s1", "No edema.")], mark))
    assert main(["label", str(path), *given, "-o", str(out)]) == 2
    assert f"a header with the separator '{mark}'" in capsys.readouterr().err
    assert not out.exists()
    assert main(["label", str(path), "--delimiter", mark, "-o", str(out)]) == 0


def test_what_macos_writes_beside_a_file_is_no_report(tmp_path):
    archive, folder, out = tmp_path / "a.zip", tmp_path / "texts", tmp_path / "labels.csv"
    archive.write_bytes(zipped([("s1.txt", "No edema."), ("__MACOSX/._s1.txt", "Mac OS X")]))
    folder.mkdir()
    (folder / "s1.txt").write_text("No edema.")
    (folder / "._s1.txt").write_text("Mac OS X")
    for place in (archive, folder):
        assert main(["label", str(place), "-o", str(out)]) == 0
        with out.open(newline="") as file:
            assert [row[0] for row in csv.reader(file)] == ["file", "s1.txt"]
