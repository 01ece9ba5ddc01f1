"""Does the arithmetic of averages hold? F1 from counts; macro, weighted and micro from classes."""

from collections.abc import Iterator, Mapping

import numpy as np

from codixr.data.labels import OBSERVATIONS
from codixr_bench.metric import Problems
from codixr_bench.metrics.per_class import AVERAGES, f1_of_counts
from codixr_bench.score import ClassScore, Score

CLOSE = 1e-6
"""What a recomputed value may differ by."""
CLASS_COUNTS = ("tp", "fp", "fn", "tn")
_NO_FINDING = OBSERVATIONS[0]


def average_problems(
    scores: Mapping[str, Score], kind: str, view: str, *, simulated: bool, no_finding: bool
) -> Problems:
    """(field, reason) of what does not add up among ``<kind>_micro|macro|weighted<view>``.

    Args:
        scores: a result's scores, by name.
        kind: e.g. ``auroc``, ``chex_f1``, ``label_f1``.
        view: ``[F]``, ``[L]`` or empty.
        simulated: whether every class must show its counts.
        no_finding: whether the macro average is of the pathologies without No Finding.
    """
    macro = scores.get(f"{kind}_macro{view}")
    if macro is None:
        for average in AVERAGES:
            alone = scores.get(f"{kind}_{average}{view}")
            if alone is not None and alone.value is not None:
                wanted = f"{kind}_macro{view}"
                yield f"scores.{alone.name}", f"it needs {wanted}, and its classes, beside it"
        return
    where = f"scores.{macro.name}"
    classes = macro.per_class
    is_f1 = kind.endswith("f1")
    if not classes:
        if macro.value is not None:
            yield f"{where}.per_class", "a macro average needs its classes"
        return
    for name, one in classes.items():
        if is_f1:
            yield from _f1_class(f"{where}.per_class.{name}", one, simulated=simulated)
        if one.n_pos is not None and one.n_neg is not None and one.n_pos + one.n_neg > macro.n:
            yield f"{where}.per_class.{name}.n_pos", "more labels than studies"
    if any(one.n_pos is None or one.n_neg is None for one in classes.values()):
        return
    yield from _averages(scores, kind, view, macro, is_f1=is_f1, no_finding=no_finding)


def same_labels(one: Score | None, other: Score | None) -> Problems:
    """Two macro averages of the same labels have the same positives and negatives."""
    if one is None or other is None:
        return
    for name, own in one.per_class.items():
        twin = other.per_class.get(name)
        if twin is not None and (twin.n_pos, twin.n_neg) != (own.n_pos, own.n_neg):
            yield f"scores.{one.name}.per_class.{name}.n_pos", "AUROC and F1 are of other labels"


def within_counts(auroc: Score | None, f1: Score | None) -> Problems:
    """A class's AUROC lies where its own counts at one threshold allow.

    The ROC curve rises from (0, 0) to (1, 1) through (fpr, tpr): its area is at least
    tpr (1 - fpr) and at most 1 - fpr (1 - tpr).
    """
    if auroc is None or f1 is None:
        return
    for name, one in auroc.per_class.items():
        twin = f1.per_class.get(name)
        if one.value is None or twin is None or twin.counts is None:
            continue
        tp, fp, fn, tn = (twin.counts.get(kind, 0) for kind in CLASS_COUNTS)
        if min(tp, fp, fn, tn) < 0 or not (tp + fn and fp + tn):
            continue
        tpr, fpr = tp / (tp + fn), fp / (fp + tn)
        low, high = tpr * (1 - fpr), 1 - fpr * (1 - tpr)
        if not low - CLOSE <= one.value <= high + CLOSE:
            said = f"{one.value:.4f}, and its counts allow {low:.4f} to {high:.4f}"
            yield f"scores.{auroc.name}.per_class.{name}.value", said


def average_faults(base: str, signature: str) -> Iterator[str]:
    """What the signature of an average has to say: of what it is, and which average."""
    parts = signature.split("|")
    kind, _, average = base.rpartition("_")
    if f"avg:{average}" not in parts:
        yield f"it does not say avg:{average}"
    if parts[0] != kind:
        yield f"it is of '{kind}' and says something else"


def _averages(
    scores: Mapping[str, Score],
    kind: str,
    view: str,
    macro: Score,
    *,
    is_f1: bool,
    no_finding: bool,
) -> Problems:
    defined = {n: one for n, one in macro.per_class.items() if one.value is not None}
    averaged = [
        one.value
        for name, one in defined.items()
        if one.value is not None and (no_finding or name != _NO_FINDING)
    ]
    if averaged:
        yield from _differs(macro, sum(averaged) / len(averaged), "the mean of its classes")
    positives = sum(one.n_pos or 0 for one in defined.values())
    weighted = scores.get(f"{kind}_weighted{view}")
    if weighted is not None and positives:
        value = sum((one.value or 0.0) * (one.n_pos or 0) for one in defined.values()) / positives
        yield from _differs(weighted, value, "its classes weighted by positives")
    micro = scores.get(f"{kind}_micro{view}")
    counts = [one.counts for one in macro.per_class.values()]
    if is_f1 and micro is not None and all(c is not None for c in counts):
        total = {k: sum(c[k] for c in counts if c) for k in CLASS_COUNTS}
        yield from _differs(micro, _f1(total), "the F1 of its classes' summed counts")


def _f1_class(where: str, one: ClassScore, *, simulated: bool) -> Problems:
    counts = one.counts
    if counts is None:
        if simulated:
            yield f"{where}.counts", "missing: tp, fp, fn and tn let a reader recompute F1"
        return
    if set(counts) != set(CLASS_COUNTS) or min(counts.values()) < 0:
        yield f"{where}.counts", "they are tp, fp, fn and tn, none below 0"
        return
    if (one.n_pos, one.n_neg) != (counts["tp"] + counts["fn"], counts["fp"] + counts["tn"]):
        yield f"{where}.counts", "they don't add up to n_pos and n_neg"
    both = bool(one.n_pos) and bool(one.n_neg)
    if both != (one.value is not None):
        yield f"{where}.value", "a class has an F1 when it has labels of both kinds, and only then"
    elif one.value is not None and abs(one.value - _f1(counts)) > CLOSE:
        yield f"{where}.value", f"{one.value:.4f}, and its counts give {_f1(counts):.4f}"


def _f1(counts: Mapping[str, int]) -> float:
    tp, fp, fn, tn = (np.array([float(counts[kind])]) for kind in CLASS_COUNTS)
    value = float(f1_of_counts(tp, tp + fp, tp + fn, fp + tn)[0])
    return value if np.isfinite(value) else 0.0


def _differs(score: Score, value: float, what: str) -> Problems:
    if score.value is None:
        yield f"scores.{score.name}.value", f"null, and {what} is {value:.4f}"
    elif abs(score.value - value) > CLOSE:
        yield f"scores.{score.name}.value", f"{score.value:.4f}, and {what} is {value:.4f}"
