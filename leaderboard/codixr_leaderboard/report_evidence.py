"""Do a row's reports give the words, labels and copies that its statistics count?

Where a task makes reports, a row of a simulated track carries them: what a program wrote of studies
that nobody has lived. Everything that reads reports alone is counted again, study by study, with
the code of a run. Their text is never printed, and no page shows it.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.grammar import labels_from_report
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metric import INFLUENCE, Column, Columns
from codixr_bench.result import Result
from codixr_bench.runs.recount import counted_again
from codixr_bench.statistics.influence import as_influences
from codixr_bench.statistics.report_column import COLUMN, read_reports
from codixr_bench.task import Task
from codixr_leaderboard.checks import Problem, looks_like_identifier
from codixr_leaderboard.statistics_file import Table

ROUNDING = 1e-6
"""Of a number counted again, absolute and relative above 1: sums of another order."""
_LAYOUT = frozenset("\n\r\t")
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_BLANK = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0,
              *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)  # fmt: skip
"""Letters, signs and marks that are drawn as nothing: fillers, and selectors of a glyph's variant,
in which a text can be hidden."""
_FOUND = "report_image_agreement.generated.T"


@dataclass(frozen=True)
class ReportEvidence:
    """What a row's reports show."""

    counted: frozenset[str] = frozenset()
    """Scores whose columns were counted again."""
    problems: tuple[Problem, ...] = ()


def reports_evidence(result: Result, table: Table, content: bytes, what: str) -> ReportEvidence:
    """Hold the columns of a row against its reports.

    Args:
        result: of the row.
        table: the numbers of its statistics.
        content: their file.
        what: its name in messages.

    Raises InputError for reports that can't be read.
    """
    reports = read_reports(content, result.track.n, what)
    makes_reports = Modality.T in Task.parse(result.task).outputs
    if not makes_reports:
        said = "reports beside a task that makes none"
        return ReportEvidence(problems=() if reports is None else (Problem("statistics", said),))
    if reports is None:
        said = f"without '{COLUMN}', what was written: score again"
        return ReportEvidence(problems=(Problem("statistics", said),))
    if problems := tuple(_text_problems(reports)):
        return ReportEvidence(problems=problems)
    try:
        columns, counted = counted_again(result, reports)
    except InputError as error:
        return ReportEvidence(problems=(Problem("statistics", str(error)),))
    columns = {**columns, **_agreement(table, reports)}
    return ReportEvidence(counted, tuple(_column_problems(table, columns)))


def _text_problems(reports: tuple[str, ...]) -> Iterator[Problem]:
    """What no report of a simulated study has a use for; said with its count, and not repeated."""
    unseen = sum(any(map(_is_unseen, set(report))) for report in reports)
    if unseen:
        said = f"{unseen:,} hold characters that nobody sees or that turn the text's direction"
        yield Problem(COLUMN, said)
    named = sum(map(looks_like_identifier, reports))
    if named:
        yield Problem(COLUMN, f"{named:,} hold what looks like an identifier or a date")


def _is_unseen(character: str) -> bool:
    is_unseen = unicodedata.category(character) in _UNSEEN or character in _BLANK
    return is_unseen and character not in _LAYOUT


def _agreement(table: Table, reports: tuple[str, ...]) -> Columns:
    """What an agreement reads of the reports, where the task makes a picture too."""
    if _FOUND not in table:
        return {}
    labels = [labels_from_report(report) for report in reports]
    rows = [[float(found.get(name) == 1) for name in PATHOLOGIES] for found in labels]
    return {_FOUND: np.array(rows)}


def _column_problems(table: Table, again: Columns) -> Iterator[Problem]:
    stored, _ = as_influences(table)
    for name, values in again.items():
        column = stored.get(name)
        if column is None:
            yield Problem("statistics", f"without '{name}', which the reports give: score again")
            continue
        if name.endswith(INFLUENCE):
            values = values - values.mean()
        other = _differing(column, values)
        if other:
            said = f"'{name}': not what the reports give, in {other:,} studies"
            yield Problem("statistics", said)


def _differing(stored: Column, again: Column) -> int:
    """How many studies' numbers differ; all of them where the form does."""
    if stored.shape != again.shape:
        return len(again)
    one, other = (np.asarray(x, dtype=np.float64).reshape(len(again), -1) for x in (stored, again))
    apart = np.abs(one - other) > ROUNDING * np.maximum(1.0, np.abs(other))
    return int(apart.any(axis=1).sum())
