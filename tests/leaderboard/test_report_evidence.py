"""Counts of words, labels and copies are those of the row's reports, or the row is refused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metric import Prepares
from codixr_bench.result import Result
from codixr_bench.runs import recount
from codixr_bench.runs.finish import encode_statistics
from codixr_bench.statistics.influence import as_pseudovalues
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track
from codixr_leaderboard.report_evidence import ReportEvidence, reports_evidence
from codixr_leaderboard.statistics_file import Table, read_table, slim
from helpers.committed_rows import committed

N = 24
"""Studies, of the test split; its counts are as exact as those of 2,000."""
TRACK = Track.load("phantom")
DATA = PhantomDataset("test", limit=N)
REAL = DATA.reports()
MADE = [REAL[i if i % 3 else i - 1] for i in range(N)]
"""Every third study has another one's report."""
COUNTED = {
    *(f"bleu_{order}" for order in (1, 2, 3, 4)),
    *(f"label_f1_{average}" for average in ("micro", "macro", "weighted")),
    *(f"attribute_f1_{kind}" for kind in ("side", "zone", "severity", "device")),
    *("sacrebleu", "rouge_l", "non_report_share", "diversity_report", "template_share"),
    *("distinct_2", "copies_report", "copies_of_test_report", "testable_reports", "own_wording"),
}


class FewTraining(Evaluation):
    def training(self) -> PhantomDataset:
        return PhantomDataset("train", limit=300)


@pytest.fixture(autouse=True)
def few_studies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(recount, "Evaluation", FewTraining)
    monkeypatch.setattr(recount, "_dataset", lambda *_: DATA)
    recount._counted.cache_clear()
    yield
    recount._counted.cache_clear()


def run(made: Sequence[str]) -> tuple[Result, Table]:
    """What a run of the studies leaves, of the metrics that read reports."""
    scores, columns = [], {}
    for metric in TRACK.metrics(Task.parse("F->T")):
        if isinstance(metric, Prepares):
            metric.prepare(FewTraining(TRACK, DATA))
        studies = DATA.without_pictures()
        metric.update(range(N), studies, [{Modality.T: report} for report in made])
        scores += metric.compute()
        columns |= metric.statistics()
    base = committed("codixr", "F->T")[0]
    track = base.track.model_copy(update={"n": N, "fingerprint": DATA.fingerprint})
    values = {score.name: score.value for score in scores}
    result = base.model_copy(update={"track": track, "scores": tuple(scores)})
    return result, as_pseudovalues(columns, values)


def held(result: Result, table: Table, reports: Sequence[str] | None) -> ReportEvidence:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "statistics.parquet"
        path.write_bytes(encode_statistics(table, N, reports))
        content = slim(path)
    return reports_evidence(result, read_table(content, N, "it"), content, "it")


@pytest.fixture(scope="module")
def row() -> tuple[Result, Table]:
    return run(MADE)


def test_every_score_of_reports_is_counted_again(row: tuple[Result, Table]) -> None:
    found = held(*row, MADE)
    assert found.problems == ()
    assert found.counted == COUNTED
    assert {score.name for score in row[0].scores} <= COUNTED


def better_labels(table: dict[str, np.ndarray]) -> None:
    for name in [name for name in table if ".hypothesis." in name]:
        table[name] = table[name.replace(".hypothesis.", ".reference.")]


def more_matches(table: dict[str, np.ndarray]) -> None:
    table["bleu.match_4"] = np.minimum(table["bleu.match_4"] + 1, table["bleu.match_3"])


def longer(table: dict[str, np.ndarray]) -> None:
    table["rouge.rouge_l"] = np.full(N, 0.97)


def unknown_words(table: dict[str, np.ndarray]) -> None:
    table["own_wording.gained"] = np.minimum(table["own_wording.gained"], 0.0)


def right_statements(table: dict[str, np.ndarray]) -> None:
    for kind in ("side", "zone", "severity", "device"):
        for count in ("both", "made"):
            table[f"attributes.{kind}.{count}"] = table[f"attributes.{kind}.real"]


def no_copies(table: dict[str, np.ndarray]) -> None:
    table["copies_of_test_report.yes"] = np.zeros(N, dtype=np.int8)


def more_varied(table: dict[str, np.ndarray]) -> None:
    table["diversity_report.apart"] = np.maximum(table["diversity_report.apart"], 0.9)


def other_numbers(table: dict[str, np.ndarray]) -> None:
    table["template_share.report"] = np.arange(N, dtype=np.int32)


def bent_influence(table: dict[str, np.ndarray]) -> None:
    name = "diversity_report.pseudovalue"
    table[name] = np.roll(table[name], 1)


def lacking(table: dict[str, np.ndarray]) -> None:
    del table["distinct_2.own"]


def all_reports(table: dict[str, np.ndarray]) -> None:
    table["report_labels.is_report"] = np.ones(N, dtype=np.int8)


FORGED = (
    better_labels,
    more_matches,
    longer,
    unknown_words,
    right_statements,
    no_copies,
    more_varied,
    other_numbers,
    bent_influence,
    lacking,
)


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_columns_of_better_reports_than_those_beside_are_refused(forge, row) -> None:
    result, table = row
    forged = dict(table)
    forge(forged)
    assert set(forged) != set(table) or any((forged[n] != table[n]).any() for n in table)
    found = held(result, forged, MADE).problems
    assert found
    assert all("the reports give" in problem.reason for problem in found)


def test_better_reports_than_those_counted_are_refused(row) -> None:
    found = "\n".join(map(str, held(*row, REAL).problems))
    assert "'bleu.match_1': not what the reports give, in" in found
    assert "'report_labels.hypothesis." in found


def test_a_word_in_a_loop_counts_as_no_report() -> None:
    made = [*MADE[:-1], "line " * 60]
    result, table = run(made)
    assert held(result, table, made).problems == ()
    found = held(result, {**table, "report_labels.is_report": np.ones(N, dtype=np.int8)}, made)
    (problem,) = found.problems
    assert str(problem) == (
        "statistics: 'report_labels.is_report': not what the reports give, in 1 studies"
    )


def test_a_row_without_its_reports_is_asked_for_them(row) -> None:
    (problem,) = held(*row, None).problems
    assert problem.reason == "without 'report', what was written: score again"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No \u202eacute disease.", "1 hold characters that nobody sees"),
        ("No\u200b acute disease.", "1 hold characters that nobody sees"),
        ("No acute\x1b[31m disease.", "1 hold characters that nobody sees"),
        ("Compared with s51234567.", "1 hold what looks like an identifier"),
        ("Compared with 2019-03-04.", "1 hold what looks like an identifier"),
    ],
)
def test_hidden_characters_and_identifiers_are_refused_and_not_repeated(text, reason, row) -> None:
    (problem,) = held(*row, [*MADE[:-1], text]).problems
    assert problem.field == "report"
    assert problem.reason.startswith(reason)
    assert "disease" not in problem.reason


def test_markup_is_text_like_any_other_and_counted(row) -> None:
    """Tokenizers leave ``<unk>``; what makes it harmless is that no page shows a report."""
    made = [*MADE[:-1], "<script>alert(1)</script> no effusion <unk>"]
    result, table = run(made)
    assert held(result, table, made).problems == ()


def test_reports_of_a_task_that_makes_none_and_of_other_studies_are_refused(row) -> None:
    result, table = row
    picture = result.model_copy(update={"task": "T->F"})
    (problem,) = held(picture, table, MADE).problems
    assert problem.reason == "reports beside a task that makes none"
    other = result.track.model_copy(update={"fingerprint": "0" * 64})
    (problem,) = held(result.model_copy(update={"track": other}), table, MADE).problems
    assert "other studies than track 'phantom' has here" in problem.reason
