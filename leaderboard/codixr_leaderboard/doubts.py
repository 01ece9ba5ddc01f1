"""Why a reader should doubt a result: the warnings that its file holds, and those computed anew.

A file could leave a warning out. What its own scores warn of is said again; where a row carries
statistics, whether it is better than the real outputs is computed from both rows' statistics.
"""

from collections.abc import Iterator

from codixr_bench.comparing.influences import influences
from codixr_bench.registry import facts_of, family_warnings
from codixr_bench.result import Result
from codixr_bench.runs.warnings import above_real
from codixr_bench.score import UNRANKED, ResultWarning
from codixr_bench.statistics.skill import Measured
from codixr_leaderboard.ownership import REAL
from codixr_leaderboard.statistics_file import First, Table


def doubts_of(
    result: Result, table: Table | None = None, real: First | None = None
) -> tuple[ResultWarning, ...]:
    """The warnings of a result, one a code; ``real`` is the real outputs' row."""
    found = {warning.code: warning for warning in result.warnings}
    for warning in family_warnings(result.scores):
        found.setdefault(warning.code, warning)
    if result.model.name == REAL:
        # They are the evaluated studies.
        found.pop("copies_of_test", None)
    if table is not None and real is not None and result.model.name != REAL:
        for warning in _above_real(result, table, real):
            found.setdefault(warning.code, warning)
    return tuple(found.values())


def takes_rank(warnings: tuple[ResultWarning, ...]) -> bool:
    """Whether a result with these is shown without a rank."""
    return any(warning.code in UNRANKED for warning in warnings)


def _above_real(result: Result, table: Table, real: First) -> Iterator[ResultWarning]:
    other, columns = real
    same = [
        score.name
        for score in result.scores
        if score.value is not None
        and _may_be_above(score.name)
        and (twin := other.score(score.name)) is not None
        and twin.signature == score.signature
    ]
    sides = [
        {
            name: Measured(one.value, one.by_study)
            for name, one in influences(side, same).items()
            if one.value is not None
        }
        for side in (table, columns)
    ]
    yield from above_real(sides[0], sides[1], table.get("patient"))


def _may_be_above(name: str) -> bool:
    """Whether ``above_real`` looks at a score: of the others no influence has to be found."""
    facts = facts_of(name)
    return facts is not None and facts.primary and facts.real_is_ceiling
