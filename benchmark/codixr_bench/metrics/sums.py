"""Metrics whose statistics add up: a row of numbers a study, and a formula of their sums.

Say what a study's row is (``rows``) and what the sums give (``formula``); values, bootstrap
intervals, each study's influence, the columns of ``statistics.parquet`` and a result's counts
follow. BLEU is one (n-grams), ROUGE-L another (a mean over reports).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metric import Columns, Family, Influence, Peer
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import (
    Interval,
    patients_of,
    percentile_interval,
    resample_weights,
)
from codixr_bench.statistics.effective_draws import by_patient, ratio_interval
from codixr_bench.statistics.influence import influence_of, without_each
from codixr_bench.task import Task
from codixr_bench.track import Track

Array = NDArray[np.float64]
Estimate = tuple[float, Interval | None]
NO_STUDY = "no study was scored"
MID_P = "effective-draws"
"""What a signature says of the interval of a mean between two ends."""


class SummedFamily(Family):
    """A family whose scores are a formula of summed rows; by default the mean of each column."""

    output: Modality = Modality.T
    """What it scores: its metric is made for the tasks that make this output."""
    columns: tuple[str, ...]
    """Names of a row's numbers; ``statistics.parquet`` has them as ``<family>.<column>``."""
    of_studies: tuple[str, ...] = ()
    """Those that are about the studies: equal for every model."""

    def rows(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> Sequence[Sequence[float]] | NDArray[np.generic]:
        """The numbers of each study, [B, k]; InputError names the position of a missing output."""
        raise NotImplementedError

    def formula(self, sums: Array, n: Array) -> Array:
        """Summed rows [R, k] of n studies [R] -> the scores, [R, number of ``scores``].

        By default the mean over studies.
        """
        return sums / n[:, None]

    no_value: str = ""
    """The reason of a null where the formula gives no number; it belongs to ``reasons`` too."""
    ci: str = ""
    """How ``intervals`` makes them, for the signature; empty: by a bootstrap."""

    def intervals(
        self, rows: NDArray[np.generic], patients: NDArray[np.integer] | None
    ) -> "Sequence[Interval | None] | None":
        """95 % of each score, from rows [n, k]; None, the default, for a bootstrap over patients.

        Args:
            rows: of each study.
            patients: [n], the number of each study's patient; None: one study a patient.
        """
        return None

    def signature(self, name: str) -> str:
        """How a score was made, without its ``n``; its first part names the metric."""
        return name

    def peer(self) -> Peer | None:
        """The library that computes the same scores; none by default."""
        return None

    def metrics(self, task: Task, track: Track) -> "Sequence[SummedMetric]":
        """Its one metric, where ``task`` makes the output."""
        return [SummedMetric(self)] if self.output in task.outputs else []

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """By leaving each study out of the sums."""
        found = [columns.get(f"{self.name}.{column}") for column in self.columns]
        if not found or any(values is None for values in found):
            return super().influences(columns)
        rows = np.column_stack(found).astype(np.float64)  # type: ignore[arg-type]
        n = len(rows)
        if n < 2:
            return {}
        studies = np.concatenate([[n], np.full(n, n - 1)]).astype(np.float64)
        scores = self.formula(without_each(rows), studies)
        every = {name: influence_of(scores[:, i]) for i, name in enumerate(self.scores)}
        return {name: one for name, one in every.items() if np.isfinite(one.by_study).all()}

    def about_studies(self, column: str) -> bool:
        """Whether a column is among ``of_studies``."""
        return column in {f"{self.name}.{name}" for name in self.of_studies}


class SummedMetric:
    """The rows of a ``SummedFamily``, and its scores."""

    def __init__(self, family: SummedFamily) -> None:
        self.family = family
        self.name = family.name
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes the output."""
        return self.family.output in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add studies; InputError names the position of one that cannot be scored."""
        if len(positions) == 0:
            return
        rows = np.asarray(self.family.rows(positions, studies, samples))
        shape = (len(positions), len(self.family.columns))
        if rows.shape != shape:
            raise ValueError(f"metric {self.name}: rows of {rows.shape}, not {shape}")
        self._rows.add(positions, {"row": rows})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The family's scores in order; null, with the reason, without a study."""
        n = len(self._rows)
        if n == 0:
            return [self._score(name, None, None) for name in self.family.scores]
        rows = self._rows.columns()["row"]
        once = self.family.formula(_total(rows), np.array([float(n)]))[0]
        intervals = self.family.intervals(rows, patients_of(n))
        if intervals is None:
            weights = resample_weights(n).astype(np.float64)
            drawn = self.family.formula(_sums(weights, rows), weights.sum(axis=1))
            intervals = [percentile_interval(values) for values in drawn.T]
        return [
            self._score(name, float(value), interval)
            if np.isfinite(value)
            else self._score(name, None, None)
            for name, value, interval in zip(self.family.scores, once, intervals, strict=True)
        ]

    def peer(self) -> Peer | None:
        """The family's."""
        return self.family.peer()

    def statistics(self) -> Columns:
        """The rows, a column each."""
        columns = self._rows.columns()
        if not columns:
            return {}
        return {
            f"{self.name}.{name}": columns["row"][:, i]
            for i, name in enumerate(self.family.columns)
        }

    def _score(self, name: str, value: float | None, interval: tuple[float, float] | None) -> Score:
        n = len(self._rows)
        ci = f"|ci:{self.family.ci}" if self.family.ci else ""
        return Score(
            name=name,
            value=value,
            reason=None if value is not None else self.family.no_value if n else NO_STUDY,
            ci95=interval,
            n=n,
            higher_is_better=self.family.scores[name].higher_is_better,
            signature=f"{self.family.signature(name)}|n:{n}{ci}",
        )


def mean_of_studies(values: Array, lowest: float = 0.0, highest: float = 1.0) -> Estimate:
    """The mean of a number a study [n] between two ends, and its interval.

    A mean over studies is a share of what it could be, worth so many draws as its spread shows
    (``effective_draws``). Raises ValueError for a number beyond the ends.
    """
    if values.min() < lowest or values.max() > highest:
        raise ValueError(f"a study's number lies outside [{lowest}, {highest}]")
    patients = patients_of(len(values))
    parts = (values - lowest) / (highest - lowest)
    low, high = ratio_interval(*(by_patient(x, patients) for x in (parts, np.ones_like(parts))))
    ends = (lowest + float(x) * (highest - lowest) for x in (low, high))
    return float(values.mean()), (next(ends), next(ends))


def outside(values: NDArray[np.generic] | None, lowest: float, highest: float) -> bool:
    """Whether a column that is there has a number beyond its ends; none is NaN."""
    return values is not None and bool(values.min() < lowest or values.max() > highest)


def _total(rows: NDArray[np.generic]) -> Array:
    """[n, k] -> [1, k]; each column summed by itself, as ``numpy.mean`` does."""
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    return np.array([[column.sum() for column in columns]])


def _sums(weights: Array, rows: NDArray[np.generic]) -> Array:
    """Weights [R, n] and rows [n, k] -> [R, k]."""
    if np.issubdtype(rows.dtype, np.integer):
        # Counts: exact in any order of addition.
        return weights @ rows.astype(np.float64)
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    return np.column_stack([weights @ column for column in columns])
