"""Scores by group of patients, and the gaps between groups: from a run's statistics alone.

A score of a group is computed from its own studies' columns, so only scores that a study's columns
give have one; a distance between sets has none. A gap is the difference of two groups' scores, its
error that of both groups' influences, patients as one draw. Intervals of all pairs of groups hold
together at 95 % (Bonferroni over the pairs), and Holm's correction runs over the primary scores of
all attributes asked. Imports no torch.

Notable:
- Groups of fewer than ``LEAST`` patients are not shown, and never one alone: what is hidden could
  be had by taking the others from the whole.
- Averages over classes hold the classes that every shown group has ``LEAST`` patients with and
  without: else two groups' averages were of different findings.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from codixr.data.groups import LEAST, Groups
from codixr_bench.comparing.side import Side
from codixr_bench.metric import Columns, Family, Influence
from codixr_bench.registry import facts_of, family_of
from codixr_bench.score import Score
from codixr_bench.statistics.influence import PATIENT, as_influences, read_statistics
from codixr_bench.statistics.influence_interval import influence_interval, standard_error
from codixr_bench.statistics.significance import holm, quantile, upper_tail

ALPHA = 0.05
POWER = 0.8
UNKNOWN = "unknown"
"""The group of the studies whose group is not known."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Patients of one kind: ``rows`` are their studies' positions."""

    name: str
    rows: NDArray[np.intp]
    patients: int


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One score among one group's studies, with its 95 % interval."""

    group: str
    n: int
    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Gap:
    """The pair of groups that a score tells apart best, of all pairs of one attribute."""

    higher: str
    lower: str
    value: float
    """``higher`` - ``lower``, in the score's unit; never below 0."""
    interval: tuple[float, float]
    """95 %, together with those of the other pairs."""
    p: float
    """How often equal groups give some pair that differs this much."""
    p_holm: float | None
    """Corrected for the primary scores of all attributes; None for another score."""
    seen_from: float
    """The gap that this many studies find with a chance of 80 %."""


@dataclass(frozen=True, slots=True)
class ByGroup:
    """One score by the groups of one attribute."""

    attribute: str
    score: str
    higher_is_better: bool
    primary: bool
    groups: tuple[GroupScore, ...]
    gap: Gap


@dataclass(frozen=True, slots=True)
class Subgroups:
    """Everything about one result by groups."""

    shown: Mapping[str, Sequence[Group]]
    """Attribute -> its groups, largest first."""
    hidden: Mapping[str, int]
    """Attribute -> how many groups are not shown."""
    scores: tuple[ByGroup, ...]
    without: Mapping[str, Sequence[str]]
    """Attribute -> classes that no average holds."""
    not_by_group: tuple[str, ...]
    """Scores of the model that no group has: distances, and what is null."""


def by_groups(side: Side, groups: Groups, only: Sequence[str] = ()) -> Subgroups:
    """Every score of ``side`` by each attribute of ``groups``.

    Args:
        side: a result with its statistics.
        groups: attribute -> the group of each study, in the split's order.
        only: names of the scores wanted; all that a group can have by default.

    Raises InputError as ``Side.influences``: statistics of another run, edited numbers.
    """
    assert side.statistics is not None, "the command asks for them"
    side.influences()
    columns = read_statistics(side.statistics, side.result.track.n)
    return of_columns(side.result.scores, columns, groups, only)


def of_columns(
    every: Sequence[Score], columns: Columns, groups: Groups, only: Sequence[str] = ()
) -> Subgroups:
    """``by_groups``, of scores and their statistics as they are."""
    columns, _ = as_influences(columns)
    patient = columns.get(PATIENT)
    scores = [score for score in every if score.value is not None and _of_model(score.name)]
    wanted = [score for score in scores if not only or score.name in only]
    shown, hidden, without = {}, {}, {}
    found: list[ByGroup] = []
    for attribute, values in groups.items():
        parts, hidden[attribute] = shown_groups(values, patient)
        shown[attribute] = parts
        if len(parts) < 2:
            continue
        rows = {part.name: _rows(columns, part.rows) for part in parts}
        by_group, without[attribute] = _by_group(scores, wanted, rows)
        for score in wanted:
            of_groups = {
                name: own[score.name] for name, own in by_group.items() if score.name in own
            }
            if len(of_groups) == len(parts) and _finite(of_groups.values()):
                found.append(_scored(attribute, score, parts, of_groups, patient))
    named = {one.score for one in found}
    left = tuple(score.name for score in wanted if score.name not in named)
    return Subgroups(shown, hidden, tuple(_corrected(found)), without, left)


def _by_group(
    scores: Sequence[Score], wanted: Sequence[Score], rows: Mapping[str, Columns]
) -> tuple[dict[str, dict[str, Influence]], list[str]]:
    """Group -> score -> influence; and the classes that no average holds."""
    found: dict[str, dict[str, Influence]] = {name: {} for name in rows}
    left_out: dict[str, None] = {}
    every = _families(scores)
    for family, own in _families(wanted).items():
        rare = _rare(family, every[family], rows)
        left_out |= dict.fromkeys(rare)
        for name, columns in rows.items():
            found[name] |= family.of_group(columns, own, rare)
    return found, list(left_out)


def shown_groups(
    values: Sequence[str | None], patient: NDArray[np.generic] | None
) -> tuple[list[Group], int]:
    """The groups that may be shown, largest first, and how many may not.

    A group of fewer than ``LEAST`` patients is not; nor is the next smallest, until two groups and
    ``LEAST`` patients are hidden together.
    """
    names = np.array([UNKNOWN if value is None else value for value in values])
    groups = []
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        patients = len(rows) if patient is None else len(np.unique(patient[rows]))
        groups.append(Group(str(name), rows, patients))
    groups.sort(key=lambda group: (-group.patients, group.name))
    shown = [group for group in groups if group.patients >= LEAST]
    hidden = [group for group in groups if group.patients < LEAST]
    while hidden and shown and (len(hidden) < 2 or sum(g.patients for g in hidden) < LEAST):
        hidden.append(shown.pop())
    return shown, len(hidden)


def _families(scores: Sequence[Score]) -> dict[Family, dict[str, Score]]:
    found: dict[Family, dict[str, Score]] = {}
    for score in scores:
        if (family := family_of(score.name)) is not None:
            found.setdefault(family, {})[score.name] = score
    return found


def _rare(family: Family, scores: Mapping[str, Score], rows: Mapping[str, Columns]) -> list[str]:
    """Classes that some group has fewer than ``LEAST`` patients with, or without."""
    rare: dict[str, None] = {}
    for score in scores.values():
        for label in score.per_class:
            for columns in rows.values():
                cells = family.cells(score, label, columns)
                if not cells:
                    continue
                patient = columns.get(PATIENT)
                for side in (cells["tp"] | cells["fn"], cells["fp"] | cells["tn"]):
                    n = int(side.sum()) if patient is None else len(np.unique(patient[side]))
                    if n < LEAST:
                        rare[label] = None
    return list(rare)


def _scored(
    attribute: str,
    score: Score,
    parts: Sequence[Group],
    influences: Mapping[str, Influence],
    patient: NDArray[np.generic] | None,
) -> ByGroup:
    facts = facts_of(score.name)
    assert facts is not None, "its family gave the influences"
    groups = []
    for part in parts:
        one = influences[part.name]
        assert one.value is not None
        of_rows = None if patient is None else patient[part.rows]
        ends = influence_interval(one.value, one.by_study, of_rows, facts.lowest, facts.highest)
        groups.append(GroupScore(part.name, len(part.rows), one.value, ends))
    return ByGroup(
        attribute,
        score.name,
        facts.higher_is_better,
        facts.primary,
        tuple(groups),
        _gap(parts, influences, patient, facts.highest - facts.lowest),
    )


def _gap(
    parts: Sequence[Group],
    influences: Mapping[str, Influence],
    patient: NDArray[np.generic] | None,
    most: float,
) -> Gap:
    """The clearest of all pairs."""
    pairs = list(itertools.combinations(parts, 2))
    found = []
    for one, other in pairs:
        value = (influences[one.name].value or 0.0) - (influences[other.name].value or 0.0)
        high, low = (one, other) if value >= 0 else (other, one)
        error, df = _error(high, low, influences, patient)
        tail = upper_tail(abs(value) / error, df) if error else float(value == 0.0)
        p = min(1.0, 2.0 * len(pairs) * tail)
        reach = quantile(ALPHA / (2 * len(pairs)), df)
        ends = (max(abs(value) - reach * error, -most), min(abs(value) + reach * error, most))
        seen = (reach + NormalDist().inv_cdf(POWER)) * error
        found.append(Gap(high.name, low.name, abs(value), ends, p, None, seen))
    return min(found, key=lambda gap: (gap.p, -gap.value))


def _error(
    high: Group,
    low: Group,
    influences: Mapping[str, Influence],
    patient: NDArray[np.generic] | None,
) -> tuple[float, float]:
    """The standard error of the difference of two groups' scores, and its degrees of freedom."""
    n = len(high.rows) + len(low.rows)
    pulls = np.concatenate(
        [
            influences[group.name].by_study * (sign * n / len(group.rows))
            for group, sign in ((high, 1.0), (low, -1.0))
        ]
    )
    rows = np.concatenate([high.rows, low.rows])
    return standard_error(pulls, None if patient is None else patient[rows])


def _corrected(found: Sequence[ByGroup]) -> Iterator[ByGroup]:
    adjusted = iter(holm([one.gap.p for one in found if one.primary]))
    for one in found:
        yield replace(one, gap=replace(one.gap, p_holm=next(adjusted))) if one.primary else one


def _rows(columns: Columns, rows: NDArray[np.intp]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _finite(influences: Iterable[Influence]) -> bool:
    return all(np.isfinite(one.by_study).all() for one in influences)


def _of_model(name: str) -> bool:
    facts = facts_of(name)
    return facts is not None and facts.of_model
