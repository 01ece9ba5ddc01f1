"""Label F1 of generated reports (Table V): do they say of the patient what the real ones say?

Both texts are read by the same labeler; its name and version stand in the signature. Observations
are the paper's ten and No Finding. As in Table V, ``label_f1_macro`` is the mean over the ten,
while ``label_f1_micro`` and ``label_f1_weighted`` include No Finding.

Notable:
- Uncertain labels (-1) go by a named policy: ``u-zeros`` (not positive; the default), ``u-ones``
  (positive), ``u-ignore`` (the study is left out of that observation). Whatever else is not 1 is
  not positive.
- An observation whose reference labels are all of one kind is null, with the reason, and left out
  of macro and weighted; the signature says so. Numbers equal sklearn's ``f1_score`` elsewhere.
- A text that is no chest report (``labeler/nonreports.py``) has no positive label, though the
  labeler would give it No Finding; ``non_report_share`` counts them apart.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.canary import check
from codixr_bench.labeler.interface import Labeler, load_labeler, signature
from codixr_bench.labeler.labels import Labels
from codixr_bench.labeler.nonreports import is_report
from codixr_bench.metric import (
    INFLUENCE,
    About,
    Columns,
    Facts,
    Family,
    Influence,
    Peer,
    PeerScore,
    Problems,
)
from codixr_bench.metrics.average_checks import average_faults, average_problems
from codixr_bench.metrics.peers import StatePeer, by_class
from codixr_bench.metrics.per_class import (
    AVERAGES,
    Averaged,
    average_f1,
    cells_of,
    class_scores,
    few_caveat,
    interval_name,
    interval_of,
)
from codixr_bench.metrics.reports import WRONG_FINDINGS, report_pairs
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.stored_labels import (
    BLANK,
    CLASSES,
    POLICIES,
    TEN,
    Stored,
    from_labels,
    label_f1,
    policy_of,
    read_labels,
)
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.score import ClassScore, Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.class_intervals import ClassIntervals, f1_intervals
from codixr_bench.task import Task
from codixr_bench.track import Track

_PLACES = [OBSERVATIONS.index(name) for name in CLASSES]

Mask = NDArray[np.bool_]


class ReportLabelsMetric:
    """``label_f1_micro|macro|weighted`` and ``non_report_share`` of generated reports.

    Args:
        labeler: reads the generated and the real report alike.
        uncertain: one of ``POLICIES``.
    """

    name = "report_labels"

    def __init__(self, labeler: Labeler, uncertain: str = "u-zeros") -> None:
        if uncertain not in POLICIES:
            raise InputError(
                f"uncertain policy '{uncertain}' is none of {', '.join(POLICIES)} (the track's "
                "recipe names it: backbones.uncertain)"
            )
        self.labeler = labeler
        self.uncertain = uncertain
        self._rows = Rows()
        self._unread: list[tuple[tuple[int, ...], list[tuple[str, str]]]] = []
        """Positions, and (real, generated) reports that a slow starter reads at the end."""
        self._checked = False

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or sample without one.

        The labeler proves itself on the canary first.
        """
        if not self._checked:
            check(self.labeler)
            self._checked = True
        self._unread.append((tuple(positions), list(report_pairs(positions, studies, samples))))
        if not getattr(self.labeler, "starts_slowly", False):
            self._label()

    def _label(self) -> None:
        """Have the labeler read what waits for it, all at once."""
        if not self._unread:
            return
        positions = [position for part, _ in self._unread for position in part]
        pairs = [pair for _, part in self._unread for pair in part]
        self._unread.clear()
        labels = _stored(
            self.labeler.label([made for _, made in pairs] + [true for true, _ in pairs])
        )
        self._rows.add(
            positions,
            {
                "hypothesis": labels[: len(pairs)],
                "reference": labels[len(pairs) :],
                "report": np.array([is_report(made) for _, made in pairs], dtype=np.bool_),
            },
        )

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._unread += other._unread
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """Label F1 micro, macro and weighted, then the share of non-reports."""
        self._label()
        n = len(self._rows)
        if n == 0:
            names = [f"label_f1_{average}" for average in AVERAGES]
            return [_unscored(name, up=True) for name in names] + [
                _unscored("non_report_share", up=False)
            ]
        predicted, labels, report = self._read()
        once = average_f1(predicted, labels, np.ones((1, n)), TEN)
        intervals = f1_intervals(predicted.T, (labels == 1).T, (labels == 0).T, patients_of(n), TEN)
        by_class = class_scores(CLASSES, once, intervals, labels, of="reference")
        scores = [self._score(average, once, intervals, by_class, n) for average in AVERAGES]
        return [*scores, self._non_reports(report)]

    def peer(self) -> Peer:
        """scikit-learn's ``f1_score`` of the same labels."""
        return StatePeer(self._by_library)

    def _by_library(self) -> list[PeerScore]:
        from sklearn.metrics import f1_score

        self._label()
        if not len(self._rows):
            return []
        predicted, labels, _ = self._read()
        return by_class("label_f1_{}".format, f1_score, predicted.astype(np.int8), labels, TEN)

    def statistics(self) -> Columns:
        """``report_labels.hypothesis|reference.<observation>``, 1, 0, -1 or -2 (not mentioned).

        Also ``report_labels.is_report``, and ``label_f1_….influence``: what each study does to a
        score, which depends on the policy.
        """
        self._label()
        columns = self._rows.columns()
        if not columns:
            return {}
        found = {
            f"{self.name}.{kind}.{name}": columns[kind][:, c]
            for kind in ("hypothesis", "reference")
            for c, name in enumerate(CLASSES)
        }
        found[f"{self.name}.is_report"] = columns["report"]
        predicted, labels, _ = self._read()
        for average, one in average_f1(predicted, labels, None, TEN).influences():
            if np.isfinite(one.by_study).all():
                found[f"label_f1_{average}{INFLUENCE}"] = one.by_study
        return found

    def _read(self) -> tuple[Mask, Stored, Mask]:
        """Predicted positives [n, 11]; labels [n, 11], 1, 0 or unknown; is it a report [n]."""
        columns = self._rows.columns()
        made, real, report = (columns[kind] for kind in ("hypothesis", "reference", "report"))
        return (*read_labels(made, real, report, self.uncertain), np.asarray(report, np.bool_))

    def _score(
        self,
        average: str,
        once: Averaged,
        intervals: ClassIntervals,
        by_class: Mapping[str, ClassScore],
        n: int,
    ) -> Score:
        classes = PATHOLOGIES if average == "macro" else CLASSES
        left_out = [name for name in classes if by_class[name].value is None]
        value = float(getattr(once, average)[0])
        known = np.isfinite(value)
        parts = [
            "label_f1",
            f"avg:{average}",
            f"labeler:{signature(self.labeler)}",
            f"uncertain:{self.uncertain}",
            "classes:ten" if average == "macro" else "classes:ten+No Finding",
        ]
        if left_out and average != "micro":
            parts.append(f"left-out:{','.join(left_out)}")
        return Score(
            name=f"label_f1_{average}",
            value=value if known else None,
            reason=None if known else "no observation has reference labels of both kinds",
            ci95=interval_of(getattr(intervals, average)) if known else None,
            n=n,
            higher_is_better=True,
            per_class=dict(by_class) if average == "macro" else {},
            signature="|".join([*parts, f"n:{n}", interval_name("f1", average)]),
        )

    def _non_reports(self, report: Mask) -> Score:
        value, interval = mean_of_studies((~report).astype(np.float64))
        return Score(
            name="non_report_share",
            value=value,
            ci95=interval,
            n=len(report),
            higher_is_better=False,
            signature=f"non_report_share|n:{len(report)}|ci:{MID_P}",
        )


class ReportLabels(Family):
    """Label F1 of generated reports, by the track's ``backbones.report_labels`` and ``.uncertain``.

    Without them: the default labeler, and ``u-zeros``.
    """

    name = "report_labels"
    card = "label_f1.md"
    reasons = (
        *Family.reasons,
        "all reference labels are (present|absent)",
        "no label is known",
        "no observation has reference labels of both kinds",
    )
    scores = {
        f"label_f1_{average}": Facts(
            higher_is_better=True,
            about=About.REPORT,
            lowest=0.0,
            highest=1.0,
            primary=average == "macro",
            place=40 if average == "macro" else None,
            title="label F1" if average == "macro" else "",
            pin="label_f1",
        )
        for average in AVERAGES
    } | {
        "non_report_share": Facts(
            higher_is_better=False, about=About.REPORT, lowest=0.0, highest=1.0
        )
    }

    sees = MappingProxyType({f"label_f1_{average}": WRONG_FINDINGS for average in AVERAGES})
    """Side, zone and severity are no labels: it is blind to them."""

    def metrics(self, task: Task, track: Track) -> list[ReportLabelsMetric]:
        """One, where ``task`` makes reports."""
        if Modality.T not in task.outputs:
            return []
        named = track.backbones.get("report_labels", DEFAULT)
        labeler = load_labeler(named, track.labeler_home)
        return [ReportLabelsMetric(labeler, track.backbones.get("uncertain", POLICIES[0]))]

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """Those of label F1 from the stored labels; that of non-reports from ``is_report``."""
        found = super().influences(columns)
        found |= from_labels(columns, found)
        report = columns.get(f"{self.name}.is_report")
        if report is not None:
            share = 1.0 - np.asarray(report, dtype=np.float64)
            found["non_report_share"] = Influence(share - share.mean(), float(share.mean()))
        return found

    def of_group(
        self, columns: Columns, scores: Mapping[str, Score], without: Collection[str] = ()
    ) -> dict[str, Influence]:
        """By the policy in the signature, and without these observations."""
        found = super().of_group(columns, scores)
        for name, score in scores.items():
            if name.startswith("label_f1_"):
                found |= label_f1(columns, name, policy_of(score.signature), without)
        return found

    def about_studies(self, column: str) -> bool:
        """What the labeler reads in the real reports."""
        return column.startswith(f"{self.name}.reference.")

    def column_faults(self, columns: Columns) -> Problems:
        """Labels that there are not."""
        for column, values in columns.items():
            if column.startswith(f"{self.name}.") and not np.isin(values, (BLANK, -1, 0, 1)).all():
                yield column, "a label that no report has"

    def cells(self, score: Score, label: str, columns: Columns) -> dict[str, Mask]:
        """By the policy that stands in the signature."""
        made = columns.get(f"{self.name}.hypothesis.{label}")
        real = columns.get(f"{self.name}.reference.{label}")
        report = columns.get(f"{self.name}.is_report")
        if made is None or real is None or report is None:
            return {}
        policy = policy_of(score.signature)
        predicted, labels = read_labels(made[:, None], real[:, None], report, policy)
        return cells_of(predicted[:, 0], labels[:, 0] == 1, labels[:, 0] != BLANK)

    def arithmetic(self, scores: Mapping[str, Score], *, simulated: bool) -> Problems:
        """Averages from classes, F1 from counts; macro is of the ten without No Finding."""
        yield from average_problems(scores, "label_f1", "", simulated=simulated, no_finding=False)

    def caveats(self, score: Score) -> Iterator[str]:
        """Classes with few positives or negatives."""
        yield from few_caveat(score)

    def signature_faults(self, score: Score) -> Iterator[str]:
        """The kind of score and of average stand in it."""
        if score.name == "non_report_share":
            yield from super().signature_faults(score)
        else:
            yield from average_faults(score.name, score.signature)


REPORT_LABELS = ReportLabels()


def _unscored(name: str, *, up: bool) -> Score:
    return Score(
        name=name,
        value=None,
        reason="no study was scored",
        n=0,
        higher_is_better=up,
        signature=f"{name}|n:0",
    )


def _stored(labels: Sequence[Labels]) -> Stored:
    rows = [[BLANK if row[i] is None else row[i] for i in _PLACES] for row in labels]
    return np.array(rows, dtype=np.int8).reshape(len(rows), len(CLASSES))
