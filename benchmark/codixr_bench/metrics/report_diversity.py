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
from codixr_bench.metric import About, Columns, Facts, Family
from codixr_bench.metrics.diversity import NO_PAIRS, collapse_warnings
from codixr_bench.metrics.label_pairs import label_keys, partners
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.influence import influence_columns
from codixr_bench.statistics.influence_interval import influence_interval
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
            self._made[position] = (_words(made), _words(real), int(key))

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._made |= other._made

    def compute(self) -> list[Score]:
        """The three scores, with intervals from what each study does to them."""
        n = len(self._made)
        found = []
        for name, (value, influence, reason) in self._measured().items():
            interval = None
            if value is not None:
                most = np.inf if name == "diversity_report" else 1.0
                interval = influence_interval(value, influence, patients_of(n), 0.0, most)
            found.append(
                Score(
                    name=name,
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=name != "template_share",
                    signature=f"{name}|words|n:{n}|ci:influence",
                )
            )
        return found

    def statistics(self) -> Columns:
        """What each study does to each score."""
        return influence_columns(self._measured())

    def _measured(self) -> dict[str, tuple[float | None, Array, str | None]]:
        rows = [self._made[position] for position in sorted(self._made)]
        nothing = np.zeros(0)
        if not rows:
            return dict.fromkeys(_SCORES, (None, nothing, "no study was scored"))
        n = len(rows)
        made = [row[0] for row in rows]
        often = Counter(made)
        top = {
            report
            for report, _ in sorted(often.items(), key=lambda one: (-one[1], one[0]))[:TEMPLATES]
        }
        is_template = np.array([float(report in top) for report in made])
        seen = Counter(pair for report in made for pair in _pairs(report))
        total = float(max(1, sum(seen.values())))
        distinct = len(seen) / total
        # A pair that a report alone has is lost with it.
        own = np.array(
            [sum(seen[p] == k for p, k in Counter(_pairs(r)).items()) for r in made], dtype=float
        )
        written = np.array([float(len(_pairs(report))) for report in made])
        by_study = n * (own - distinct * written) / total
        return {
            "diversity_report": self._varied(rows),
            "template_share": (
                float(is_template.mean()),
                is_template - is_template.mean(),
                None,
            ),
            "distinct_2": (distinct, by_study - by_study.mean(), None),
        }

    def _varied(
        self, rows: Sequence[tuple[_Words, _Words, int]]
    ) -> tuple[float | None, Array, str | None]:
        other = partners(np.array([row[2] for row in rows]))
        which = np.flatnonzero(other >= 0)
        if not len(which):
            return None, np.zeros(0), NO_PAIRS
        couples = [(rows[int(i)], rows[int(other[i])]) for i in which]
        made = np.array([_apart(one[0], two[0]) for one, two in couples])
        real = np.array([_apart(one[1], two[1]) for one, two in couples])
        whole = float(real.mean())
        if whole <= 0.0:
            return None, np.zeros(0), ONE_REPORT
        ratio = float(made.mean()) / whole
        influence = np.zeros(len(rows))
        influence[which] = (made - ratio * real) / whole * (len(rows) / len(which))
        return ratio, influence - influence.mean(), None


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
            highest=np.inf if name == "diversity_report" else 1.0,
            by_study=False,
            sure_below_one_study=name == "distinct_2",
        )
        for name in _SCORES
    }

    def metrics(self, task: Task, track: Track) -> list[ReportDiversity]:
        """One, where the task makes reports."""
        return [ReportDiversity()] if Modality.T in task.outputs else []

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """Reports that are far less varied than real ones."""
        yield from collapse_warnings(scores, LEAST)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """One study's report for all."""
        return [dict(samples[0]) for _ in samples]


DIVERSITY_REPORT = DiversityOfReports()


def _words(report: str) -> _Words:
    return tuple("".join(c if c.isalnum() else " " for c in report.lower()).split())


def _pairs(words: _Words) -> list[tuple[str, str]]:
    return list(pairwise(words))


def _apart(one: _Words, other: _Words) -> float:
    first, second = (set(_pairs(words) or pairwise((*words, ""))) for words in (one, other))
    every = first | second
    return 1.0 - len(first & second) / len(every) if every else 0.0
