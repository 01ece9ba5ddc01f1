"""95 % bootstrap intervals over patients, from one fixed set of resamples for every score of a run.

A resample is a row of weights: how often each study was drawn. The weights depend on the seed, on n
and on which studies share a patient, so all scores of a run share them, and two models on the same
studies can be paired. A patient's studies are drawn together: they are no independent evidence.
Where every study is a patient of its own, that is the bootstrap over studies.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 20_240_529
LEVEL = 0.95

Weights = NDArray[np.int16]
"""int16 [R, n]."""
Interval = tuple[float, float]


_patients: ContextVar[NDArray[np.int32] | None] = ContextVar("patients", default=None)


@contextmanager
def resampling_patients(patients: Sequence[str]) -> Iterator[int]:
    """Inside it, ``resample_weights`` draws these patients, one entry a study; gives their number.

    A property of the evaluated studies, not of a score: every metric that is computed inside
    resamples alike, plugged-in ones too.
    """
    numbers: dict[str, int] = {}
    of_study = np.array([numbers.setdefault(p, len(numbers)) for p in patients], dtype=np.int32)
    token = _patients.set(of_study)
    try:
        yield len(numbers)
    finally:
        _patients.reset(token)


def patient_numbers() -> NDArray[np.int32] | None:
    """The number of each study's patient, by first appearance: no identifier. None if unknown."""
    return _patients.get()


def patients_of(n: int) -> NDArray[np.int32] | None:
    """The number of each of ``n`` studies' patient; None where each study has one of its own."""
    patients = _patients.get()
    if patients is None or len(patients) != n or int(patients[-1]) == n - 1:
        return None
    return patients


def resample_weights(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Weights:
    """How often each of ``n`` studies is drawn in each resample; read-only, int16 [R, n].

    Rows sum to n where studies are drawn, to about n where patients are. The first rows are the
    same whatever ``resamples`` is. Raises ValueError for n or resamples under 1.
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"bootstrap: {n} studies, {resamples} resamples; both must be 1 or more")
    patients = patients_of(n)
    if patients is None:
        return _study_weights(n, resamples, seed)
    return _patient_weights(patients.tobytes(), resamples, seed)


@lru_cache(maxsize=4)
def _study_weights(n: int, resamples: int, seed: int) -> Weights:
    rng = np.random.default_rng((seed, n))
    weights = np.empty((resamples, n), dtype=np.int16)
    for row in weights:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=2)
def _patient_weights(patients: bytes, resamples: int, seed: int) -> Weights:
    of_study = np.frombuffer(patients, dtype=np.int32)
    weights = _study_weights(int(of_study.max()) + 1, resamples, seed)[:, of_study]
    weights.setflags(write=False)
    return weights


def in_chunks(weights: NDArray[np.generic], rows: int) -> Iterator[NDArray[np.float64]]:
    """The resamples as float64, ``rows`` at a time (at least one): what memory holds at once."""
    rows = max(1, rows)
    for first in range(0, len(weights), rows):
        yield weights[first : first + rows].astype(np.float64)


def percentile_interval(values: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
    """The central ``level`` of a score's resampled values [R].

    NaN marks a resample in which the score is undefined (a class lost its only positive); None
    where that is more than half of them, because the rest says nothing.
    """
    defined = values[np.isfinite(values)]
    if 2 * len(defined) <= len(values):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
