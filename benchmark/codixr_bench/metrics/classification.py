"""AUROC and F1 by pathology: does a generated X-ray show what its study's labels say? (Table III)

A classifier reads each generated picture; its probabilities are scored against the labels of the
study that gave the condition. Only known labels count (1 or 0): a study whose label is uncertain
(-1) or unknown (None) is left out of that class. ``micro`` pools all known (study, class) pairs,
``macro`` is the plain mean over classes, ``weighted`` weights by positives. Numbers equal
sklearn's ``roc_auc_score`` and ``f1_score``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy import generic
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Images, generated_images, suffix_of
from codixr_bench.metrics.auroc import Cases, aurocs
from codixr_bench.metrics.per_class import class_score, f1_of_counts
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import percentile_interval, resample_weights
from codixr_bench.task import Task

AVERAGES = ("micro", "macro", "weighted")
UNKNOWN = -2
"""How a label of None is stored; 1, 0 and -1 (uncertain) are stored as they are."""

Array = NDArray[np.float64]
Labels = NDArray[np.int8]
Mask = NDArray[np.bool_]


class Classifier(Protocol):
    """Gives each class a probability, one picture at a time, and knows where to cut it."""

    classes: tuple[str, ...]
    """CheXpert observations, in the order of all its arrays."""
    threshold_policy: str
    """Where the thresholds come from, e.g. ``f1max-on-real-val``; never the evaluated set."""

    @property
    def signature(self) -> str:
        """What makes probabilities comparable, e.g. ``phantom-judge-F|weights:ab12cd34``."""
        ...

    @property
    def thresholds(self) -> Array:
        """[k]: present where the probability is at or above."""
        ...

    def probabilities(self, images: Images) -> NDArray[np.floating]:
        """[B, k]."""
        ...


@dataclass(frozen=True, slots=True)
class Averaged:
    """One family (AUROC or F1) for R resamples; NaN where a score is undefined."""

    per_class: Array
    """[R, k]."""
    micro: Array
    """[R]."""
    macro: Array
    """[R]; over the classes that are defined."""
    weighted: Array
    """[R]; likewise, by positives."""


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
        for family, once, drawn in self._families(probabilities, labels):
            scores += self._scores(family, once, drawn, labels)
        return scores

    def statistics(self) -> Mapping[str, NDArray[generic]]:
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
    ) -> list[tuple[str, Averaged, Averaged]]:
        n = len(labels)
        once = np.ones((1, n), dtype=np.int16)
        weights = [once, resample_weights(n) if n else once]
        thresholds = np.asarray(self.classifier.thresholds, dtype=np.float64)
        auroc_once, auroc_drawn = (average_auroc(probabilities, labels, w) for w in weights)
        f1_once, f1_drawn = (average_f1(probabilities >= thresholds, labels, w) for w in weights)
        return [("auroc", auroc_once, auroc_drawn), ("f1", f1_once, f1_drawn)]

    def _scores(self, family: str, once: Averaged, drawn: Averaged, labels: Labels) -> list[Score]:
        classes = self.classifier.classes
        n = int((labels >= 0).any(axis=1).sum())
        by_class = {
            name: class_score(once.per_class[0, c], drawn.per_class[:, c], labels[:, c], of="known")
            for c, name in enumerate(classes)
        }
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
                    ci95=percentile_interval(getattr(drawn, average)) if known else None,
                    n=n,
                    higher_is_better=True,
                    per_class=by_class if average == "macro" else {},
                    signature="|".join([*signature, f"n:{n}"]),
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


def average_auroc(probabilities: Array, labels: Labels, weights: NDArray[np.generic]) -> Averaged:
    """AUROC by class and averaged, for every resample.

    Probabilities [n, k]; labels [n, k], known where 0 or 1; weights [R, n] -> R values each.
    """
    k = labels.shape[1]
    study, c_of = np.nonzero(labels >= 0)
    cases = [
        Cases(probabilities[known, c], labels[known, c] == 1, known)
        for c in range(k)
        for known in (np.flatnonzero(labels[:, c] >= 0),)
    ]
    pooled = Cases(probabilities[study, c_of], labels[study, c_of] == 1, study)
    values = aurocs([*cases, pooled], weights)
    per_class, micro = values[:, :k], values[:, k]
    return _averaged(per_class, micro, labels, weights)


def average_f1(predicted: Mask, labels: Labels, weights: NDArray[np.generic]) -> Averaged:
    """F1 by class and averaged, for every resample: predictions and labels [n, k], weights [R, n].

    As with AUROC, a class is undefined in a resample that has one kind of its labels only; counting
    it as 0 there would drag the intervals of rare findings down.
    """
    weight = weights.astype(np.float64)
    present, absent = labels == 1, labels == 0
    hits = weight @ (predicted & present)
    false = weight @ (predicted & absent)
    positives, negatives = weight @ present, weight @ absent
    counts = (hits, hits + false, positives, negatives)
    per_class = f1_of_counts(*counts)
    micro = f1_of_counts(*(part.sum(axis=1) for part in counts))
    return _averaged(per_class, micro, labels, weights)


def _averaged(
    per_class: Array, micro: Array, labels: Labels, weights: NDArray[np.generic]
) -> Averaged:
    defined = np.isfinite(per_class)
    positives = (weights.astype(np.float64) @ (labels == 1)) * defined
    filled = np.where(defined, per_class, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        macro = filled.sum(axis=1) / defined.sum(axis=1)
        weighted = (filled * positives).sum(axis=1) / positives.sum(axis=1)
    return Averaged(per_class, micro, macro, weighted)


def _stored(label: int | None) -> int:
    return UNKNOWN if label is None else label
