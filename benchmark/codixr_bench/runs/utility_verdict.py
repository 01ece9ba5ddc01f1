"""What ``utility``'s trainings say: macro AUROC, intervals over studies and seeds, verdicts.

Two errors are in an arm's score: of the tested studies (from each study's influence, patients as
one draw) and of the training (the spread between seeds, t with seeds - 1 degrees of freedom). The
half-length is the root of the sum of the two halves' squares. A difference between arms is paired
in both: the same tested studies, the same seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr_bench.metrics.auroc import auroc_without_each
from codixr_bench.runs.utility import MADE, REAL, Learnt
from codixr_bench.statistics.influence import influence_of
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import quantile

MARGIN = 0.02
"""Of macro AUROC: a smaller loss is no loss, unless --margin says otherwise."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ArmScore:
    """One arm: macro AUROC, by class, and the difference to the real arm."""

    name: str
    n: int
    auroc: Estimate
    per_class: dict[str, float | None]
    """Mean over the seeds; None where the tested studies have one kind of label only."""
    minus_real: Estimate | None
    verdict: str | None


def score_arms(learnt: Sequence[Learnt], margin: float) -> list[ArmScore]:
    """Every arm's score; those tested on the same studies as ``real`` have a difference to it."""
    real = next(one for one in learnt if one.name == REAL)
    real_values, real_influences = _of_seeds(real)
    found = []
    for arm in learnt:
        values, influences = _of_seeds(arm)
        difference = verdict = None
        if arm.name != REAL and influences.shape == real_influences.shape and arm.patients:
            difference = _estimate(values - real_values, influences - real_influences, arm.patients)
            verdict = verdict_of(difference, margin) if arm.name == MADE else None
        patients = arm.patients or tuple(str(i) for i in range(influences.shape[1]))
        found.append(
            ArmScore(
                arm.name,
                arm.n,
                _within(_estimate(values, influences, patients)),
                _by_class(arm),
                difference,
                verdict,
            )
        )
    return found


def verdict_of(difference: Estimate, margin: float) -> str:
    """In words: what the difference to real studies shows."""
    if difference.low > 0:
        return "better than real"
    if difference.low > -margin:
        return f"not worse than real by {margin:g}"
    if difference.high < 0:
        return "worse than real"
    return "can't tell: more studies or seeds would"


def _of_seeds(arm: Learnt) -> tuple[Array, Array]:
    """Macro AUROC of each seed, [S]; and influences [S, m], zeros where there is none."""
    values, influences = [], []
    for probabilities, labels in zip(arm.probabilities, arm.labels, strict=True):
        found = influence_of(auroc_without_each(probabilities, labels.astype(np.float64)).macro)
        value = 0.5 if found.value is None or not np.isfinite(found.value) else found.value
        values.append(value)
        influences.append(np.nan_to_num(found.by_study))
    return np.array(values), np.stack(influences)


def _estimate(values: Array, influences: Array, patients: Sequence[str]) -> Estimate:
    """The mean over seeds, with both errors."""
    value, seeds = float(values.mean()), len(values)
    error, df = standard_error(influences.mean(axis=0), patients)
    of_studies = quantile(0.025, df) * error
    of_seeds = 0.0
    if seeds > 1:
        of_seeds = quantile(0.025, seeds - 1.0) * float(values.std(ddof=1)) / np.sqrt(seeds)
    half = float(np.hypot(of_studies, of_seeds))
    return Estimate(value, value - half, value + half)


def _within(one: Estimate) -> Estimate:
    """Cut to what an AUROC can be."""
    return Estimate(one.value, max(0.0, one.low), min(1.0, one.high))


def _by_class(arm: Learnt) -> dict[str, float | None]:
    each = np.array(
        [
            auroc_without_each(probabilities, labels.astype(np.float64)).per_class[0]
            for probabilities, labels in zip(arm.probabilities, arm.labels, strict=True)
        ]
    )
    means = [float(column.mean()) if np.isfinite(column).all() else None for column in each.T]
    return dict(zip(PATHOLOGIES, means, strict=True))
