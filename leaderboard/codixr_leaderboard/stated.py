"""What of a result is its submitter's word, although its statistics are checked.

Bounded and unchecked scores fit the statistics, and whoever made them up made them fit. A warning
that only such scores give is escaped by making them up: its absence is the submitter's word too.
Which warnings these are is asked of the metrics' families: each score is put at its worst.
"""

import math
from collections.abc import Iterator, Sequence

from codixr_bench.comparing.influences import influences
from codixr_bench.metric import INFLUENCE, About, Facts, Family
from codixr_bench.registry import METRICS, facts_of, family_of, family_warnings, load_family
from codixr_bench.result import Result
from codixr_bench.runs.reproducing import ONE_STUDY
from codixr_bench.score import UNRANKED, Score
from codixr_bench.statistics.influence import PSEUDOVALUE
from codixr_bench.task import Task
from codixr_leaderboard.statistics_file import Table

ABOVE_REAL = "above_real"
"""Computed from the statistics of the real outputs' row: without one nobody can."""
_FAR = 1e6
"""Of a score without a worst value: so far that its family warns."""
_NARROW = 1e-3
"""Half an interval that leaves no doubt."""

Silence = tuple[str, tuple[str, ...]]
"""(code of a warning that takes a rank, the scores whose values alone say that there is none)."""


def silences(result: Result, stated: Sequence[str], *, beside_real: bool) -> tuple[Silence, ...]:
    """The warnings that a result would have if what it states were worse, and hasn't.

    Args:
        result: of the row.
        stated: names of its scores that nobody computed anew.
        beside_real: whether the real outputs' row is there. Without it a result may leave scores
            out, which then count as stated.
    """
    there = {score.name: score for score in result.scores if score.value is not None}
    given = {warning.code for warning in (*result.warnings, *family_warnings(result.scores))}
    asked = [_worst(there[name]) for name in stated if name in there]
    if not beside_real:
        asked += [score for score in _absent(result) if score.name not in there]
    found: dict[str, list[str]] = {}
    for worst in asked:
        others = {name: score for name, score in there.items() if name != worst.name}
        for warning in family_warnings([*others.values(), worst]):
            if warning.code in UNRANKED - given:
                names = found.setdefault(warning.code, [])
                names.append(worst.name)
    if not beside_real and ABOVE_REAL not in given:
        found[ABOVE_REAL] = []
    return tuple((code, tuple(dict.fromkeys(names))) for code, names in found.items())


def remade(names: Sequence[str], table: Table) -> tuple[str, ...]:
    """Those of ``names`` whose own columns a rerun compares, study by study.

    ``reproduce-row`` runs metrics that read one study alone, and compares one number a study.
    """
    own = {
        name: column
        for name, column in table.items()
        if column.ndim == 1 and not name.endswith((PSEUDOVALUE, INFLUENCE))
    }
    asked = [
        name
        for name in names
        if (family := family_of(name)) is not None and family.name in ONE_STUDY
    ]
    return tuple(n for n, one in influences(own, asked).items() if one.value is not None)


def _worst(score: Score) -> Score:
    facts = facts_of(score.name)
    if facts is None:
        return score
    end = facts.lowest if facts.higher_is_better else facts.highest
    if math.isinf(end):
        end = math.copysign(_FAR, end)
    return score.model_copy(update={"value": end, "ci95": (end - _NARROW, end + _NARROW)})


def _absent(result: Result) -> Iterator[Score]:
    """Every score of the task's outputs that its family warns by, at its worst."""
    for family in map(load_family, METRICS):
        if type(family).warnings is Family.warnings:
            continue
        for name, facts in family.scores.items():
            for view in _views(result.task, facts):
                score = Score(
                    name=f"{name}{view}",
                    value=0.0,
                    n=result.track.n,
                    higher_is_better=facts.higher_is_better,
                    signature=f"{name}|n:{result.track.n}",
                )
                if facts_of(score.name) is not None:
                    yield _worst(score)


def _views(task: str, facts: Facts) -> list[str]:
    """The endings of a score's name: ``[F]`` and ``[L]`` where a task makes both."""
    outputs = Task.parse(task).outputs
    images = [output for output in outputs if output.is_image]
    if facts.about is About.REPORT:
        return [""] if len(images) < len(outputs) else []
    if facts.about is About.PAIR:
        return [""] if len(outputs) > 1 else []
    return [f"[{output}]" for output in images] if len(images) > 1 else ["" for _ in images]
