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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy import generic
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
from codixr_bench.metrics.per_class import class_score, f1_of_counts
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import ClassScore, Score
from codixr_bench.statistics.bootstrap import in_chunks, percentile_interval, resample_weights
from codixr_bench.task import Task

if TYPE_CHECKING:
    from codixr_bench.metric import Metric
    from codixr_bench.track import Track

POLICIES = ("u-zeros", "u-ones", "u-ignore")
CLASSES: tuple[str, ...] = (*PATHOLOGIES, "No Finding")
AVERAGES = ("micro", "macro", "weighted")
BLANK = -2
"""How "not mentioned" is stored; 1, 0 and -1 are stored as they are."""

_PLACES = [OBSERVATIONS.index(name) for name in CLASSES]
_TEN = len(PATHOLOGIES)
_CHUNK = 4_000_000
"""Resampled weights held at a time: 32 MB."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Stored = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Averaged:
    """F1 of R resamples; NaN where it is undefined."""

    per_class: Array
    """[R, 11]."""
    micro: Array
    """[R]; of all eleven."""
    macro: Array
    """[R]; of the ten pathologies."""
    weighted: Array
    """[R]; of all eleven, by positives."""


def report_labels(task: Task, track: "Track") -> "list[Metric]":
    """Label F1 of generated reports, by the track's ``backbones.report_labels`` and ``.uncertain``.

    Without them: the default labeler, and ``u-zeros``.
    """
    if Modality.T not in task.outputs:
        return []
    labeler = load_labeler(track.backbones.get("report_labels", DEFAULT))
    return [ReportLabelsMetric(labeler, track.backbones.get("uncertain", POLICIES[0]))]


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
        made: list[str] = []
        real: list[str] = []
        for position, study, sample in zip(positions, studies, samples, strict=True):
            report = sample.get(Modality.T)
            if study.report is None or not study.report.strip():
                raise InputError(
                    f"the study at position {position} has no report to score against; "
                    "leave it out of the split"
                )
            if not isinstance(report, str):
                raise InputError(f"the sample at position {position} has no report")
            made.append(report)
            real.append(study.report)
        self._rows.add(
            positions,
            {
                "hypothesis": _stored(self.labeler.label(made)),
                "reference": _stored(self.labeler.label(real)),
                "report": np.array([is_report(report) for report in made], dtype=np.bool_),
            },
        )

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """Label F1 micro, macro and weighted, then the share of non-reports."""
        n = len(self._rows)
        if n == 0:
            names = [f"label_f1_{average}" for average in AVERAGES]
            return [_unscored(name, up=True) for name in names] + [
                _unscored("non_report_share", up=False)
            ]
        predicted, labels, report = self._read()
        once = average_label_f1(predicted, labels, np.ones((1, n)))
        drawn = average_label_f1(predicted, labels, resample_weights(n))
        by_class = {
            name: class_score(
                once.per_class[0, c], drawn.per_class[:, c], labels[:, c], of="reference"
            )
            for c, name in enumerate(CLASSES)
        }
        scores = [self._score(average, once, drawn, by_class, n) for average in AVERAGES]
        return [*scores, self._non_reports(report)]

    def statistics(self) -> Mapping[str, NDArray[generic]]:
        """``report_labels.hypothesis|reference.<observation>``, 1, 0, -1 or -2 (not mentioned).

        Also ``report_labels.is_report``, and ``label_f1_….influence``: what each study does to a
        score (``influence.py``), which pairs two models' results.
        """
        columns = self._rows.columns()
        if not columns:
            return {}
        found: dict[str, NDArray[generic]] = {
            f"{self.name}.{kind}.{name}": columns[kind][:, c]
            for kind in ("hypothesis", "reference")
            for c, name in enumerate(CLASSES)
        }
        found[f"{self.name}.is_report"] = columns["report"]
        predicted, labels, _ = self._read()
        without = average_label_f1(predicted, labels, None)
        for average in AVERAGES:
            values = getattr(without, average)
            if np.isfinite(values).all():
                loss = (len(values) - 1.0) * (values.mean() - values)
                found[f"label_f1_{average}.influence"] = loss
        return found

    def _read(self) -> tuple[Mask, Stored, Mask]:
        """Predicted positives [n, 11]; labels [n, 11], 1, 0 or unknown; is it a report [n]."""
        columns = self._rows.columns()
        made = np.asarray(columns["hypothesis"], dtype=np.int8).copy()
        real = np.asarray(columns["reference"], dtype=np.int8)
        report = np.asarray(columns["report"], dtype=np.bool_)
        made[~report] = BLANK
        positive = (1, -1) if self.uncertain == "u-ones" else (1,)
        labels = np.isin(real, positive).astype(np.int8)
        if self.uncertain == "u-ignore":
            labels[(real == -1) | (made == -1)] = BLANK
        return np.isin(made, positive), labels, report

    def _score(
        self,
        average: str,
        once: Averaged,
        drawn: Averaged,
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
            ci95=percentile_interval(getattr(drawn, average)) if known else None,
            n=n,
            higher_is_better=True,
            per_class=dict(by_class) if average == "macro" else {},
            signature="|".join([*parts, f"n:{n}"]),
        )

    def _non_reports(self, report: Mask) -> Score:
        n = len(report)
        # Where whole patients are drawn, a resample has about n studies, not n.
        weights = resample_weights(n)
        drawn = weights @ (~report).astype(np.float64) / weights.sum(axis=1, dtype=np.int64)
        return Score(
            name="non_report_share",
            value=float((~report).mean()),
            ci95=percentile_interval(np.asarray(drawn, dtype=np.float64)),
            n=n,
            higher_is_better=False,
            signature=f"non_report_share|n:{n}",
        )


def average_label_f1(
    predicted: Mask, labels: Stored, weights: NDArray[np.generic] | None
) -> Averaged:
    """F1 by class and averaged, for every resample.

    Predicted [n, k], labels [n, k], known where 0 or 1; weights [R, n] -> R values each. Without
    weights, the n values that leave out one study each. The last class is No Finding.
    """
    known = labels >= 0
    parts = [
        part.astype(np.float64)
        for part in (predicted & (labels == 1), predicted & known, labels == 1, known)
    ]
    if weights is None:
        summed = [part.sum(axis=0) - part for part in parts]
    else:
        drawn = [
            [chunk @ part for part in parts]
            for chunk in in_chunks(weights, _CHUNK // max(1, len(labels)))
        ]
        summed = [np.concatenate(chunks) for chunks in zip(*drawn, strict=True)]
    hits, claimed, present, total = summed
    counts = (hits, claimed, present, total - present)
    per_class = f1_of_counts(*counts)
    micro = f1_of_counts(*(part.sum(axis=1) for part in counts))
    ten = per_class[:, :_TEN]
    defined = np.isfinite(per_class)
    by_positives = present * defined
    with np.errstate(invalid="ignore", divide="ignore"):
        macro = np.nansum(ten, axis=1) / np.isfinite(ten).sum(axis=1)
        weighted = np.nansum(per_class * by_positives, axis=1) / by_positives.sum(axis=1)
    return Averaged(per_class, micro, macro, weighted)


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
