"""Aggregate counts beside the scores: what lets a reader recompute F1 and BLEU from a result file.

``counts`` of a class: true and false positives and negatives, over the studies with a known label;
their sums over classes give micro F1, their positives weigh the weighted one. ``counts`` of BLEU:
summed lengths, matches and n-grams. On a track of real patients, a class with a cell of fewer than
``LEAST`` patients shows no counts, and a class with that few positives or negatives no value
either: a small cell can point at a person.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy import generic
from numpy.typing import NDArray

from codixr_bench.score import ClassScore, Score

LEAST = 10
"""Patients a shown cell must have on a track of real patients."""
TOO_FEW = f"fewer than {LEAST} patients: not shown"
_ORDERS = 4

Mask = NDArray[np.bool_]
Columns = Mapping[str, NDArray[generic]]


def with_counts(
    scores: Sequence[Score], statistics: Columns, *, real_patients: bool
) -> list[Score]:
    """The scores with their counts, from a run's statistics, one row a study.

    Args:
        scores: of one run.
        statistics: its columns; ``patient``, where there is one, tells which studies share one.
        real_patients: whether small cells must not be shown.
    """
    return [_counted(score, statistics, real_patients) for score in scores]


def _counted(score: Score, statistics: Columns, real_patients: bool) -> Score:
    base, _, view = score.name.partition("[")
    suffix = f"[{view}" if view else ""
    changes: dict[str, object] = {}
    if base.startswith("bleu_") or base == "sacrebleu":
        changes["counts"] = _bleu_counts(base, statistics)
    if score.per_class:
        changes["per_class"] = {
            name: _class_counted(one, _cells(base, suffix, name, score, statistics), statistics,
                                 real_patients)
            for name, one in score.per_class.items()
        }  # fmt: skip
    return score.model_copy(update=changes) if changes else score


def _bleu_counts(base: str, statistics: Columns) -> dict[str, int]:
    prefix = "bleu.sacrebleu" if base == "sacrebleu" else "bleu"
    orders = range(1, (_ORDERS if base == "sacrebleu" else int(base.removeprefix("bleu_"))) + 1)
    names = ["hyp_len", "ref_len", *(f"match_{o}" for o in orders), *(f"total_{o}" for o in orders)]
    columns = {name: statistics.get(f"{prefix}.{name}") for name in names}
    return {name: int(np.sum(c)) for name, c in columns.items() if c is not None}


def _cells(
    base: str, suffix: str, name: str, score: Score, statistics: Columns
) -> dict[str, Mask] | None:
    """Which studies are tp, fp, fn and tn; None where the score has no predictions (AUROC)."""
    if base.startswith("label_f1"):
        made = statistics.get(f"report_labels.hypothesis.{name}")
        real = statistics.get(f"report_labels.reference.{name}")
        is_report = statistics.get("report_labels.is_report")
        if made is None or real is None or is_report is None:
            return None
        policy = "u-ones" if "|uncertain:u-ones" in score.signature else "u-zeros"
        positive = (1, -1) if policy == "u-ones" else (1,)
        predicted = np.isin(made, positive) & np.asarray(is_report, dtype=np.bool_)
        present, known = np.isin(real, positive), np.ones(len(real), dtype=np.bool_)
        if "|uncertain:u-ignore" in score.signature:
            unsure = (made == -1) & np.asarray(is_report, dtype=np.bool_)
            known = ~((real == -1) | unsure)
    else:
        family, _, _ = base.rpartition("f1_")
        prefix = f"{family}classification{suffix}"
        column = statistics.get(f"{prefix}.predicted.{name}")
        label = statistics.get(f"{prefix}.label.{name}")
        if "f1_" not in base or column is None or label is None:
            return None
        predicted, present = np.asarray(column) == 1, np.asarray(label) == 1
        known = np.isin(label, (0, 1))
    return {
        "tp": known & predicted & present,
        "fp": known & predicted & ~present,
        "fn": known & ~predicted & present,
        "tn": known & ~predicted & ~present,
    }


def _class_counted(
    one: ClassScore, cells: dict[str, Mask] | None, statistics: Columns, real_patients: bool
) -> ClassScore:
    patient = statistics.get("patient")
    counts = None if cells is None else {kind: int(mask.sum()) for kind, mask in cells.items()}
    if not real_patients:
        return one.model_copy(update={"counts": counts})
    few = [n for n in (one.n_pos, one.n_neg) if n is not None and 0 < n < LEAST]
    if cells is not None:
        sides = (cells["tp"] | cells["fn"], cells["fp"] | cells["tn"])
        few += [n for n in (_patients(side, patient) for side in sides) if 0 < n < LEAST]
        if any(0 < _patients(mask, patient) < LEAST for mask in cells.values()):
            counts = None
    if few:
        return ClassScore(value=None, reason=TOO_FEW, n_pos=None, n_neg=None)
    return one.model_copy(update={"counts": counts})


def _patients(mask: Mask, patient: NDArray[generic] | None) -> int:
    return int(mask.sum()) if patient is None else len(np.unique(patient[mask]))
