"""What the scores by class of pictures and of reports share: F1, averages, a class's score.

``micro`` pools all known (study, class) pairs, ``macro`` is the plain mean over the classes that
are defined, ``weighted`` weights them by positives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import SHORT_NAMES
from codixr_bench.metric import Influence
from codixr_bench.score import ClassScore, Score
from codixr_bench.statistics.bootstrap import Interval, in_chunks
from codixr_bench.statistics.class_intervals import ClassIntervals
from codixr_bench.statistics.effective_draws import Bounds
from codixr_bench.statistics.influence import influence_of, without_each

WRONG_PICTURES = (
    "few grey levels",
    "low resolution",
    "inverted",
    "crop",
    "other view",
    "another patient's picture",
    "one picture for many",
)
"""Faults of the court that a judge of pictures must see."""

AVERAGES = ("micro", "macro", "weighted")
FEW = 10
"""A class with fewer of a kind says so: its score swings, and its interval is long."""
_CHUNK = 4_000_000
"""Resampled weights held at a time: 32 MB."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Averaged:
    """One kind of score (AUROC or F1) of R resamples; NaN where it is undefined."""

    per_class: Array
    """[R, k]."""
    micro: Array
    """[R]."""
    macro: Array
    """[R]; over the classes that are defined."""
    weighted: Array
    """[R]; likewise, by positives."""

    def influences(self) -> Iterator[tuple[str, Influence]]:
        """(average, influence), where the R = 1 + n are of all studies and without each."""
        for average in AVERAGES:
            yield average, influence_of(getattr(self, average))


def averaged(per_class: Array, micro: Array, positives: Array, of_macro: int) -> Averaged:
    """The averages of R resamples.

    Args:
        per_class: [R, k].
        micro: [R].
        positives: of each class, [R, k].
        of_macro: how many of the first classes the macro average is of.
    """
    defined = np.isfinite(per_class)
    filled = np.where(defined, per_class, 0.0)
    weights = positives * defined
    with np.errstate(invalid="ignore", divide="ignore"):
        macro = filled[:, :of_macro].sum(axis=1) / defined[:, :of_macro].sum(axis=1)
        weighted = (filled * weights).sum(axis=1) / weights.sum(axis=1)
    return Averaged(per_class, micro, macro, weighted)


def average_f1(
    predicted: Mask,
    labels: NDArray[Any],
    weights: NDArray[np.generic] | None,
    of_macro: int | None = None,
) -> Averaged:
    """F1 by class and averaged, for every resample.

    A class is undefined in a resample that has one kind of its labels only; counting it as 0 there
    would drag the intervals of rare findings down.

    Args:
        predicted: [n, k].
        labels: [n, k], known where 0 or 1.
        weights: of studies, [R, n]; None for all studies, then without each: R = 1 + n.
        of_macro: how many of the first classes the macro average is of; all by default.
    """
    present, known = labels == 1, (labels == 0) | (labels == 1)
    parts = [
        part.astype(np.float64) for part in (predicted & present, predicted & known, present, known)
    ]
    if weights is None:
        summed = [without_each(part) for part in parts]
    else:
        drawn = [
            [chunk @ part for part in parts]
            for chunk in in_chunks(weights, _CHUNK // max(1, len(labels)))
        ]
        summed = [np.concatenate(chunks) for chunks in zip(*drawn, strict=True)]
    hits, claimed, positives, total = summed
    counts = (hits, claimed, positives, total - positives)
    per_class = f1_of_counts(*counts)
    micro = f1_of_counts(*(part.sum(axis=1) for part in counts))
    return averaged(per_class, micro, positives, of_macro or labels.shape[1])


def f1_of_counts(hits: Array, claimed: Array, present: Array, absent: Array) -> Array:
    """2 TP / (claimed + present) of counts of one shape; NaN without cases of both kinds.

    ``hits`` are true positives, ``claimed`` all predicted ones, the others counts of known labels.
    """
    values = np.full_like(hits, np.nan)
    both = (present > 0) & (absent > 0)
    return np.divide(2.0 * hits, claimed + present, out=values, where=both)


def cells_of(predicted: Mask, present: Mask, known: Mask) -> dict[str, Mask]:
    """Which studies are a class's ``tp``, ``fp``, ``fn`` and ``tn``, each [n]."""
    return {
        "tp": known & predicted & present,
        "fp": known & predicted & ~present,
        "fn": known & ~predicted & present,
        "tn": known & ~predicted & ~present,
    }


def interval_name(kind: str, average: str) -> str:
    """The part of a signature that says how an average's interval was made."""
    of_class = {"auroc": "placements", "f1": "jaccard-mid-p"}[kind]
    return f"ci:{of_class}" if average == "micro" else f"ci:{of_class},mover"


def interval_of(bounds: Bounds, place: int | tuple[()] = ()) -> Interval | None:
    """One interval of arrays of ends; None where there is none."""
    low, high = float(bounds[0][place]), float(bounds[1][place])
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def class_score(
    value: float, interval: Interval | None, labels: NDArray[Any], *, of: str
) -> ClassScore:
    """One class: its value and interval, how many of each kind there are, and whether they are few.

    Args:
        value: the score, NaN where it is not defined.
        interval: its 95 %.
        labels: [n], 1 present and 0 absent; anything else is unknown.
        of: what the labels are called in the reason of a null: "known" or "reference".
    """
    n_pos, n_neg = int((labels == 1).sum()), int((labels == 0).sum())
    reason = None
    if not n_pos or not n_neg:
        kind = "present" if n_pos else "absent"
        reason = f"all {of} labels are {kind}" if n_pos + n_neg else "no label is known"
    return ClassScore(
        value=None if reason else float(value),
        reason=reason,
        ci95=None if reason else interval,
        note=None if reason else few_note(n_pos, n_neg),
        n_pos=n_pos,
        n_neg=n_neg,
    )


def class_scores(
    names: Sequence[str],
    once: Averaged,
    intervals: ClassIntervals,
    labels: NDArray[Any],
    *,
    of: str,
) -> dict[str, ClassScore]:
    """``class_score`` of each class, by name: of all studies (R = 1), labels [n, k]."""
    return {
        name: class_score(
            once.per_class[0, c], interval_of(intervals.per_class, c), labels[:, c], of=of
        )
        for c, name in enumerate(names)
    }


def few_caveat(score: Score) -> Iterator[str]:
    """Which classes of a score have few of a kind, e.g. "…: Edema (6 positives)"."""
    few = [
        f"{SHORT_NAMES.get(name, name)} {min(one.n_pos, one.n_neg)}"
        for name, one in score.per_class.items()
        if one.note and one.n_pos is not None and one.n_neg is not None
    ]
    if few:
        yield (
            f"fewer than {FEW} positives or negatives of {', '.join(few)}: "
            "read these classes' intervals, not their values"
        )


def few_note(n_pos: int, n_neg: int) -> str | None:
    """What a class with fewer than ``FEW`` of a kind says; None for others."""
    kinds = [kind for kind, n in (("positives", n_pos), ("negatives", n_neg)) if n < FEW]
    return f"fewer than {FEW} {' and '.join(kinds)}" if kinds else None
