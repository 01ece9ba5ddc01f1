"""What a row's statistics show of its scores: every value that follows from them is computed anew.

*Recomputed* scores follow from what each study gave: AUROC, F1, agreements; all scores of reports,
from the reports themselves; and, beside the row of the real outputs, distances and ratios to them.
*Bounded* ones are answers of a search or a network that nobody here can ask again (copies of
pictures, their attributes and anatomy, ``authpct``, ``clip_agreement``): each study's answer has to
be one that there can be, the value and the interval those that the answers give. Of *unchecked*
ones the file has each study's influence only: value and interval have to fit it, and a forger could
make both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codixr_bench.comparing.influences import influences
from codixr_bench.metric import INFLUENCE, Family, Influence
from codixr_bench.registry import facts_of, family_of
from codixr_bench.result import Result
from codixr_bench.runs.small_cells import with_counts
from codixr_bench.score import ClassScore, Score
from codixr_bench.statistics.influence import PSEUDOVALUE
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.interval_width import width_fault
from codixr_leaderboard.accepted import columns
from codixr_leaderboard.bounds import bound_problems, column_problems
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.statistics_file import First, Table

TOLERANCE = 1e-6
"""Of a value computed anew: absolute, and relative for values above 1."""
INFLUENCE_TOLERANCE = 0.02
"""Of an influence from float16 features, in their standard deviations: the reference points' differ
by 0.003 at most."""
LITTLE = 0.02
"""A standard deviation of a share's influences that is too small to be held against another."""
LACKING = "the statistics lack what it is computed from: score again"
_RECOMPUTED = (
    "classification",
    "bleu",
    "rouge",
    "report_labels",
    "attributes",
    "image_attributes",
    "consistency",
)
"""Families whose scores follow from the columns of each study."""
_BY_COUNTS = "label_f1"
"""Their value follows from their counts, and the counts from the columns."""


@dataclass(frozen=True)
class Evidence:
    """What the statistics of one result show."""

    recomputed: tuple[str, ...]
    """Scores that were computed anew from what each study gave."""
    bounded: tuple[str, ...]
    """Scores of answers that can't be asked again: they are of a kind that there can be."""
    unchecked: tuple[str, ...]
    """Scores that only fit their influences."""
    problems: tuple[Problem, ...]


def evidence_of(
    result: Result,
    table: Table,
    real: First | None = None,
    counted: frozenset[str] = frozenset(),
) -> Evidence:
    """Hold the scores of a result against its statistics, ``read_table`` of the row's file.

    Args:
        result: of the row.
        table: its statistics.
        real: the real outputs' result and statistics, which distances are measured from.
        counted: scores whose columns were counted again from the reports.
    """
    valued = [score for score in result.scores if score.value is not None]
    names = [score.name for score in valued]
    found = influences(table, names)
    exact = _exact(table, names)
    needed = _exact(real[1], names).keys() if real is not None else frozenset()
    anew, wanted, alike = _beside_real(valued, table, real)
    shown = columns(result)
    kinds: dict[str, list[str]] = {"recomputed": [], "bounded": [], "unchecked": []}
    problems: list[Problem] = []
    for score in valued:
        name, where = score.name, f"scores.{score.name}"
        must = name in needed or _follows(score)
        kept = exact.get(name) if must else exact.get(name, found.get(name))
        if kept is None or kept.value is None:
            problems.append(Problem(where, "the statistics lack what each study gave to it"))
            continue
        if name in wanted and name not in alike:
            problems.append(
                Problem(f"{where}.signature", "not that of the row of the real outputs")
            )
        elif name in anew:
            problems += _beside_real_problems(score, kept, anew[name])
        elif name in wanted:
            problems.append(Problem(where, LACKING))
        is_anew = name in anew or name in exact or _by_counts(score)
        kind = "recomputed" if name in counted else _kind_of(score, is_anew=is_anew)
        kinds[kind].append(name)
        problems += bound_problems(score, kept, table)
        if not _close(kept.value, score.value):
            said = f"its statistics give {kept.value:.6g}, the row has {score.value:.6g}"
            problems.append(Problem(f"{where}.value", said))
        elif score.ci95 is not None:
            error, _ = standard_error(kept.by_study, table.get("patient"))
            fault = width_fault(score, error, wide=name in shown)
            if fault is not None:
                problems.append(Problem(f"{where}.ci95", fault))
    problems += [p for score in valued for p in _count_problems(score, table)]
    problems += _class_problems(valued, table)
    problems += column_problems(table)
    problems += _left_out(result, table, real)
    return Evidence(problems=tuple(problems), **{kind: tuple(of) for kind, of in kinds.items()})


def _exact(table: Table, names: list[str]) -> dict[str, Influence]:
    """Scores that follow from what each study gave, without the influences that a file states."""
    given = {name: column for name, column in table.items() if not _is_influence(name)}
    found = influences(given, names)
    return {name: one for name, one in found.items() if one.value is not None}


def _kind_of(score: Score, *, is_anew: bool) -> str:
    facts = facts_of(score.name)
    if facts is not None and facts.only_stated:
        return "bounded"
    return "recomputed" if is_anew else "unchecked"


def _left_out(result: Result, table: Table, real: First | None) -> Iterator[Problem]:
    """Scores that rows are doubted by, and nulls: a row would take a rank without their value."""
    there = {score.name: score for score in result.scores}
    for score in real[0].scores if real is not None else ():
        family, where = family_of(score.name), f"scores.{score.name}"
        if family is None:
            continue
        own = there.get(score.name)
        is_null = own is not None and own.value is None and score.value is not None
        if own is None and type(family).warnings is not Family.warnings:
            yield Problem(where, "missing: rows are doubted by it; score all metrics")
        elif is_null and not family.may_be_null(score.name, table):
            yield Problem(where, "null, where the real outputs have a value: score all metrics")


def _beside_real(
    scores: list[Score], table: Table, real: First | None
) -> tuple[dict[str, Influence], frozenset[str], frozenset[str]]:
    """Scores computed anew beside the real outputs; those that can be; those of one signature.

    A distance of another signature than the real outputs' own would escape: it is told.
    """
    if real is None:
        return {}, frozenset(), frozenset()
    other, theirs = real
    twins = {
        score.name: family
        for score in scores
        if (family := family_of(score.name)) is not None and other.score(score.name) is not None
    }
    alike = frozenset(
        score.name
        for score in scores
        if (twin := other.score(score.name)) is not None and twin.signature == score.signature
    )
    anew: dict[str, Influence] = {}
    wanted: set[str] = set()
    for family in dict.fromkeys(twins.values()):
        own = family.recomputed(table, theirs)
        anew |= own
        is_whole = all(name in own for name, of in twins.items() if of is family)
        wanted |= (own if is_whole else family.recomputed(theirs, theirs)).keys()
    return (
        {n: one for n, one in anew.items() if n in alike},
        frozenset(wanted & twins.keys()),
        alike,
    )


def _beside_real_problems(score: Score, kept: Influence, anew: Influence) -> Iterator[Problem]:
    stated, value = score.value or 0.0, anew.value or 0.0
    family, where = family_of(score.name), f"scores.{score.name}"
    within = family.recomputed_within if family is not None else TOLERANCE
    if anew.rounding is not None:
        within, _ = anew.rounding
    if abs(value - stated) > within * max(1.0, abs(stated)):
        said = f"computed anew it is {value:.6g}, the row has {stated:.6g}"
        yield Problem(f"{where}.value", said)
    if anew.ci95 is not None and score.ci95 is not None:
        low, high = anew.ci95
        if np.abs(np.subtract(anew.ci95, score.ci95)).max() > within:
            yield Problem(f"{where}.ci95", f"computed anew it is {low:.4f} to {high:.4f}")
    if not _same_influences(kept, anew, within):
        yield Problem(where, "its pseudo-values are not those computed anew")


def _same_influences(kept: Influence, anew: Influence, within: float) -> bool:
    apart, spread = np.abs(kept.by_study - anew.by_study), float(anew.by_study.std())
    if anew.rounding is None:
        return bool((apart > INFLUENCE_TOLERANCE * max(1.0, spread)).mean() <= within)
    # Each study's number is a sum over all halves: they move together.
    return float(np.sqrt(np.square(apart).mean())) <= anew.rounding[1] * max(spread, LITTLE)


def _is_influence(column: str) -> bool:
    return column.endswith((PSEUDOVALUE, INFLUENCE))


def _follows(score: Score) -> bool:
    family = family_of(score.name)
    facts = facts_of(score.name)
    stated = facts is not None and facts.only_stated
    if family is None or stated or _by_counts(score):
        return False
    return family.name in _RECOMPUTED


def _by_counts(score: Score) -> bool:
    return score.name.startswith(_BY_COUNTS)


def _close(value: float, stated: float | None) -> bool:
    return stated is not None and abs(value - stated) <= TOLERANCE * max(1.0, abs(stated))


def _count_problems(score: Score, table: Table) -> Iterator[Problem]:
    (again,) = with_counts([score], table, real_patients=False)
    if again.counts != score.counts:
        yield Problem(f"scores.{score.name}.counts", "not those of its statistics")
    for label, one in again.per_class.items():
        stated = score.per_class[label].counts
        if one.counts != stated and (one.counts or _by_counts(score)):
            where = f"scores.{score.name}.per_class.{label}.counts"
            yield Problem(where, "not those of its statistics")


def _class_problems(scores: list[Score], table: Table) -> Iterator[Problem]:
    """AUROC of each class, which stands in no count."""
    for score in scores:
        base, bracket, view = score.name.partition("[")
        if base != "auroc_macro":
            continue
        for label, one in score.per_class.items():
            probability, known = (
                table.get(f"classification{bracket}{view}.{kind}.{label}")
                for kind in ("probability", "label")
            )
            if one.value is None:
                continue
            where = f"scores.{score.name}.per_class.{label}"
            if probability is None or known is None:
                yield Problem(where, "the statistics lack its columns")
            else:
                yield from _class_problem(where, one, probability, known)


def _class_problem(
    where: str, one: ClassScore, probability: np.ndarray, label: np.ndarray
) -> Iterator[Problem]:
    present, absent = (np.sort(probability[label == kind]) for kind in (1, 0))
    if (one.n_pos, one.n_neg) != (len(present), len(absent)) or not len(present) or not len(absent):
        yield Problem(f"{where}.n_pos", "not those of its statistics")
        return
    below = np.searchsorted(absent, present, "left") + np.searchsorted(absent, present, "right")
    value = float(below.sum()) / (2.0 * len(present) * len(absent))
    if not _close(value, one.value):
        said = f"its statistics give {value:.6g}, the row has {one.value:.6g}"
        yield Problem(f"{where}.value", said)
