"""AUROC and F1 by pathology: does a generated X-ray show what its study's labels say? (Table III)

A classifier reads each generated picture; its probabilities are scored against the labels of the
study that gave the condition. Only known labels count (1 or 0): a study whose label is uncertain
(-1) or unknown (None) is left out of that class. ``micro`` pools all known (study, class) pairs,
``macro`` is the plain mean over classes, ``weighted`` weights by positives. Numbers equal
sklearn's ``roc_auc_score`` and ``f1_score``.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, suffix_of
from codixr_bench.backbones.classifier import Classifier
from codixr_bench.backbones.published import load_or_note
from codixr_bench.backbones.published_judge import DEFAULT, PublishedJudge, published_judge
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Peer, PeerScore, Problems
from codixr_bench.metrics.auroc import auroc_without_each, average_auroc
from codixr_bench.metrics.average_checks import (
    average_faults,
    average_problems,
    same_labels,
    within_counts,
)
from codixr_bench.metrics.judges import (
    PUBLISHED,
    SECOND_LEAD,
    classifiers_of,
    judge_of,
    second_judge_of,
)
from codixr_bench.metrics.peers import StatePeer, by_judge
from codixr_bench.metrics.per_class import (
    AVERAGES,
    WRONG_PICTURES,
    Averaged,
    average_f1,
    cells_of,
    class_scores,
    few_caveat,
    interval_name,
    interval_of,
)
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.class_intervals import (
    ClassIntervals,
    auroc_intervals,
    f1_intervals,
)
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

KINDS = ("auroc", "f1")
UNKNOWN = -2
"""How a label of None is stored; 1, 0 and -1 (uncertain) are stored as they are."""

Array = NDArray[np.float64]
Labels = NDArray[np.int8]


class ClassificationMetric:
    """``auroc_micro|macro|weighted`` and ``f1_micro|macro|weighted`` of one generated view.

    ``auroc_macro`` and ``f1_macro`` carry the scores by pathology. A class whose known labels are
    all of one kind is null, with the reason, and left out of macro and weighted; their signature
    says so (``classes:9/10|left-out:Edema``).

    Args:
        classifier: what reads the pictures; give the track's ``JudgePass``, shared with the
            Fréchet distance.
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
        judge: names a second judge's scores, e.g. ``chex`` for ``chex_auroc_macro``.

    A classifier may have ``absent``: why it cannot be used. Then all scores are null.
    """

    def __init__(
        self, classifier: Classifier, view: Modality, task: Task | None = None, judge: str = ""
    ) -> None:
        self.classifier = classifier
        self.view = view
        self.suffix = suffix_of(task, view)
        self.lead = f"{judge}_" if judge else ""
        self.name = f"{self.lead}classification{self.suffix}"
        self._rows = Rows()

    @property
    def absent(self) -> str | None:
        """Why there is no value; None where there is one."""
        return getattr(self.classifier, "absent", None)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures and labels; InputError names the position of a missing picture."""
        images = generated_images(positions, samples, self.view)
        labels = np.array(
            [
                [_stored(study.labels.get(name)) for name in self.classifier.classes]
                for study in studies
            ],
            dtype=np.int8,
        )
        if self.absent:
            self._rows.add(positions, {"label": labels})
            return
        probabilities = self.classifier.probabilities(images)
        self._rows.add(positions, {"probability": probabilities, "label": labels})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """Six scores, in the order AUROC then F1, micro, macro, weighted."""
        if self.absent:
            return [
                self._unscored(f"{family}_{average}", self.absent)
                for family in ("auroc", "f1")
                for average in AVERAGES
            ]
        columns = self._rows.columns()
        shape = (0, len(self.classifier.classes))
        probabilities = np.asarray(columns.get("probability", np.zeros(shape)), dtype=np.float64)
        labels = np.asarray(columns.get("label", np.zeros(shape)), dtype=np.int8)
        scores = []
        for family, once, intervals in self._families(probabilities, labels):
            scores += self._scores(family, once, intervals, labels)
        return scores

    def load(self) -> None:
        """Load the classifier: a note on stderr for published weights that are absent."""
        if isinstance(self.classifier, PublishedJudge):
            load_or_note(self.classifier.backbone, "classification")
        elif not self.absent:
            _ = self.classifier.signature

    def prepare(self, evaluation: Evaluation) -> None:
        """Load the classifier, and find its operating points where its policy needs it."""
        self.load()
        judge = self.classifier
        if not isinstance(judge, PublishedJudge) or judge.absent or judge.tuned:
            return
        if "val" not in evaluation.track.splits:
            raise InputError(
                f"track '{evaluation.track.name}' has no validation split to find the operating "
                f"point '{judge.threshold_policy}' on; leave backbones.operating_points out"
            )
        judge.tune(evaluation.split("val"))

    def peer(self) -> Peer:
        """scikit-learn, on the same probabilities."""
        return StatePeer(self._by_library)

    def _by_library(self) -> list[PeerScore]:
        if self.absent or not len(self._rows):
            return []
        columns, thresholds = self._rows.columns(), self.classifier.thresholds
        name = f"{self.lead}{{}}{self.suffix}".format
        return by_judge(name, columns["probability"], thresholds, columns["label"])

    def statistics(self) -> Columns:
        """``<name>.probability|predicted|label.<class>``, one column each.

        ``predicted`` is what the thresholds make of the probabilities: 1 present, 0 absent.
        """
        columns = {} if self.absent else self._rows.columns()
        if columns:
            thresholds = np.asarray(self.classifier.thresholds, dtype=np.float64)
            predicted = np.asarray(columns["probability"], dtype=np.float64) >= thresholds
            columns["predicted"] = predicted.astype(np.int8)
        return {
            f"{self.name}.{kind}.{label}": values[:, number]
            for kind, values in columns.items()
            for number, label in enumerate(self.classifier.classes)
        }

    def _families(
        self, probabilities: Array, labels: Labels
    ) -> list[tuple[str, Averaged, ClassIntervals]]:
        n = len(labels)
        once = np.ones((1, n), dtype=np.int16)
        predicted = probabilities >= np.asarray(self.classifier.thresholds, dtype=np.float64)
        known = (labels == 1).T, (labels == 0).T, patients_of(n)
        return [
            (
                "auroc",
                average_auroc(probabilities, labels, once),
                auroc_intervals(probabilities.T, *known),
            ),
            ("f1", average_f1(predicted, labels, once), f1_intervals(predicted.T, *known)),
        ]

    def _scores(
        self, family: str, once: Averaged, intervals: ClassIntervals, labels: Labels
    ) -> list[Score]:
        classes = self.classifier.classes
        n = int((labels >= 0).any(axis=1).sum())
        by_class = class_scores(classes, once, intervals, labels, of="known")
        left_out = [name for name, score in by_class.items() if score.value is None]
        scores = []
        for average in AVERAGES:
            value = float(getattr(once, average)[0])
            known = np.isfinite(value)
            signature = [family, f"avg:{average}", f"clf:{self.classifier.signature}"]
            if family == "f1":
                signature.append(f"thr:{self.classifier.threshold_policy}")
            signature.append("labels:known")
            if average != "micro":
                signature.append(f"classes:{len(classes) - len(left_out)}/{len(classes)}")
                signature += [f"left-out:{','.join(left_out)}"] if left_out else []
            scores.append(
                Score(
                    name=f"{self.lead}{family}_{average}{self.suffix}",
                    value=value if known else None,
                    reason=None if known else "no class has known labels of both kinds",
                    ci95=interval_of(getattr(intervals, average)) if known else None,
                    n=n,
                    higher_is_better=True,
                    per_class=by_class if average == "macro" else {},
                    signature="|".join([*signature, f"n:{n}", interval_name(family, average)]),
                )
            )
        return scores

    def _unscored(self, name: str, reason: str) -> Score:
        n = len(self._rows)
        return Score(
            name=f"{self.lead}{name}{self.suffix}",
            value=None,
            reason=reason,
            n=n,
            higher_is_better=True,
            signature=f"{name.partition('_')[0]}|avg:{name.partition('_')[2]}|clf:absent|n:{n}",
        )


class Classification(Family):
    """AUROC and F1 of a generated view, by the track's ``backbones.classifier``.

    ``phantom`` judges both views; ``phantom-second`` beside it does so under names of its own
    (``second_auroc_macro``). ``xrv,xrv-chex``: torchxrayvision's judge frontal ones, the
    second under names of its own (``chex_auroc_macro``), at ``backbones.operating_points``.
    """

    name = "classification"
    card = "classification.md"
    leads = tuple(f"{lead}_" for lead in (*PUBLISHED.values(), SECOND_LEAD))
    reasons = (
        *Family.reasons,
        "all known labels are (present|absent)",
        "no label is known",
        "no class has known labels of both kinds",
    )
    scores = MappingProxyType(
        {
            f"{kind}_{average}": Facts(
                higher_is_better=True,
                about=About.PICTURE,
                lowest=0.0,
                highest=1.0,
                primary=average == "macro",
                place={"auroc_macro": 20, "f1_macro": 21}.get(f"{kind}_{average}"),
                title=kind.upper() if average == "macro" else "",
                pin=kind,
            )
            for kind in KINDS
            for average in AVERAGES
        }
    )

    sees = MappingProxyType(dict.fromkeys(scores, WRONG_PICTURES))

    def metrics(self, task: Task, track: Track) -> list[ClassificationMetric]:
        """One a generated view, or one a published classifier."""
        named = classifiers_of(track)
        if not named or not set(named) <= set(PUBLISHED):
            return self._of_phantom(task, track)
        if Modality.F not in task.outputs:
            return []
        policy = track.backbones.get("operating_points", DEFAULT)
        return [
            ClassificationMetric(
                published_judge(name, policy), Modality.F, task, PUBLISHED[name] if number else ""
            )
            for number, name in enumerate(named)
        ]

    def _of_phantom(self, task: Task, track: Track) -> list[ClassificationMetric]:
        """The first judge's of each view, then the second's."""
        views = [view for view in task.outputs if view.is_image]
        found = [ClassificationMetric(judge_of(track, view), view, task) for view in views]
        for view in views:
            second = second_judge_of(track, view)
            if second is not None:
                found.append(ClassificationMetric(second, view, task, SECOND_LEAD))
        return found

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """AUROC from ``.probability.`` and ``.label.``, F1 from ``.predicted.``."""
        found: dict[str, Influence] = {}
        for lead, view in self._judged(columns):
            prefix = f"{lead}{self.name}{view}"
            labels = _matrix(columns, f"{prefix}.label.")
            probabilities = _matrix(columns, f"{prefix}.probability.")
            predicted = _matrix(columns, f"{prefix}.predicted.")
            if labels is None or probabilities is None or predicted is None:
                continue
            averages = {
                "auroc": auroc_without_each(probabilities, labels),
                "f1": average_f1(predicted > 0, labels, None),
            }
            for kind, average in averages.items():
                found |= {f"{lead}{kind}_{a}{view}": one for a, one in average.influences()}
        return {n: one for n, one in found.items() if np.isfinite(one.by_study).all()}

    def about_studies(self, column: str) -> bool:
        """The known labels."""
        prefix, found, _ = column.partition(".label.")
        return bool(found) and prefix.partition("[")[0].endswith(self.name)

    def cells(self, score: Score, label: str, columns: Columns) -> dict[str, NDArray[np.bool_]]:
        """Of F1: what the thresholds say against the known labels."""
        parsed = self.parse(score.name)
        if parsed is None or not parsed.base.startswith("f1_"):
            return {}
        prefix = f"{parsed.lead}{self.name}{parsed.view}"
        predicted = columns.get(f"{prefix}.predicted.{label}")
        labels = columns.get(f"{prefix}.label.{label}")
        if predicted is None or labels is None:
            return {}
        return cells_of(
            np.asarray(predicted) == 1, np.asarray(labels) == 1, np.isin(labels, (0, 1))
        )

    def arithmetic(self, scores: Mapping[str, Score], *, simulated: bool) -> Problems:
        """Averages from classes, F1 from counts; AUROC and F1 are of the same labels."""
        parsed = [found for name in scores if (found := self.parse(name)) is not None]
        for lead, view in dict.fromkeys((one.lead, one.view) for one in parsed):
            for kind in KINDS:
                yield from average_problems(
                    scores, f"{lead}{kind}", view, simulated=simulated, no_finding=True
                )
            macros = [scores.get(f"{lead}{kind}_macro{view}") for kind in KINDS]
            yield from same_labels(*macros)
            yield from within_counts(*macros)

    def caveats(self, score: Score) -> Iterator[str]:
        """Classes with few positives or negatives."""
        yield from few_caveat(score)

    def signature_faults(self, score: Score) -> Iterator[str]:
        """The kind of score and of average stand in it."""
        parsed = self.parse(score.name)
        if parsed is not None:
            yield from average_faults(parsed.base, score.signature)

    def _judged(self, columns: Columns) -> list[tuple[str, str]]:
        """(lead, view) of each judge's columns, in order."""
        found: dict[tuple[str, str], None] = {}
        for column in columns:
            prefix, label, _ = column.partition(".label.")
            lead, named, view = prefix.partition(self.name)
            if label and named and lead in ("", *self.leads):
                found[lead, view] = None
        return list(found)


CLASSIFICATION = Classification()


def _matrix(columns: Columns, prefix: str) -> Array | None:
    """The columns that begin with ``prefix``, side by side [n, k]; None without any."""
    found = [values for name, values in columns.items() if name.startswith(prefix)]
    return np.column_stack(found).astype(np.float64) if found else None


def _stored(label: int | None) -> int:
    return UNKNOWN if label is None else label
