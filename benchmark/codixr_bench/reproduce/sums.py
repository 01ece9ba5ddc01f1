"""What a bundle carries of a run's statistics: sums over all studies, and no study's own numbers.

Of each score the sums of its pseudo-values (the score plus what a study does to it) and of their
second and fourth powers about the mean: value, standard error and degrees of freedom follow. Of
each class's AUROC the pairs in the right order. A sum over the hundreds of studies of a split says
no more of one of them than the score and its interval do; a class that is too small to be shown in
the result has none. Imports no torch.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from codixr.errors import InputError
from codixr_bench.comparing.influences import influences
from codixr_bench.metric import Columns
from codixr_bench.registry import facts_of
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.statistics.influence import PATIENT, read_statistics
from codixr_bench.statistics.influence_interval import (
    by_patient,
    error_from_sums,
    half_width,
)
from codixr_bench.statistics.interval_width import width_fault

TOLERANCE = 1e-6
"""Of a value from its sums: absolute, and relative above 1."""
LEAST = 100
"""Studies from which on every interval is about as wide as its standard error says."""
_EXACT = "ci:influence"
_SAME = "ref:same-studies"
_DISTANCES = ("fid", "frd")

Fault = tuple[str, str]
"""A field, and what is wrong with it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScoreSums(_Part):
    """Of one score's pseudo-values."""

    sum: float
    squares: float = Field(ge=0)
    """About the mean, the studies of one patient added up first."""
    fourths: float = Field(ge=0)
    """Fourth powers of the same."""


class Pairs(_Part):
    """Of a class: pairs of a positive and a negative study."""

    right: int = Field(ge=0)
    """Twice the pairs whose probabilities are in the right order, ties counted half."""
    positives: int = Field(ge=1)
    negatives: int = Field(ge=1)


class TaskSums(_Part):
    """The sums of one result."""

    schema_version: int = Field(default=1, ge=1, le=1)
    studies: int = Field(ge=1)
    draws: int = Field(ge=1)
    """Patients, or studies where each has one."""
    scores: dict[str, ScoreSums]
    without: tuple[str, ...] = ()
    """Scores that don't say what a study does to them."""
    pairs: dict[str, dict[str, Pairs]] = {}
    """Score of AUROC's classes -> class -> its pairs."""


def sums_of(result: Result, statistics: Path) -> TaskSums:
    """The sums of a run on the machine that holds its ``statistics.parquet``.

    InputError for statistics that don't give the result's values.
    """
    columns = read_statistics(statistics, result.track.n)
    patient = columns.get(PATIENT)
    names = [score.name for score in result.scores if score.value is not None]
    found = influences(columns, names)
    sums: dict[str, ScoreSums] = {}
    draws = result.track.n
    for name in names:
        if (one := found.get(name)) is None:
            continue
        score = result.score(name)
        assert score is not None
        assert score.value is not None
        value = score.value if one.value is None else one.value
        if abs(value - score.value) > TOLERANCE * max(1.0, abs(score.value)):
            raise InputError(
                f"'{statistics}' gives {name} {value:.6g}, and the result beside it has "
                f"{score.value:.6g}: they are of two runs; make them again with "
                f"`codixr-bench score --samples {statistics.parent}`"
            )
        influence = one.by_study - one.by_study.mean()
        grouped = influence if patient is None else by_patient(influence, patient)
        draws = len(grouped)
        sums[name] = ScoreSums(
            sum=float(value * len(influence) + influence.sum()),
            squares=float(np.square(grouped).sum()),
            fourths=float(np.square(np.square(grouped)).sum()),
        )
    return TaskSums(
        studies=result.track.n,
        draws=draws,
        scores=sums,
        without=tuple(name for name in names if name not in sums),
        pairs={score.name: of for score in result.scores if (of := _pairs(score, columns))},
    )


def sum_faults(result: Result, sums: TaskSums) -> Iterator[Fault]:
    """What of a result does not follow from its sums."""
    if sums.studies != result.track.n or sums.draws > sums.studies:
        yield "studies", f"{sums.studies} studies of {sums.draws} patients, not {result.track.n}"
    valued = {score.name: score for score in result.scores if score.value is not None}
    named = {*sums.scores, *sums.without}
    for name in sorted(named ^ valued.keys()):
        yield f"scores.{name}", "sums without a value, or a value without sums"
    if twice := sorted({*sums.scores} & {*sums.without}):
        yield f"scores.{twice[0]}", "there and left out"
    for name, one in sums.scores.items():
        if name in valued:
            yield from _score_faults(valued[name], one, sums)
    yield from _pair_faults(result, sums)


def _score_faults(score: Score, one: ScoreSums, sums: TaskSums) -> Iterator[Fault]:
    where = f"scores.{score.name}"
    value = one.sum / sums.studies
    stated = score.value if score.value is not None else value
    if abs(value - stated) > TOLERANCE * max(1.0, abs(stated)):
        yield f"{where}.value", f"its sums give {value:.6g}, the result has {stated:.6g}"
        return
    # Cauchy and Schwarz: no numbers have such sums.
    slack = 1.0 + 1e-9
    if one.fourths > one.squares**2 * slack or one.squares**2 > sums.draws * one.fourths * slack:
        yield where, "no numbers have these sums of second and fourth powers"
        return
    if score.ci95 is None:
        return
    error, df = error_from_sums(sums.draws, sums.studies, one.squares, one.fourths)
    if (expected := _interval(score, stated, half_width(error, df))) is not None:
        apart = max(abs(a - b) for a, b in zip(expected, score.ci95, strict=True))
        if apart > TOLERANCE * max(1.0, abs(stated)):
            said = f"[{expected[0]:.6g}, {expected[1]:.6g}]"
            yield f"{where}.ci95", f"its sums give {said}"
    elif sums.studies < LEAST:
        return  # a band is for intervals of many studies
    elif (fault := width_fault(score, error, wide=error > 0.0)) is not None:
        yield f"{where}.ci95", fault


def _interval(score: Score, value: float, half: float) -> tuple[float, float] | None:
    """The interval of a distance to the same studies, which its sums give to the last digits."""
    facts = facts_of(score.name)
    parts = score.signature.split("|")
    ends = any(part in (_EXACT, f"{_EXACT},by-patient") for part in parts)
    if facts is None or not ends or _SAME not in parts or parts[0] not in _DISTANCES:
        return None
    return max(facts.lowest, value - half), min(facts.highest, value + half)


def _pairs(score: Score, columns: Columns) -> dict[str, Pairs]:
    found = {}
    for label, one in score.per_class.items():
        columns_of = _class_columns(score.name, label, columns)
        if one.value is None or columns_of is None:
            continue
        probability, known = columns_of
        present, absent = (np.sort(probability[known == kind]) for kind in (1, 0))
        if len(present) and len(absent):
            right = np.searchsorted(absent, present, "left").sum()
            right += np.searchsorted(absent, present, "right").sum()
            found[label] = Pairs(right=int(right), positives=len(present), negatives=len(absent))
    return found


def _class_columns(
    name: str, label: str, columns: Mapping[str, NDArray[np.generic]]
) -> tuple[NDArray[np.generic], NDArray[np.generic]] | None:
    """A class's probabilities and labels, of ``auroc_macro[F]`` or ``chex_auroc_macro``."""
    base, bracket, view = name.partition("[")
    if not base.endswith("auroc_macro"):
        return None
    lead = base.removesuffix("auroc_macro")
    prefix = f"{lead}classification{bracket}{view}"
    probability, known = (columns.get(f"{prefix}.{k}.{label}") for k in ("probability", "label"))
    return None if probability is None or known is None else (probability, known)


def _pair_faults(result: Result, sums: TaskSums) -> Iterator[Fault]:
    for score in result.scores:
        if not score.name.partition("[")[0].endswith("auroc_macro"):
            continue
        of = sums.pairs.get(score.name, {})
        shown = {label for label, one in score.per_class.items() if one.value is not None}
        for label in sorted(shown ^ of.keys()):
            yield f"pairs.{score.name}.{label}", "pairs without a value, or a value without pairs"
        for label in sorted(shown & of.keys()):
            pairs, one = of[label], score.per_class[label]
            value = pairs.right / (2.0 * pairs.positives * pairs.negatives)
            where = f"scores.{score.name}.per_class.{label}"
            if (pairs.positives, pairs.negatives) != (one.n_pos, one.n_neg):
                yield f"{where}.n_pos", "not those of its pairs"
            elif one.value is not None and abs(value - one.value) > TOLERANCE:
                yield f"{where}.value", f"its pairs give {value:.6g}, not {one.value:.6g}"
    for name in sums.pairs.keys() - {score.name for score in result.scores}:
        yield f"pairs.{name}", "of no score"
