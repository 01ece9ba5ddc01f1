"""``diversity_report``, ``template_share``: does a model write more than a few reports?

``diversity_report`` pairs each study with the next one of the same labels: 1 less the overlap of
the two generated reports' sets of word pairs (Jaccard), over the same of the real ones. 1 is as
varied as real reports, 0 is one report a set of labels. ``template_share`` is the share of
generated reports that are one of the ten most frequent ones. ``distinct_2`` is the share of
distinct word pairs among all that were written (Li et al. 2016): it falls with n.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.diversity import collapse_warnings
from codixr_bench.metrics.influence_score import Measured, influence_score
from codixr_bench.metrics.label_pairs import (
    APART,
    NO_PAIRS,
    Pairs,
    label_keys,
    pair_faults,
    partners,
    ratio_of_columns,
)
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.influence import influence_columns
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

LEAST = {"diversity_report": 0.4}
TEMPLATES = 10
ONE_REPORT = "the real reports of the same labels are all alike"
_SCORES = ("diversity_report", "template_share", "distinct_2")
Array = NDArray[np.float64]
_Words = tuple[str, ...]


class ReportDiversity:
    """Of the generated reports."""

    name = "diversity_report"
    has_skill = False

    def __init__(self) -> None:
        self._made: dict[int, tuple[_Words, _Words, int]] = {}

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or a sample without one."""
        keys = label_keys(studies)
        texts = report_pairs(positions, studies, samples, blank=True)
        for position, key, (real, made) in zip(positions, keys, texts, strict=True):
            self._made[position] = (report_words(made), report_words(real), int(key))

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._made |= other._made

    def compute(self) -> list[Score]:
        """The three scores, with intervals from what each study does to them."""
        n = len(self._made)
        return [
            influence_score(
                name,
                measured,
                n=n,
                higher_is_better=name != "template_share",
                signature=f"{name}|words",
                lowest=0.0,
                highest=np.inf if name.startswith("diversity") else 1.0,
            )
            for name, measured in self._measured().items()
        ]

    def statistics(self) -> Columns:
        """What each study does to each score, and what they are computed from.

        ``template_share.report`` numbers the distinct reports. Of a report's word pairs,
        ``distinct_2.written`` counts all, ``distinct_2.first`` those that no study before it has,
        ``distinct_2.own`` those that only it has. ``diversity_report.apart``: how unlike its
        partner's it is.
        """
        rows = self._in_order()
        if not rows:
            return {}
        apart = {f"diversity_report{APART}": _pairs_of(rows).column()}
        words = _columns_of([row[0] for row in rows])
        return {**influence_columns(self._measured()), **words, **apart}

    def _in_order(self) -> list[tuple[_Words, _Words, int]]:
        return [self._made[position] for position in sorted(self._made)]

    def _measured(self) -> dict[str, Measured]:
        rows = self._in_order()
        if not rows:
            return dict.fromkeys(_SCORES, (None, np.zeros(0), "no study was scored"))
        of_words = _of_columns(_columns_of([row[0] for row in rows]))
        return {"diversity_report": _pairs_of(rows).ratio(ONE_REPORT)} | {
            name: (one.value, one.by_study, None) for name, one in of_words.items()
        }


def _pairs_of(rows: Sequence[tuple[_Words, _Words, int]]) -> Pairs:
    partner = partners(np.array([row[2] for row in rows]))
    which = np.flatnonzero(partner >= 0)
    couples = [(rows[int(i)], rows[int(partner[i])]) for i in which]
    made = np.array([words_apart(one[0], two[0]) for one, two in couples])
    real = np.array([words_apart(one[1], two[1]) for one, two in couples])
    return Pairs(which, made, real, len(rows))


def _columns_of(made: Sequence[_Words]) -> dict[str, NDArray[np.generic]]:
    """What each report gives to ``template_share`` and ``distinct_2``."""
    number = {report: place for place, report in enumerate(sorted(set(made)))}
    often = Counter(pair for report in made for pair in _pairs(report))
    seen: set[tuple[str, str]] = set()
    first = []
    for report in made:
        new = set(_pairs(report)) - seen
        seen |= new
        first.append(len(new))
    own = [sum(often[p] == k for p, k in Counter(_pairs(r)).items()) for r in made]
    columns = {
        "template_share.report": [number[report] for report in made],
        "distinct_2.written": [len(_pairs(report)) for report in made],
        "distinct_2.first": first,
        "distinct_2.own": own,
    }
    return {name: np.array(column, dtype=np.int32) for name, column in columns.items()}


def _of_columns(columns: Columns) -> dict[str, Influence]:
    """``template_share`` and ``distinct_2``, where their columns are there."""
    found = {}
    if (report := columns.get("template_share.report")) is not None:
        numbers, often = np.unique(report, return_counts=True)
        top = numbers[np.lexsort((numbers, -often))[:TEMPLATES]]
        is_template = np.isin(report, top).astype(np.float64)
        share = float(is_template.mean())
        found["template_share"] = Influence(is_template - share, share)
    words = [columns.get(f"distinct_2.{kind}") for kind in ("first", "own", "written")]
    if not any(column is None for column in words):
        first, own, written = (np.asarray(column, dtype=np.float64) for column in words)
        total = max(1.0, float(written.sum()))
        distinct = float(first.sum()) / total
        # A pair that a report alone has is lost with it.
        by_study = len(own) * (own - distinct * written) / total
        found["distinct_2"] = Influence(by_study - by_study.mean(), distinct)
    return found


class DiversityOfReports(Family):
    """How varied generated reports are: among studies of the same labels, and in their words."""

    name = "diversity_report"
    card = "diversity.md"
    on_trial = False
    reasons = (*Family.reasons, NO_PAIRS, ONE_REPORT)
    scores = {  # noqa: RUF012
        name: Facts(
            higher_is_better=name != "template_share",
            about=About.REPORT,
            lowest=0.0,
            highest=np.inf if name.startswith("diversity") else 1.0,
            by_study=False,
            sure_below_one_study=name == "distinct_2",
        )
        for name in (*_SCORES, "diversity_within_report")
    }

    def metrics(self, task: Task, track: Track) -> list[ReportDiversity]:
        """One, where the task makes reports."""
        return [ReportDiversity()] if Modality.T in task.outputs else []

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """Of the words from what each report gives, where that is there; else the stored ones."""
        return super().influences(columns) | _of_columns(columns)

    def column_faults(self, columns: Columns) -> Problems:
        """Word pairs that no report has; one report that has two counts, or is new twice."""
        yield from pair_faults("diversity_report", columns)
        report = columns.get("template_share.report")
        words = [columns.get(f"distinct_2.{kind}") for kind in ("written", "first", "own")]
        if report is None or any(column is None for column in words):
            return
        written, first, own = (np.asarray(column, dtype=np.int64) for column in words)
        if min(column.min() for column in (written, first, own)) < 0:
            yield "distinct_2.written", "a count below 0"
        elif (own > written).any() or (first > written).any():
            yield "distinct_2.own", "more word pairs than were written"
        numbers, at, back = np.unique(report, return_index=True, return_inverse=True)
        if not np.array_equal(numbers, np.arange(len(numbers))):
            yield "template_share.report", "reports are numbered from 0 on"
        if (written != written[at][back]).any():
            yield "distinct_2.written", "two counts of one report"
        again = np.ones(len(back), dtype=np.bool_)
        again[at] = False
        if first[again].any() or own[np.isin(back, back[again])].any():
            yield "distinct_2.first", "word pairs that are new in a report written before"

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """``diversity_report`` from how unlike the pairs are, over those of the real outputs."""
        return ratio_of_columns("diversity_report", columns, real)

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """Reports that are far less varied than real ones."""
        yield from collapse_warnings(scores, LEAST)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """One study's report for all."""
        return [dict(samples[0]) for _ in samples]


DIVERSITY_REPORT = DiversityOfReports()


def report_words(report: str) -> _Words:
    """Its words, in lower case."""
    return tuple("".join(c if c.isalnum() else " " for c in report.lower()).split())


def _pairs(words: _Words) -> list[tuple[str, str]]:
    return list(pairwise(words))


def words_apart(one: _Words, other: _Words) -> float:
    """1 - Jaccard's overlap of their sets of word pairs."""
    first, second = (set(_pairs(words) or pairwise((*words, ""))) for words in (one, other))
    every = first | second
    return 1.0 - len(first & second) / len(every) if every else 0.0
