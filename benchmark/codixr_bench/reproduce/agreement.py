"""What the results of one bundle must agree in, and what each one's own numbers say of each other.

All were made of the same studies: real labels, real reports and the reference points are the same
in each, so a number that was edited in one stands against the others. Imports no torch.
"""

import re
from collections.abc import Iterator, Mapping

from codixr_bench.metric import Family
from codixr_bench.registry import METRICS, facts_of, family_of, family_warnings, load_family
from codixr_bench.result import Result
from codixr_bench.runs.small_cells import TOO_FEW
from codixr_bench.score import Score

SLACK = 1e-9
_SKILL = 1e-6
_ABOVE_REAL = "above_real"
"""The one warning that needs the real studies' statistics."""

Found = Iterator[tuple[str, str, str]]
"""A file of the bundle, a field of it, and what is wrong."""


def agreement_faults(results: Mapping[str, Result]) -> Found:
    """Every number of these results that others contradict."""
    for path, result in results.items():
        for field, why in (*_arithmetic(result), *_own(result)):
            yield path, field, why
    yield from _settings(results)
    yield from _references(results)
    yield from _real_side(results)


def _arithmetic(result: Result) -> Iterator[tuple[str, str]]:
    """Family by family: values that don't follow from counts, averages from classes."""
    by_family: dict[Family, dict[str, Score]] = {}
    for score in result.scores:
        if (family := family_of(score.name)) is not None:
            by_family.setdefault(family, {})[score.name] = score
    known = [load_family(name) for name in METRICS]
    for family in dict.fromkeys((*known, *by_family)):
        if mine := by_family.get(family):
            # Hidden cells are null: what needs one isn't recomputed.
            hidden = any(
                one.value is not None and one.counts is None
                for score in mine.values()
                for one in score.per_class.values()
            )
            yield from family.arithmetic(mine, simulated=not hidden)


def _own(result: Result) -> Iterator[tuple[str, str]]:
    if not result.coverage.expected == result.coverage.scored == result.track.n:
        yield "coverage", f"not all of the {result.track.n:,} studies"
    counts: dict[str, int] = {}
    for score in result.scores:
        if re.fullmatch(r"bleu_\d", score.name):
            for name, count in score.counts.items():
                if counts.setdefault(name, count) != count:
                    yield f"scores.{score.name}.counts.{name}", "not as another order has it"
    told = [one for one in result.warnings if one.code != _ABOVE_REAL]
    if sorted(map(repr, told)) != sorted(map(repr, family_warnings(result.scores))):
        yield "warnings", "not those that its scores give"
    for score in result.scores:
        where = f"scores.{score.name}"
        yield from _number(where, score)
        yield from _reasons(where, score)
        for name, one in score.per_class.items():
            yield from _inside(f"{where}.per_class.{name}", one.value, one.ci95)
            if one.counts is not None and (one.n_pos, one.n_neg) != (
                one.counts["tp"] + one.counts["fn"],
                one.counts["fp"] + one.counts["tn"],
            ):
                yield f"{where}.per_class.{name}.n_pos", "not those of its counts"


def _reasons(where: str, score: Score) -> Iterator[tuple[str, str]]:
    """Why there is no value is one of the metric's own sentences: no other text fits in."""
    family = family_of(score.name)
    if family is None:
        yield f"{where}.name", "no score of a metric that is known here"
        return
    if score.reason is not None and not family.knows_reason(score.reason):
        yield f"{where}.reason", "not a reason of this metric"
    for name, one in score.per_class.items():
        if (one.value is None) != (one.reason is not None):
            yield f"{where}.per_class.{name}.reason", "it belongs to a null, and only there"
        elif one.reason not in (None, TOO_FEW) and not family.knows_reason(one.reason or ""):
            yield f"{where}.per_class.{name}.reason", "not a reason of this metric"


def _number(where: str, score: Score) -> Iterator[tuple[str, str]]:
    facts = facts_of(score.name)
    if facts is not None and score.higher_is_better != facts.higher_is_better:
        yield f"{where}.higher_is_better", "the wrong direction"
    said = re.search(r"\|n:(\d+)(?:\||$)", score.signature)
    if said and int(said[1]) != score.n:
        yield f"{where}.n", f"{score.n}, and its signature has {said[1]}"
    if score.value is not None and score.ci95 is None:
        yield f"{where}.ci95", "a value needs its interval"
    yield from _inside(where, score.value, score.ci95)
    if (unrelated := score.unrelated) is not None:
        yield from _inside(f"{where}.unrelated", unrelated.value, unrelated.ci95)
    skill = score.skill
    if skill is None:
        return
    yield from _inside(f"{where}.skill", skill.value, skill.ci95)
    if skill.value is None:
        return
    if None in (score.value, skill.constant, skill.ceiling) or skill.constant == skill.ceiling:
        yield f"{where}.skill", "a skill needs the values that it is of"
        return
    assert score.value is not None
    assert skill.constant is not None
    assert skill.ceiling is not None
    value = (score.value - skill.constant) / (skill.ceiling - skill.constant)
    if abs(value - skill.value) > _SKILL * max(1.0, abs(value)):
        yield f"{where}.skill.value", f"its values give {value:.6g}, not {skill.value:.6g}"


def _inside(
    where: str, value: float | None, ci95: tuple[float, float] | None
) -> Iterator[tuple[str, str]]:
    if ci95 is None:
        return
    slack = SLACK * max(1.0, *map(abs, ci95))
    if value is None:
        yield f"{where}.ci95", "an interval without a value"
    elif not ci95[0] - slack <= value <= ci95[1] + slack:
        yield f"{where}.ci95", "the interval does not contain the value"


def _settings(results: Mapping[str, Result]) -> Found:
    """A model has one version, checkpoint and setting, and all have one seed."""
    seeds = {result.generation.get("seed") for result in results.values()}
    of_model: dict[str, tuple[str, Result]] = {}
    for path, result in results.items():
        if len(seeds) > 1:
            yield path, "generation.seed", "the results have several seeds"
        first_path, first = of_model.setdefault(result.model.name, (path, result))
        if result.model != first.model:
            yield path, "model", f"another version or checkpoint than in {first_path}"
        if result.generation != first.generation:
            yield path, "generation", f"other settings than in {first_path}"


def _references(results: Mapping[str, Result]) -> Found:
    """Constant and ceiling of a skill are these models' own scores, where they are here."""
    own = {(r.model.name, r.task): (path, r) for path, r in results.items()}
    for path, result in results.items():
        for score in result.scores:
            if (skill := score.skill) is None:
                continue
            for field, name in (("constant", "constant"), ("ceiling", skill.of)):
                stated = getattr(skill, field)
                of_path, of = own.get((name, result.task), ("", None))
                twin = None if of is None else of.score(score.name)
                if stated is None or twin is None or twin.value is None:
                    continue
                if twin.signature != score.signature:
                    continue
                if abs(stated - twin.value) > SLACK * max(1.0, abs(stated)):
                    said = f"{stated:.6g}, and {of_path} has {twin.value:.6g}"
                    yield path, f"scores.{score.name}.skill.{field}", said


def _real_side(results: Mapping[str, Result]) -> Found:
    """What is of the real studies alone is equal in all results that were scored alike."""
    known: dict[tuple[object, ...], tuple[str, object]] = {}
    for path, result in results.items():
        for score in result.scores:
            for key, field, value in _of_real(score, result.task):
                first_path, first = known.setdefault(key, (path, value))
                if value != first:
                    yield path, f"scores.{score.name}.{field}", f"not as in {first_path}"


def _of_real(score: Score, task: str) -> Iterator[tuple[tuple[object, ...], str, object]]:
    # One text or picture is the same in every task; a view's name is not, where both are made.
    outputs = task.partition("->")[2]
    at = (score.name, outputs, score.signature)
    if score.unrelated is not None:
        yield (*at, "unrelated"), "unrelated", score.unrelated
    if (length := score.counts.get("ref_len")) is not None:
        yield (score.name, "ref_len"), "counts.ref_len", length
    for name, one in score.per_class.items():
        if one.n_pos is not None:
            yield (*at, name), f"per_class.{name}.n_pos", (one.n_pos, one.n_neg)
    facts = facts_of(score.name)
    if facts is not None and not facts.of_model and score.value is not None:
        yield (*at, "value"), "value", round(score.value, 9)
