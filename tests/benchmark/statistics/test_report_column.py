"""The generated reports in a run's statistics: whose they may be, and how they are read."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr_bench.cli import main
from codixr_bench.statistics.influence import read_statistics
from codixr_bench.statistics.report_column import COLUMN, LONGEST, encoded, read_reports

LIMIT = 5


def run(out: Path, *more: str, task: str = "F->T", model: str = "real") -> Path:
    asked = ["--task", task, "--model", model, "--metrics", "bleu", "--limit", str(LIMIT)]
    assert main(["run", *asked, "--out", str(out), *more]) == 0
    return out / "statistics.parquet"


def content(*columns: pa.Array, names: tuple[str, ...] = (COLUMN,)) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(list(columns), names=list(names)), sink)
    return sink.getvalue()


def test_a_run_of_simulated_studies_keeps_its_reports_in_the_split_s_order(tmp_path: Path) -> None:
    file = run(tmp_path / "run")
    assert read_reports(file, LIMIT, "it") == tuple(PhantomDataset("test", limit=LIMIT).reports())
    assert read_reports(file.read_bytes(), LIMIT, "it") == read_reports(file, LIMIT, "it")
    # Whoever wants numbers gets them as before.
    assert COLUMN not in read_statistics(file, LIMIT)


def test_no_other_run_keeps_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(32))
    secret = run(tmp_path / "secret", "--split", "secret", "--split-key", str(key))
    several = run(tmp_path / "several", "--samples-per-study", "2")
    shown = ("--track", "openi", "--show-content")
    patients = run(tmp_path / "patients", *shown, model="noise")
    for file in (secret, several, patients):
        assert read_reports(file, LIMIT, "it") is None


def test_what_no_utf_8_can_hold_is_kept_as_a_question_mark() -> None:
    assert read_reports(content(encoded(["a\ud83d", "é"])), 2, "it") == ("a?", "é")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (encoded(["a"]), "not one report for each"),
        (pa.array(["a", None]), "not one report for each"),
        (pa.array([1, 2]), "doesn't hold reports"),
        (pa.array([b"a", b"b"]), "doesn't hold reports"),
        (encoded(["a", "b" * (LONGEST + 1)]), "over 5,000 characters"),
        (encoded(["a", "é" * (5 * LONGEST)]), "over 5,000 characters"),
    ],
    ids=["one", "none", "numbers", "bytes", "long", "very long"],
)
def test_anything_else_under_the_name_is_refused(column: pa.Array, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_reports(content(column), 2, "it")


def test_a_small_file_that_unpacks_to_much_is_refused_before_it_does() -> None:
    n = 2_000
    packed = content(pa.array(["a" * LONGEST] * n))
    assert len(packed) < 20_000
    with pytest.raises(InputError, match="over 4,000,000 bytes of reports"):
        read_reports(packed, n, "it")


def test_a_damaged_file_and_two_columns_of_the_name_are_refused() -> None:
    with pytest.raises(InputError, match="not a statistics file"):
        read_reports(b"PAR1 and nothing else", 2, "it")
    twice = content(encoded(["a"]), encoded(["b"]), names=(COLUMN, COLUMN))
    with pytest.raises(InputError):
        read_reports(twice, 1, "it")
