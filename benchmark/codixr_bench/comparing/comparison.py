"""Two results on the same studies: the difference of every score, its error, and what it means.

Paired where both runs have their ``statistics.parquet`` beside them: a study's influence on the
difference is the difference of its influences (``influence.py``). Where one is missing, the two
intervals have to do, which is weaker; the comparison says so. P-values come from Student's t, with
the degrees of freedom that the influences' kurtosis leaves: a difference that rests on five studies
of 2,000 is judged as one of a handful. Imports no torch.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr_bench.comparing.side import Side
from codixr_bench.metric import Influence
from codixr_bench.registry import facts_of
from codixr_bench.result import Result
from codixr_bench.result_files import STATISTICS_NAME
from codixr_bench.score import Score
from codixr_bench.statistics.influence import PATIENT
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import quantile, upper_tail

__all__ = [
    "ALPHA",
    "Comparison",
    "Difference",
    "NotComparableError",
    "compare",
    "compare_all",
]

ALPHA = 0.05
_WIDTH = 2 * NormalDist().inv_cdf(0.975)
"""Of a 95 % interval, in standard errors."""
_ROUNDING = 1e-9


class NotComparableError(InputError):
    """The two sides are not of one thing; ``fields`` says which fields differ, and how."""

    def __init__(self, first: Path, second: Path, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        super().__init__(f"'{first}' and '{second}' are not comparable: {'; '.join(fields)}")


@dataclass(frozen=True)
class Difference:
    """One score of two results: ``first`` - ``second``."""

    task: str
    name: str
    first: float
    second: float
    higher_is_better: bool
    n: int
    error: float
    """Standard error of the difference."""
    df: float
    """Degrees of freedom of ``error``."""
    paired: bool
    reason: str = ""
    """Why it is not paired."""

    @property
    def value(self) -> float:
        """``first`` - ``second``, in the score's unit."""
        return self.first - self.second

    @property
    def gain(self) -> float:
        """By how much ``first`` is better; below 0 where it is worse."""
        return self.value if self.higher_is_better else -self.value

    def interval(self, level: float = 1 - ALPHA) -> tuple[float, float]:
        """The interval of ``value``."""
        if self.error == 0.0:
            return self.value, self.value
        half = quantile((1 - level) / 2, self.df) * self.error
        facts = facts_of(self.name)
        most = facts.highest - facts.lowest if facts is not None else math.inf
        return max(self.value - half, -most), min(self.value + half, most)

    @property
    def p_value(self) -> float:
        """Two-sided: how often equal models differ this much."""
        return min(1.0, 2.0 * upper_tail(self._t(abs(self.value)), self.df))

    def p_loss(self, margin: float = 0.0) -> float:
        """One-sided: how often a model whose true loss is ``margin`` loses this much or more."""
        return upper_tail(self._t(-self.gain - margin), self.df)

    def _t(self, distance: float) -> float:
        if self.error > 0.0:
            return distance / self.error
        return math.copysign(math.inf, distance) if abs(distance) > _ROUNDING else 0.0

    def power(self, loss: float, margin: float, alpha: float, n: int | None = None) -> float:
        """The chance to find a true ``loss`` beyond ``margin`` at ``alpha``, with n studies."""
        if self.error == 0.0:
            return 1.0 if loss > margin else 0.0
        error = self.error * math.sqrt(self.n / (n or self.n))
        normal = NormalDist()
        return normal.cdf((loss - margin) / error - normal.inv_cdf(1 - alpha))

    def n_needed(self, loss: float, margin: float, alpha: float, power: float) -> int | None:
        """Studies that find a true ``loss`` with the chance ``power``; None where none would do."""
        if loss <= margin:
            return None
        normal = NormalDist()
        reach = normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)
        return max(2, math.ceil(self.n * (reach * self.error / (loss - margin)) ** 2))


@dataclass(frozen=True)
class Comparison:
    """All scores of one task that both results have."""

    first: Side
    second: Side
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = field(default=())
    """What a reader should know: what is not paired, not compared, or made otherwise."""


def compare(
    first: Side, second: Side, only: Sequence[str] = (), *, primary: bool = False
) -> Comparison:
    """Compare two results of one task.

    Args:
        first: the model in question.
        second: what it is held against.
        only: names of the scores wanted; empty for all.
        primary: compare the scores that their families call primary, and those in ``only``; all
            where there is none. A note names the others.

    Raises:
        NotComparableError: another task, track, version, fingerprint, split or n; a score made
            otherwise (its signature), or there on one side only; other studies.
        InputError: a score in ``only`` that neither has, or statistics that are another run's.
    """
    differing = list(_different_fields(first.result, second.result))
    if differing:
        raise NotComparableError(first.path, second.path, differing)
    names = [score.name for score in second.result.scores]
    names += [score.name for score in first.result.scores if score.name not in names]
    if unknown := [name for name in only if name not in names]:
        raise InputError(f"'{second.path}' has no score '{unknown[0]}'; it has: {', '.join(names)}")
    reference, own = first.influences()
    others_reference, others = second.influences()
    notes = list(_notes(first, second))
    if primary:
        only = [name for name in names if name in only or _is_primary(name)]
        rest = [name for name in names if only and name not in only]
        if rest:
            notes.append(f"not looked at: {', '.join(rest)} (--scores all looks at every score)")
    for name, column in reference.items():
        other = others_reference.get(name)
        if other is not None and not np.array_equal(column, other):
            # Their names may hold an observation, never a study.
            differing.append(f"studies: the column '{name}' of the statistics differs")
            break
    differences = []
    for name in names:
        if only and name not in only:
            continue
        if not _is_of_model(name):
            notes.append(f"{name}: not compared: it is about real pictures, not about the model")
            continue
        a, b = first.result.score(name), second.result.score(name)
        if a is None or a.value is None or b is None or b.value is None:
            if (problem := _lacking(name, a, b)) is None:
                notes.append(f"{name}: not compared: null on both sides")
            elif a is not None and b is not None and not _is_primary(name) and name not in only:
                # What a score can't be told of depends on the outputs: few rare words, say.
                notes.append(f"not compared: {problem}")
            else:
                differing.append(problem)
        elif a.signature != b.signature:
            differing.append(f"{name}.signature: {_unlike(a.signature, b.signature)}")
        else:
            pair = own.get(name), others.get(name)
            if first.statistics and pair[0] is None and pair[1] is not None:
                raise InputError(
                    f"'{first.statistics}' holds nothing for {name}, the other side's does: it is "
                    "of an older run, or was edited; score the samples again, or leave the score "
                    "out with --scores"
                )
            found = _difference(first, a, second, b, pair, reference.get(PATIENT))
            if isinstance(found, str):
                notes.append(f"{name}: not compared: {found}")
            else:
                differences.append(found)
    if differing:
        raise NotComparableError(first.path, second.path, differing)
    if differences and not any(one.value or one.error for one in differences):
        notes.append("nothing differs: the samples are equal, or score alike study by study")
    return Comparison(first, second, tuple(differences), tuple(notes))


def compare_all(
    first: Mapping[str, Side],
    second: Mapping[str, Side],
    only: Sequence[str] = (),
    *,
    primary: bool = False,
) -> list[Comparison]:
    """Compare two groups of results, task by task, as ``compare`` does.

    A name in ``only`` has to be a score of some task. Raises NotComparableError when tasks differ.
    """
    some, other = next(iter(first.values())), next(iter(second.values()))
    if set(first) != set(second):
        tasks = [
            "+".join(sorted(side)) if len(side) == 1 else f"{len(side)} tasks"
            for side in (first, second)
        ]
        lacking = ", ".join(sorted(set(first) ^ set(second)))
        fault = f"task: {tasks[0]} against {tasks[1]} (on one side only: {lacking})"
        raise NotComparableError(some.path, other.path, [fault])
    of_task = {task: [s.name for s in side.result.scores] for task, side in second.items()}
    known = list(dict.fromkeys(name for names in of_task.values() for name in names))
    if unknown := [name for name in only if name not in known]:
        raise InputError(f"'{other.path}' has no score '{unknown[0]}'; it has: {', '.join(known)}")
    found = []
    for task in first:
        wanted = [name for name in only if name in of_task[task]]
        if wanted or primary or not only:
            found.append(compare(first[task], second[task], wanted, primary=primary))
    return found


def _is_primary(name: str) -> bool:
    facts = facts_of(name)
    return facts is not None and facts.primary


def _is_of_model(name: str) -> bool:
    facts = facts_of(name)
    return facts is None or facts.of_model


def _difference(
    first: Side,
    a: Score,
    second: Side,
    b: Score,
    pair: tuple[Influence | None, Influence | None],
    patients: NDArray[np.generic] | None,
) -> Difference | str:
    """The difference of a score that both have, or why there is none."""
    if a.value is None or b.value is None:
        raise ValueError("both scores need a value")
    error, df, reason = 0.0, 1.0, ""
    own, other = pair
    if own is not None and other is not None:
        by_study = own.by_study - other.by_study
        error, df = standard_error(by_study - by_study.mean(), patients)
    else:
        if a.ci95 is None or b.ci95 is None:
            return "neither paired statistics nor an interval on both sides"
        widths = [(high - low) / _WIDTH for low, high in (a.ci95, b.ci95)]
        error, df = math.hypot(*widths), float(max(1, a.n - 1))
        lacking = [side.path for side in (first, second) if side.statistics is None]
        reason = (
            f"no '{STATISTICS_NAME}' beside '{lacking[0]}'"
            if lacking
            else (f"the statistics hold nothing for {a.name}")
        )
    return Difference(
        task=first.result.task,
        name=a.name,
        first=a.value,
        second=b.value,
        higher_is_better=b.higher_is_better,
        n=b.n,
        error=error,
        df=df,
        paired=not reason,
        reason=reason,
    )


def _different_fields(first: Result, second: Result) -> Iterator[str]:
    for name in (
        "task",
        "track.name",
        "track.version",
        "track.split",
        "track.n",
        "track.fingerprint",
    ):
        values = []
        for result in (first, second):
            value: object = result
            for part in name.split("."):
                value = getattr(value, part)
            values.append(f"{str(value)[:10]}…" if name == "track.fingerprint" else str(value))
            values.append(str(value))
        if values[1] != values[3]:
            yield f"{name}: {values[0]} against {values[2]}"


def _lacking(name: str, a: Score | None, b: Score | None) -> str | None:
    """What is wrong with a score that has no value on one side; None where it has none on both."""
    said = []
    for score in (a, b):
        value = "absent" if score is None else "null" if score.value is None else "there"
        said.append(value if score is None or score.reason is None else f"null ({score.reason})")
    if "there" not in said:
        return None
    return f"{name}: {said[0]} against {said[1]} (leave it out with --scores, or score both alike)"


def _unlike(first: str, second: str) -> str:
    """The parts of two signatures that are not in the other."""
    parts = [signature.split("|") for signature in (first, second)]
    only = [[p for p in parts[i] if p not in parts[1 - i]] or parts[i] for i in (0, 1)]
    return f"{'|'.join(only[0])} against {'|'.join(only[1])}"


def _notes(first: Side, second: Side) -> Iterator[str]:
    sides = (first, second)
    for side in sides:
        coverage = side.result.coverage
        if coverage.scored != coverage.expected:
            yield f"'{side.path}': {coverage.scored} of {coverage.expected} samples scored"
    seeds = [side.result.generation.get("seed") for side in sides]
    if seeds[0] != seeds[1]:
        yield f"seeds {seeds[0]} and {seeds[1]}: their noise is part of the difference"
    digests = [side.result.model.checkpoint_sha256 for side in sides]
    if digests[0] is not None and digests[0] == digests[1]:
        yield "both sides have the same checkpoint"
    versions = [{"codixr": side.result.code.version} | _packages(side.result) for side in sides]
    unlike = [
        f"{name} {versions[0].get(name, 'absent')} and {versions[1].get(name, 'absent')}"
        for name in dict.fromkeys([*versions[0], *versions[1]])
        if versions[0].get(name) != versions[1].get(name)
    ]
    if unlike:
        yield f"other versions may give other numbers: {', '.join(unlike)}"
    elif first.result.code.commit != second.result.code.commit:
        commits = [(side.result.code.commit or "unknown")[:10] for side in sides]
        yield f"the two sides were scored by other commits of codixr: {' and '.join(commits)}"


def _packages(result: Result) -> dict[str, str]:
    return dict(result.environment.packages)
