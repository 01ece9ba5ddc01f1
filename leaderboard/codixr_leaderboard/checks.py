"""What a submitted result has to be: its own arithmetic, its track's data, and no text.

Every problem names the field and the reason. Values of a suspect string are never repeated in a
message: it might be a patient's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codixr.data.labels import OBSERVATIONS
from codixr_bench.result import PACKAGES, Result
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track
from codixr_leaderboard.accepted import columns, track_of, tracks
from codixr_leaderboard.arithmetic import arithmetic_problems

SLACK = 1e-9
"""What rounding may do to a value beside its interval."""
_BASES = re.compile(
    r"fid_[a-z0-9_]+|fd_[a-z0-9_]+|kid_[a-z0-9_]+|(precision|recall|density|coverage)_[a-z0-9_]+"
    r"|([a-z0-9]+_)*(auroc|f1)_(micro|macro|weighted)|([a-z0-9]+_)*f1_best_macro"
    r"|bleu_[1-4]|sacrebleu|rouge_l|label_f1_(micro|macro|weighted)|non_report_share"
    r"|(view|report_image|clip)_agreement(_ratio)?|near_copy_(image|report)(_[a-z_]+)?"
    r"|radgraph_f1|ratescore|bertscore|green"
)
_DOWN = re.compile(r"fid_|fd_|kid_|non_report_share|near_copy_")
_SHARE = re.compile(
    r"(.*_)?(auroc|f1)_|bleu_|rouge_l|precision_|recall_|coverage_|non_report|near_copy"
)
_SIGNATURE = re.compile(r"[a-z0-9_]{1,40}(\|[A-Za-z0-9_][\w .,:+/@-]{0,119}){1,16}")
_SPACED = re.compile(r"left-out:(.+)|classes:ten\+No Finding|labeler:[\w.@+-]+( [\w.@+-]+)?")
"""The parts of a signature that may hold a space."""
_CLASS_COUNTS = {"tp", "fp", "fn", "tn"}
_BLEU_COUNT = re.compile(r"(hyp|ref)_len|(match|total)_[1-4]")
REASONS = re.compile(
    r"all (known|reference) labels are (present|absent)|no label is known|no study was scored"
    r"|no class has known labels of both kinds|no observation has reference labels of both kinds"
    r"|fewer than \d+ patients: not shown|fewer than \d+ studies show it"
    r"|agreement above chance needs two studies or more|a distance needs two studies or more"
    r"|the real pairs do not agree above chance|the pictures come without labels"
)
_MARKUP = re.compile(r"[<>&\"`\\{}$;]|javascript:|https?:|data:|\bon\w+=", re.IGNORECASE)
_PATH = re.compile(r"^[/~]|\.\.|^[A-Za-z]:[/\\]|/.*/|\b(home|users|mnt|root|tmp)/", re.IGNORECASE)
_ID = re.compile(r"\d{7,}|(?<![a-z])[sp]\d{5,}|\b\d{4}-\d{2}-\d{2}\b|\d+\.\d+\.\d+\.\d+\.\d+")

_DIGEST = re.compile(r"[0-9a-f]{64}")
"""A sha256, e.g. of a training set's recipe: digits, and no identifier."""
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
    track = track_of(result)
    found = [*_track(result, track), *_words(result), *_scores(result, track)]
    found += [Problem(field, reason) for field, reason in arithmetic_problems(result)]
    return found


def _track(result: Result, track: Track) -> Iterator[Problem]:
    info = result.track
    if info.version != track.version:
        yield Problem("track.version", f"version {track.version} is the current one")
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


def _words(result: Result) -> Iterator[Problem]:
    """Markup, paths, identifiers and prose in any string; numbers that look like identifiers."""
    content = result.model_dump(exclude={"scores", "task"})
    content["track"].pop("fingerprint")
    content["model"].pop("checkpoint_sha256")
    content["code"].pop("commit")
    if len(result.generation) > _SETTINGS:
        yield Problem("generation", f"more than {_SETTINGS} settings")
    for where, text in _strings(content):
        if _DIGEST.fullmatch(text):
            continue
        if _MARKUP.search(text):
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
    for name in result.environment.packages:
        if name not in PACKAGES:
            yield Problem("environment.packages", f"only {', '.join(PACKAGES)}")
            break
    if any(not re.fullmatch(r"[a-z_]{1,30}", name) for name in result.timings):
        yield Problem("timings", "names of parts are small letters and _")


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
    two = "F" in task.outputs and "L" in task.outputs
    for name in columns(result):
        score = result.score(name)
        if score is None or score.value is None:
            yield Problem(f"scores.{name}", "missing: the table needs it; score all metrics")
    if not columns(result):
        yield Problem("task", f"the track {track.name} has no table for it")
    for number, score in enumerate(result.scores):
        base, bracket, view = score.name.partition("[")
        of_two = bracket and two and view in ("F]", "L]")
        if not _BASES.fullmatch(base) or (bracket and not of_two):
            yield Problem(f"scores.{number}.name", "no score of this benchmark (for this task)")
            continue
        views = [v for v in ("F", "L") if v in task.outputs]
        output = view[0] if of_two else views[0] if views else "T"
        yield from _score(score, base, output, result, track)


def _score(score: Score, base: str, output: str, result: Result, track: Track) -> Iterator[Problem]:
    where = f"scores.{score.name}"
    if score.higher_is_better == bool(_DOWN.match(base)):
        yield Problem(f"{where}.higher_is_better", "the wrong direction")
    if score.n > result.track.n:
        yield Problem(f"{where}.n", f"more than the {result.track.n:,} studies of the split")
    elif score.value is not None and 2 * score.n < result.track.n:
        yield Problem(f"{where}.n", f"{score.n:,} of {result.track.n:,} studies are too few")
    yield from _value(where, score.value, score.ci95, shares=bool(_SHARE.match(base)))
    if score.value is not None and score.ci95 is None:
        yield Problem(f"{where}.ci95", "a value needs its interval")
    if score.floor is not None and not -1.0 <= score.floor <= _BIGGEST:
        yield Problem(f"{where}.floor", "no distance")
    if base == "sacrebleu" and score.value is not None and not 0 <= score.value <= 100 + SLACK:
        yield Problem(f"{where}.value", "outside 0 to 100")
    if base.startswith("fid_") and score.value is not None and score.value < -1e-3:
        yield Problem(f"{where}.value", "a distance below 0")
    yield from _signature(f"{where}.signature", score, base, output, track)
    if score.reason is not None and not REASONS.fullmatch(score.reason):
        yield Problem(f"{where}.reason", "not a reason of this benchmark")
    if any(not _BLEU_COUNT.fullmatch(key) for key in score.counts):
        yield Problem(f"{where}.counts", "unknown names")
    for name, one in score.per_class.items():
        if name not in OBSERVATIONS:
            yield Problem(f"{where}.per_class", "a class that is no observation")
            continue
        inner = f"{where}.per_class.{name}"
        yield from _value(inner, one.value, one.ci95, shares=bool(_SHARE.match(base)))
        if (one.value is None) != (one.reason is not None):
            yield Problem(f"{inner}.reason", "a reason belongs to a null, and only there")
        if one.reason is not None and not REASONS.fullmatch(one.reason):
            yield Problem(f"{inner}.reason", "not a reason of this benchmark")
        if any(count is not None and count < 0 for count in (one.n_pos, one.n_neg)):
            yield Problem(f"{inner}.n_pos", "a count below 0")
        if one.counts is not None and set(one.counts) != _CLASS_COUNTS:
            yield Problem(f"{inner}.counts", "they are tp, fp, fn and tn")


def _value(
    where: str, value: float | None, ci95: tuple[float, float] | None, *, shares: bool
) -> Iterator[Problem]:
    numbers = [v for v in (value, *(ci95 or ())) if v is not None]
    if shares and any(not -SLACK <= v <= 1 + SLACK for v in numbers):
        yield Problem(f"{where}.value", "outside 0 to 1")
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


def _signature(where: str, score: Score, base: str, output: str, track: Track) -> Iterator[Problem]:
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
    family, _, average = base.rpartition("_")
    if average in ("micro", "macro", "weighted"):
        if f"avg:{average}" not in parts:
            yield Problem(where, f"it does not say avg:{average}")
        if parts[0].rpartition(".")[2] not in (family, family.rpartition("_")[2]):
            yield Problem(where, f"it is of '{family}' and says something else")
    elif not f"{base}_".startswith(f"{parts[0]}_"):
        yield Problem(where, "it is of another metric")
    if re.fullmatch(r"bleu_[1-4]", base) and f"order:1-{base[-1]}" not in parts:
        yield Problem(where, f"it does not say order:1-{base[-1]}")
    family = family if average in ("micro", "macro", "weighted") else base
    needed = track.submissions.signatures.get(
        f"{family} {output}"
    ) or track.submissions.signatures.get(f"{family} T")
    if needed and any(part not in parts for part in needed.split("|")):
        yield Problem(where, f"this track's says {needed}")


def _is_part(part: str) -> bool:
    """Whether it can stand in a signature: one word, or names of observations after a key."""
    if " " not in part:
        return len(part) <= 80
    found = _SPACED.fullmatch(part)
    names = (found[1] or "") if found else ""
    return bool(found) and set(filter(None, names.split(","))) <= set(OBSERVATIONS)
