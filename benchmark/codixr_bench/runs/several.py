"""Several samples a study: the mean of their scores, its interval, and two spreads.

Set k holds every study's k-th sample. A score is the mean of the K sets' scores, and a study's
influence on it the mean of its influences: what pairing and resampling need is one row a study, as
ever. The interval is the sets' mean interval, narrowed as the standard error is by averaging a
study's samples.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codixr_bench.comparing.influences import columns_about_studies, influences
from codixr_bench.metric import INFLUENCE
from codixr_bench.registry import facts_of
from codixr_bench.result import Spread
from codixr_bench.runs.scoring import Scored
from codixr_bench.runs.warnings import in_most
from codixr_bench.score import ClassScore, Score, Skill
from codixr_bench.statistics.influence_interval import standard_error

Array = NDArray[np.float64]


def combined(sets: Sequence[Scored]) -> tuple[Scored, tuple[Spread, ...]]:
    """The K sets of one run as one, and each score's spreads; K is 2 or more.

    A score that is null in one set is null. Counts are of one sample a study: they are left out.
    """
    first = sets[0]
    names = [score.name for score in first.scores]
    found = [influences(one.statistics, names) for one in sets]
    by_study = {
        name: np.stack([one[name].by_study for one in found])
        for name in names
        if all(name in one for one in found)
    }
    patients = first.statistics.get("patient")
    scores, spreads = [], []
    for name in names:
        each = [score for one in sets for score in one.scores if score.name == name]
        own = by_study.get(name)
        scores.append(_mean(each, _narrowing(own, patients), len(sets)))
        spreads.append(_spread(each, own))
    statistics = dict(columns_about_studies(first.statistics, names))
    statistics |= {f"{name}{INFLUENCE}": own.mean(axis=0) for name, own in by_study.items()}
    warnings = tuple(in_most([one.warnings for one in sets]))
    return Scored(scores, statistics, first.n, first.patients, warnings), tuple(spreads)


def _narrowing(own: Array | None, patients: NDArray[np.generic] | None) -> float:
    """The standard error of the mean over that of a set, influences [K, n]; 1 where not known."""
    if own is None:
        return 1.0
    each = float(np.mean([standard_error(one, patients)[0] for one in own]))
    return min(1.0, standard_error(own.mean(axis=0), patients)[0] / each) if each > 0 else 1.0


def _mean(each: Sequence[Score], narrowing: float, k: int) -> Score:
    first = each[0]
    null = next((score for score in each if score.value is None), None)
    values = [score.value for score in each if score.value is not None]
    labels = [label for label in first.per_class if all(label in s.per_class for s in each)]
    changes: dict[str, object] = {
        "value": None if null else float(np.mean(values)),
        "reason": null.reason if null else None,
        "ci95": None if null else _interval(each, float(np.mean(values)), narrowing),
        "per_class": {label: _class_mean([s.per_class[label] for s in each]) for label in labels},
        "counts": {},
        "skill": _skill([score.skill for score in each]),
        "signature": f"{first.signature}|samples:{k}",
    }
    return first.model_copy(update=changes)


def _interval(
    each: Sequence[Score | ClassScore | Skill], value: float, narrowing: float
) -> tuple[float, float] | None:
    ends = [(one.value, *one.ci95) for one in each if one.ci95 and one.value is not None]
    if len(ends) < len(each):
        return None
    middle, low, high = np.mean(ends, axis=0)
    interval = value - narrowing * (middle - low), value + narrowing * (high - middle)
    facts = facts_of(each[0].name) if isinstance(each[0], Score) else None
    if facts is None:
        return float(interval[0]), float(interval[1])
    return float(max(facts.lowest, interval[0])), float(min(facts.highest, interval[1]))


def _class_mean(each: Sequence[ClassScore]) -> ClassScore:
    first = each[0]
    null = next((one for one in each if one.value is None), None)
    value = None if null else float(np.mean([one.value for one in each if one.value is not None]))
    return first.model_copy(
        update={
            "value": value,
            "reason": null.reason if null else None,
            # A class's influences are not kept: its interval is as wide as one sample's.
            "ci95": None if value is None else _interval(each, value, 1.0),
            "counts": None,
        }
    )


def _skill(each: Sequence[Skill | None]) -> Skill | None:
    """The mean of the sets' skills, which is the skill of the mean; as wide as one sample's."""
    known = [one for one in each if one is not None]
    if not known or len(known) < len(each):
        return None
    null = next((one for one in known if one.value is None), None)
    if null is not None:
        return null
    value = float(np.mean([one.value for one in known if one.value is not None]))
    return known[0].model_copy(update={"value": value, "ci95": _interval(known, value, 1.0)})


def _spread(each: Sequence[Score], own: Array | None) -> Spread:
    values = [score.value for score in each if score.value is not None]
    if len(values) < len(each):
        return Spread(name=each[0].name)
    within = None
    if own is not None:
        # A study's share of a score, by sample: the set's score and what the study does to it.
        shares = own + np.array(values)[:, None]
        within = math.sqrt(float(shares.var(axis=0, ddof=1).mean()))
    return Spread(
        name=each[0].name,
        within_study=within,
        between_seeds=float(np.std(values, ddof=1)),
    )
