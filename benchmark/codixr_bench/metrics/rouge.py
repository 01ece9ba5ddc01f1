"""``rouge_l`` of generated reports, by the library rouge-score.

The mean over reports of ROUGE-L's F-measure (longest common subsequence; Lin 2004), lower-cased,
tokens of letters and digits, no stemming. An empty report scores 0, it is never skipped.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy import generic
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import percentile_interval, resample_weights
from codixr_bench.task import Task


class RougeMetric:
    """``rouge_l``, with a value a report for pairing."""

    name = "rouge_l"

    def __init__(self) -> None:
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or sample without one."""
        values = [
            _scorer().score(reference, generated)["rougeL"].fmeasure
            for reference, generated in report_pairs(positions, studies, samples)
        ]
        self._rows.add(positions, {"value": np.array(values, dtype=np.float64)})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """One score."""
        n = len(self._rows)
        signature = f"rouge_l|f|stem:no|mean-of-reports|rouge-score:{_version()}|n:{n}"
        if n == 0:
            return [_score(None, None, 0, signature, "no study was scored")]
        values = self._values()
        weights = resample_weights(n).astype(np.float64)
        interval = percentile_interval(weights @ values / weights.sum(axis=1))
        return [_score(float(values.mean()), interval, n, signature)]

    def statistics(self) -> Mapping[str, NDArray[generic]]:
        """``rouge_l.influence``: a report's value less the mean."""
        if len(self._rows) == 0:
            return {}
        values = self._values()
        return {"rouge_l.influence": values - values.mean()}

    def _values(self) -> NDArray[np.float64]:
        return np.asarray(self._rows.columns()["value"], dtype=np.float64)


def _score(
    value: float | None,
    interval: tuple[float, float] | None,
    n: int,
    signature: str,
    reason: str | None = None,
) -> Score:
    return Score(
        name="rouge_l",
        value=value,
        reason=reason,
        ci95=interval,
        n=n,
        higher_is_better=True,
        signature=signature,
    )


@lru_cache(maxsize=1)
def _scorer() -> Any:
    # Imported where it is used: it brings NLTK, which takes seconds.
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def _version() -> str:
    from importlib.metadata import version

    return version("rouge-score")
