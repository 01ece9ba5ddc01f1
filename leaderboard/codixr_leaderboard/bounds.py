"""What no study can have given: what holds of columns and answers that nobody here can ask again.

Copies are sought among training pictures and reports that a checker doesn't read; a prompt
encoder's cosine needs the samples. Such scores are stated, study by study. A share is k of n, with
the interval that k and n give, and nothing answers more than yes.
"""

import math
from collections.abc import Iterator

import numpy as np

from codixr_bench.metric import About, Facts, Influence
from codixr_bench.registry import METRICS, facts_of, load_family
from codixr_bench.score import Score
from codixr_bench.statistics.effective_draws import by_patient, ratio_interval
from codixr_bench.statistics.influence import PATIENT
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.statistics_file import Table

ROUNDING = 1e-6
"""Of an answer, and of an end of an interval."""
ROUNDING_OF_MEANS = 0.01
"""Of an agreement: the mean over pairs leaves a study's own pair out."""


def column_problems(table: Table) -> Iterator[Problem]:
    """Columns that no run of simulated studies writes, as each family knows its own."""
    if PATIENT in table:
        yield Problem("statistics", "a column that joins studies: simulated ones stand alone")
    for name in METRICS:
        for column, reason in load_family(name).column_faults(table):
            yield Problem("statistics", f"'{column}': {reason}")


def bound_problems(score: Score, given: Influence, table: Table) -> Iterator[Problem]:
    """What can't be true of a score that is only stated, study by study."""
    facts, where = facts_of(score.name), f"scores.{score.name}"
    if facts is None or not facts.only_stated or given.value is None:
        return
    each, ci95 = given.value + given.by_study, given.ci95
    if facts.yes_or_no:
        answers = np.rint(each)
        if np.abs(each - answers).max() > ROUNDING or not np.isin(answers, (0, 1)).all():
            yield Problem(where, "an answer of a study that is neither yes nor no")
            return
        ci95 = _share_interval(answers, table)
    elif (np.abs(each) > _most(facts) + ROUNDING).any():
        yield Problem(where, "an answer of a study that is beyond what there can be")
    if ci95 is None or score.ci95 is None:
        return
    if np.abs(np.subtract(ci95, score.ci95)).max() > ROUNDING:
        said = f"its answers give {ci95[0]:.4f} to {ci95[1]:.4f}"
        yield Problem(f"{where}.ci95", said)


def _most(facts: Facts) -> float:
    """What a study's answer is at most, either way; infinite where nothing is known.

    Of an agreement: two unit vectors less their means have twice the product of others.
    """
    return 2.0 * facts.highest + ROUNDING_OF_MEANS if facts.about is About.PAIR else math.inf


def _share_interval(answers: np.ndarray, table: Table) -> tuple[float, float]:
    patients = table.get(PATIENT)
    numbers = None if patients is None else np.asarray(patients, dtype=np.int64)
    low, high = ratio_interval(*(by_patient(x, numbers) for x in (answers, np.ones_like(answers))))
    return float(low), float(high)
