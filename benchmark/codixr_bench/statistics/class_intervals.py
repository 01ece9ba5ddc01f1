"""95 % intervals of AUROC and F1 of several classes at once, and of their three averages.

Each class has its own interval (``auroc_interval``, ``f1_interval``). ``macro`` and ``weighted``
follow from those (``average_interval``). ``micro`` pools all (study, class) pairs: it is an AUROC
or F1 again, of pairs that share a study or a patient. Nothing is drawn at random.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.auroc_interval import Auroc, Mask, auroc
from codixr_bench.statistics.average_interval import average_interval
from codixr_bench.statistics.effective_draws import Bounds, by_patient
from codixr_bench.statistics.f1_interval import F1, f1

Patients = NDArray[np.integer] | None
"""[n], the number of each study's patient, 0 to P - 1; None: one study a patient."""

_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class ClassIntervals:
    """Lower and upper ends; NaN where there is no value."""

    per_class: Bounds
    """Two of [..., k]."""
    micro: Bounds
    """Two of [...]."""
    macro: Bounds
    weighted: Bounds


def auroc_intervals(
    scores: NDArray[np.floating], present: Mask, absent: Mask, patients: Patients = None
) -> ClassIntervals:
    """Of AUROC: scores and the two kinds of known labels, [..., k, n]."""
    if present.shape[-1] == 0:
        return _none(present.shape)
    classes = auroc(scores, present, absent, patients)
    whose = _pair_patients(present.shape, patients)
    micro = auroc(_pooled(scores), _pooled(present), _pooled(absent), whose)
    return _averages(classes, micro.bounds, present, patients, present.shape[-2])


def f1_intervals(
    predicted: Mask,
    present: Mask,
    absent: Mask,
    patients: Patients = None,
    of_macro: int | None = None,
) -> ClassIntervals:
    """Of F1: what is predicted and the two kinds of known labels, [..., k, n].

    Args:
        predicted: counts where the label is known.
        present: which labels are 1.
        absent: which are 0.
        patients: whose study it is.
        of_macro: how many of the first classes ``macro`` is of; all by default.
    """
    if present.shape[-1] == 0:
        return _none(present.shape)
    classes = f1(predicted, present, absent, patients)
    whose = _pair_patients(present.shape, patients)
    micro = f1(_pooled(predicted), _pooled(present), _pooled(absent), whose)
    return _averages(classes, micro.bounds, present, patients, of_macro or present.shape[-2])


def _averages(
    classes: Auroc | F1, micro: Bounds, present: Mask, patients: Patients, of_macro: int
) -> ClassIntervals:
    first = slice(None, of_macro)
    low, high = classes.bounds
    macro = average_interval(
        classes.value[..., first],
        (low[..., first], high[..., first]),
        np.ones_like(low[..., first]),
        classes.by_patient[..., first, :],
        centres=classes.unbiased[..., first],
    )
    positives = by_patient(present.astype(np.float64), patients)
    weighted = average_interval(
        classes.value,
        classes.bounds,
        positives.sum(axis=-1),
        classes.by_patient,
        weights_by_patient=positives,
        centres=classes.unbiased,
    )
    return ClassIntervals(classes.bounds, micro, macro, weighted)


def _none(shape: tuple[int, ...]) -> ClassIntervals:
    """Of no study."""
    each, all_ = np.full(shape[:-1], np.nan), np.full(shape[:-2], np.nan)
    return ClassIntervals((each, each), (all_, all_), (all_, all_), (all_, all_))


def _pooled(values: NDArray[_Kind]) -> NDArray[_Kind]:
    """[..., k, n] -> [..., k n]."""
    return values.reshape(*values.shape[:-2], -1)


def _pair_patients(shape: tuple[int, ...], patients: Patients) -> NDArray[np.integer]:
    """[k n]: whose each pair is; without patients, its study."""
    return np.tile(np.arange(shape[-1]) if patients is None else patients, shape[-2])
