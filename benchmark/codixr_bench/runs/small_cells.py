"""Counts beside the scores, and which of them are too small to be shown.

Counts let a reader recompute a score from a result file; each family of metrics gives its own
(``metric.Family.counts`` and ``.cells``). On a track of real patients, a class with a cell of fewer
than ``LEAST`` patients shows no counts, and a class with that few positives or negatives no value
either: a small cell can point at a person.
"""

from collections.abc import Sequence

import numpy as np
from numpy import generic
from numpy.typing import NDArray

from codixr.data.groups import LEAST
from codixr_bench.metric import Columns
from codixr_bench.registry import family_of
from codixr_bench.score import ClassScore, Score

TOO_FEW = f"fewer than {LEAST} patients: not shown"

Mask = NDArray[np.bool_]


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
    family = family_of(score.name)
    changes: dict[str, object] = {}
    if family is not None:
        changes["counts"] = family.counts(score.name, statistics)
    if score.per_class:
        by_class = {}
        for label, one in score.per_class.items():
            cells = {} if family is None else family.cells(score, label, statistics)
            by_class[label] = _class_counted(one, cells, statistics, real_patients)
        changes["per_class"] = by_class
    return score.model_copy(update=changes)


def _class_counted(
    one: ClassScore, cells: dict[str, Mask], statistics: Columns, real_patients: bool
) -> ClassScore:
    patient = statistics.get("patient")
    counts = {kind: int(mask.sum()) for kind, mask in cells.items()} or None
    if not real_patients:
        return one.model_copy(update={"counts": counts})
    few = [n for n in (one.n_pos, one.n_neg) if n is not None and 0 < n < LEAST]
    if cells:
        sides = (cells["tp"] | cells["fn"], cells["fp"] | cells["tn"])
        few += [n for n in (_patients(side, patient) for side in sides) if 0 < n < LEAST]
        if any(0 < _patients(mask, patient) < LEAST for mask in cells.values()):
            counts = None
    if few:
        return ClassScore(value=None, reason=TOO_FEW, n_pos=None, n_neg=None)
    return one.model_copy(update={"counts": counts})


def _patients(mask: Mask, patient: NDArray[generic] | None) -> int:
    return int(mask.sum()) if patient is None else len(np.unique(patient[mask]))
