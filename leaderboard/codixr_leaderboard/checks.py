"""What a submitted result has to be: its own arithmetic, its track's data, and no text.

Every problem names the field and the reason. Values of a suspect string are never repeated in a
message: it might be a patient's.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codixr.data.labels import OBSERVATIONS
from codixr_bench.metric import Facts, Family
from codixr_bench.registry import METRICS, family_of, load_family
from codixr_bench.result import PACKAGES, Result
from codixr_bench.runs.small_cells import TOO_FEW
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track
from codixr_leaderboard.accepted import columns, track_of, tracks
from codixr_leaderboard.truths import truth_problems

SLACK = 1e-9
"""What rounding may do to a value beside its interval."""
_SIGNATURE = re.compile(r"[a-z0-9_]{1,40}(\|[A-Za-z0-9_][\w .,:+/@-]{0,119}){1,16}")
_SPACED = re.compile(r"left-out:(.+)|classes:ten\+No Finding|labeler:[\w.@+-]+( [\w.@+-]+)?")
"""The parts of a signature that may hold a space."""
_CLASS_COUNTS = {"tp", "fp", "fn", "tn"}
_COUNT = re.compile(r"[a-z]{1,10}(_[a-z]{1,10})?(_\d)?")
"""What a count may be called: no name can hold more than one digit."""
_MARKUP = re.compile(r"[<>&\"`\\{}$;]|javascript:|https?:|data:|\bon\w+=|^[=@]", re.IGNORECASE)
_PATH = re.compile(r"^[/~]|\.\.|^[A-Za-z]:[/\\]|/.*/|\b(home|users|mnt|root|tmp)/", re.IGNORECASE)
_ID = re.compile(r"\d{7,}|(?<![a-z])[sp]\d{5,}|\b\d{4}-\d{2}-\d{2}\b|\d+\.\d+\.\d+\.\d+\.\d+")

_WITHOUT_STROKES = str.maketrans(
    dict(zip("øØłŁđĐħĦ", "oOlLdDhH", strict=True))
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
)
"""Letters of languages in Latin script that Unicode doesn't take apart."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
"""A sha256, e.g. of a training set's recipe: digits, and no identifier."""
PLUGGED_IN = "a score of a plugged-in metric, which nobody else can check; send the others"
_DISTANCE_SLACK = 1e-3
_SKILL_SLACK = 1e-6
_WORDS = 5
_SETTINGS = 40
_BIGGEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


def result_problems(result: Result) -> list[Problem]:
    """All that is wrong with a result that fits the schema; empty when it may be submitted."""
    if result.track.name not in tracks():
        return [Problem("track.name", f"no such track here; known: {', '.join(tracks())}")]
    if result.spread or "samples_per_study" in result.generation:
        return [Problem("generation.samples_per_study", "the table is of one sample a study")]
    track = track_of(result)
    of_track = list(_track(result, track))
    words = [*word_problems(result), *warning_problems(result)]
    found = [*of_track, *words, *_scores(result, track)]
    # Of other studies than the split's, counts differ for that reason.
    if not any(problem.field.startswith("track.") for problem in of_track):
        found += [Problem(field, reason) for field, reason in truth_problems(result)]
    return [*found, *_arithmetic(result, track)]


def _arithmetic(result: Result, track: Track) -> Iterator[Problem]:
    """Every number that does not follow from the others, family by family."""
    for name in METRICS:
        family = load_family(name)
        mine = {s.name: s for s in result.scores if family_of(s.name) is family}
        if mine:
            for field, reason in family.arithmetic(mine, simulated=track.simulated):
                yield Problem(field, reason)


def _track(result: Result, track: Track) -> Iterator[Problem]:
    info = result.track
    if info.version != track.version:
        cure = "score again; a row of an earlier version is taken out of the folder first"
        yield Problem("track.version", f"version {track.version} is the current one: {cure}")
    if info.split != "test":
        yield Problem("track.split", "a submission is of the split 'test'")
    pinned = track.submissions
    if pinned.n is not None and info.n < pinned.n:
        yield Problem("track.n", f"{info.n:,} studies are too few: the split has {pinned.n:,}")
    elif pinned.n is not None and info.n != pinned.n:
        yield Problem("track.n", f"the split has {pinned.n:,} studies, not {info.n:,}")
    elif pinned.n is None and info.n < pinned.least:
        yield Problem("track.n", f"{info.n:,} studies are too few: at least {pinned.least:,}")
    elif pinned.fingerprint is not None and info.fingerprint != pinned.fingerprint:
        yield Problem(
            "track.fingerprint",
            f"not the studies of {track.name}'s test split ({pinned.fingerprint[:10]}…)",
        )
    if result.coverage.expected != info.n:
        yield Problem("coverage.expected", f"{result.coverage.expected:,} of n = {info.n:,}")
    if result.coverage.scored != result.coverage.expected:
        yield Problem("coverage.scored", "every study has to be scored")


def word_problems(result: Result) -> Iterator[Problem]:
    """Markup, paths, identifiers and prose in any string; numbers that look like identifiers."""
    # A warning's message is one of this package's own sentences, or the file doesn't load.
    content = result.model_dump(exclude={"scores", "task", "warnings"})
    content["track"].pop("fingerprint")
    content["model"].pop("checkpoint_sha256")
    content["code"].pop("commit")
    if len(result.generation) > _SETTINGS:
        yield Problem("generation", f"more than {_SETTINGS} settings")
    for where, text in _strings(content):
        if _DIGEST.fullmatch(text):
            continue
        if problem := letters_problem(text):
            yield Problem(where, problem)
        elif _MARKUP.search(text):
            yield Problem(where, "markup, a link or a quoting character in a name")
        elif _PATH.search(text):
            yield Problem(where, "a path; give a name")
        elif _ID.search(text):
            yield Problem(where, "it looks like an identifier or a date")
        elif len(text.split()) > _WORDS or len(text) > 60:
            yield Problem(where, f"text; a name has at most {_WORDS} words and 60 characters")
    for key, value in result.generation.items():
        if key != "seed" and isinstance(value, int | float) and abs(value) >= _BIGGEST:
            yield Problem("generation", "a number of eight digits may be an identifier")
    yield from _environment_problems(result)
    for name in result.environment.packages:
        if name not in PACKAGES:
            yield Problem("environment.packages", f"only {', '.join(PACKAGES)}")
            break
    if any(not re.fullmatch(r"[a-z_]{1,30}", name) for name in result.timings):
        yield Problem("timings", "names of parts are small letters and _")
    if any(seconds >= _BIGGEST for seconds in result.timings.values()):
        yield Problem("timings", "a number of eight digits may be an identifier")


def _environment_problems(result: Result) -> Iterator[Problem]:
    """What a program is called is one word; so is a setting, whose value may be a few."""
    about = result.environment
    words = {
        "environment.python": [about.python],
        "environment.platform": [about.platform],
        "environment.packages": [v for v in about.packages.values() if v is not None],
        "code.version": [result.code.version],
        "generation": list(result.generation),
    }
    for where, found in words.items():
        if any(len(word.split()) != 1 for word in found):
            yield Problem(where, "one word")
    seed = result.generation.get("seed", 0)
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        yield Problem("generation", "the seed is a whole number")


def warning_problems(result: Result) -> Iterator[Problem]:
    """A warning's sentence is this package's own; it is of scores that the result has, once."""
    names = {score.name for score in result.scores}
    told = [(warning.code, warning.message) for warning in result.warnings]
    for i, warning in enumerate(result.warnings):
        if not set(warning.message.partition(":")[0].split(", ")) <= names:
            yield Problem(f"warnings.{i}", "of a score that the result hasn't")
        numbers = [n for n in (warning.value, warning.limit) if n is not None]
        if any(not -_BIGGEST < number < _BIGGEST for number in numbers):
            yield Problem(f"warnings.{i}", "a number of eight digits may be an identifier")
    if len(set(told)) != len(told):
        yield Problem("warnings", "the same one twice")


def looks_like_identifier(text: str) -> bool:
    """Whether a text holds what could be a study's or a patient's number, or a date."""
    return _ID.search(text) is not None


def letters_problem(name: str) -> str | None:
    """Why a name's letters are refused: only Latin ones can't be mistaken by a reader."""
    for character in name:
        if character.isascii():
            continue
        if not unicodedata.name(character, "").startswith("LATIN "):
            return "a letter that is not Latin, or an invisible one"
        # Small capitals, dotless and phonetic letters are Latin too, and look like another one.
        if not plain_letters(character).isascii():
            return "a Latin letter that is mistaken for another one; use a to z, with accents"
    return None


def plain_letters(text: str) -> str:
    """A text's letters without accents: ``é`` is ``e``, ``ø`` is ``o``, ``ß`` is ``ss``."""
    plain = unicodedata.normalize("NFKD", text.translate(_WITHOUT_STROKES))
    return "".join(c for c in plain if not unicodedata.combining(c))


def _strings(content: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            inside = where.split(".")[0] in ("generation", "environment", "timings")
            # A setting's own name is suspect too; it isn't repeated where it is.
            if inside:
                yield where, str(key)
            yield from _strings(value, where if inside else f"{where}.{key}".lstrip("."))
    elif isinstance(content, str):
        yield where, content


def _scores(result: Result, track: Track) -> Iterator[Problem]:
    task = Task.parse(result.task)
    for name in columns(result):
        score = result.score(name)
        if score is None or score.value is None:
            yield Problem(f"scores.{name}", "missing: the table needs it; score all metrics")
    if not columns(result):
        yield Problem("task", f"the track {track.name} has no table for it")
    for number, score in enumerate(result.scores):
        family = family_of(score.name)
        if family is None:
            yield Problem(f"scores.{number}.name", "no score of this benchmark (for this task)")
        elif family.name not in METRICS:
            yield Problem(f"scores.{number}.name", PLUGGED_IN)
        elif (output := _output(score, task)) is None:
            yield Problem(f"scores.{number}.name", "no score of this benchmark (for this task)")
        else:
            yield from _score(score, family, output, result, track)


def _output(score: Score, task: Task) -> str | None:
    """The output that a score is about, or None for a view that the task doesn't tell apart."""
    _, bracket, view = score.name.partition("[")
    views = [output for output in ("F", "L") if output in task.outputs]
    if bracket:
        return view[0] if len(views) == 2 and view in ("F]", "L]") else None
    return views[0] if views else "T"


def _enough(facts: Facts, n: int) -> int:
    """The studies that a score needs: those that it looks at, else half of the split's ``n``."""
    return (n + 1) // 2 if facts.looks_at is None else min(facts.looks_at, n)


def _score(
    score: Score, family: Family, output: str, result: Result, track: Track
) -> Iterator[Problem]:
    where = f"scores.{score.name}"
    facts = family.facts(score.name)
    if facts is None:
        raise ValueError(f"{score.name} is not of the family {family.name}")
    if score.higher_is_better != facts.higher_is_better:
        yield Problem(f"{where}.higher_is_better", "the wrong direction")
    if score.n > result.track.n:
        yield Problem(f"{where}.n", f"more than the {result.track.n:,} studies of the split")
    elif score.value is not None and score.n < _enough(facts, result.track.n):
        yield Problem(f"{where}.n", f"{score.n:,} of {result.track.n:,} studies are too few")
    yield from _value(where, score.value, score.ci95, facts, score.n)
    if score.value is not None and score.ci95 is None:
        yield Problem(f"{where}.ci95", "a value needs its interval")
    yield from _skill(where, score)
    if score.floor is not None and not -1.0 <= score.floor <= _BIGGEST:
        yield Problem(f"{where}.floor", "out of a distance's range")
    if score.unrelated is not None:
        yield from _unrelated(f"{where}.unrelated", score)
    yield from _signature(f"{where}.signature", score, family, output, track)
    if score.reason is not None and not family.knows_reason(score.reason):
        yield Problem(f"{where}.reason", "not a reason of this benchmark")
    if any(not _COUNT.fullmatch(key) for key in score.counts):
        yield Problem(f"{where}.counts", "unknown names")
    for name, one in score.per_class.items():
        if name not in OBSERVATIONS:
            yield Problem(f"{where}.per_class", "a class that is not an observation")
            continue
        inner = f"{where}.per_class.{name}"
        yield from _value(inner, one.value, one.ci95, facts, score.n)
        if (one.value is None) != (one.reason is not None):
            yield Problem(f"{inner}.reason", "a reason belongs to a null, and only there")
        if one.reason not in (None, TOO_FEW) and not family.knows_reason(one.reason or ""):
            yield Problem(f"{inner}.reason", "not a reason of this benchmark")
        if any(count is not None and count < 0 for count in (one.n_pos, one.n_neg)):
            yield Problem(f"{inner}.n_pos", "a count below 0")
        if one.counts is not None and set(one.counts) != _CLASS_COUNTS:
            yield Problem(f"{inner}.counts", "they are tp, fp, fn and tn")


def _unrelated(where: str, score: Score) -> Iterator[Problem]:
    """A distance of real pictures, which takes the place of the floor of older results."""
    one = score.unrelated
    if one is None:
        return
    low, high = one.ci95
    if not -1.0 <= min(one.value, low) <= max(one.value, high) <= _BIGGEST:
        yield Problem(where, "out of a distance's range")
    if not low <= one.value <= high:
        yield Problem(where, "the interval does not contain the value")
    if score.floor is not None:
        yield Problem(where, "beside the floor whose place it takes")


def _skill(where: str, score: Score) -> Iterator[Problem]:
    """A skill follows from the score, the constant's and the ceiling's."""
    one = score.skill
    if one is None or one.value is None:
        return
    if score.value is None or one.constant is None or one.ceiling is None:
        yield Problem(f"{where}.skill", "a skill needs the values it is of")
    elif one.ceiling == one.constant:
        yield Problem(f"{where}.skill", "the constant is the ceiling")
    else:
        value = (score.value - one.constant) / (one.ceiling - one.constant)
        if one.ci95 is not None and not one.ci95[0] - SLACK <= one.value <= one.ci95[1] + SLACK:
            yield Problem(f"{where}.skill", "the interval does not contain the value")
        if abs(value - one.value) > _SKILL_SLACK * max(1.0, abs(value)):
            yield Problem(f"{where}.skill", f"{one.value:.4f}, and its values give {value:.4f}")


def _value(
    where: str, value: float | None, ci95: tuple[float, float] | None, facts: Facts, n: int
) -> Iterator[Problem]:
    numbers = [v for v in (value, *(ci95 or ())) if v is not None]
    # A distance of equal sets is 0 with an error of the arithmetic, which grows with its features.
    slack = SLACK * max(1.0, facts.highest) if math.isfinite(facts.highest) else _DISTANCE_SLACK
    if any(not facts.lowest - slack <= v <= facts.highest + slack for v in numbers):
        said = f"below {facts.lowest:g}"
        if math.isfinite(facts.highest):
            said = f"outside {facts.lowest:g} to {facts.highest:g}"
        yield Problem(f"{where}.value", said)
    is_point = ci95 is not None and ci95[0] == ci95[1]
    if is_point and value is not None and not _may_be_sure(value, facts, n):
        yield Problem(f"{where}.ci95", "a point, of a value that no end of its range makes sure")
    if any(abs(v) > _BIGGEST for v in numbers):
        yield Problem(f"{where}.value", "absurdly large")
    if ci95 is None:
        return
    slack = SLACK * max(1.0, *map(abs, numbers))
    if ci95[0] > ci95[1] + slack:
        yield Problem(f"{where}.ci95", "its ends are swapped")
    elif value is None:
        yield Problem(f"{where}.ci95", "an interval without a value")
    elif not ci95[0] - slack <= value <= ci95[1] + slack:
        yield Problem(f"{where}.ci95", "the interval does not contain the value")


def _may_be_sure(value: float, facts: Facts, n: int) -> bool:
    """Whether every resample gives this value: at an end, or of a classifier that knows nothing."""
    if facts.sure_below_one_study and value * n <= 1.0:
        return True
    return min(abs(value - end) for end in (0.0, 0.5, 1.0, facts.lowest, facts.highest)) < SLACK


def _signature(
    where: str, score: Score, family: Family, output: str, track: Track
) -> Iterator[Problem]:
    text = score.signature
    parts = text.split("|")
    if len(text) > 300 or not _SIGNATURE.fullmatch(text):
        yield Problem(where, "not of the form metric|key:value|…|n:N")
        return
    if any(not _is_part(part) for part in parts) or _MARKUP.search(text):
        yield Problem(where, "text or markup in it")
        return
    # Digests are eight hexadecimal digits, which may all be decimal: they are looked at apart.
    rest = re.sub(r"(weights|floor-n|n):[0-9a-f]+", "", text)
    if _ID.search(rest) or "//" in text or ".." in text:
        yield Problem(where, "it holds what looks like an identifier or a path")
    if f"n:{score.n}" not in parts:
        yield Problem(where, f"it does not say n:{score.n}")
    yield from (Problem(where, fault) for fault in family.signature_faults(score))
    pinned, pin = track.submissions.signatures, family.pin(score.name)
    needed = pinned.get(f"{pin} {output}") or pinned.get(f"{pin} T")
    if needed and any(part not in parts for part in needed.split("|")):
        yield Problem(where, f"this track's says {needed}")


def _is_part(part: str) -> bool:
    """Whether it can stand in a signature: one word, or names of observations after a key."""
    if " " not in part:
        return len(part) <= 80
    found = _SPACED.fullmatch(part)
    names = (found[1] or "") if found else ""
    return bool(found) and set(filter(None, names.split(","))) <= set(OBSERVATIONS)
