"""What is true of a track's test split, whatever the model: labels a class, lengths of references.

``data_manifests/<track>.counts.json`` holds it, made from the row of the real outputs:
``python -m codixr_leaderboard.truths leaderboard/results/phantom/real.json`` writes it anew, after
the labeler or the labels changed. A result that says otherwise is not of these studies.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from codixr.atomic import write_atomically
from codixr_bench.metric import About
from codixr_bench.registry import family_of
from codixr_bench.result import Result
from codixr_bench.result_files import parse, read_bytes, read_strict
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import manifest_path

OF_REFERENCES = ("ref_len",)
"""Counts that only the references decide."""
_DECIDES = ("labeler:",)
"""Beginnings of the signature's parts that decide which labels there are."""


class Truth(BaseModel):
    """What holds for the scores of one kind, on one output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: tuple[str, ...] = ()
    """Parts that a signature has to hold for this to apply."""
    classes: dict[str, tuple[int, int]] = {}
    """Class -> positives and negatives."""
    counts: dict[str, int] = {}


class Truths(BaseModel):
    """Of a track: ``auroc F`` -> what holds, for each ``when``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scores: dict[str, tuple[Truth, ...]]


@lru_cache(maxsize=16)
def truths_of(track: str) -> Truths | None:
    """Those of a track, or None where nothing is written down."""
    path = manifest_path(f"{track}.counts.json")
    if path is None:
        return None
    what = f"'{path}'"
    return parse(Truths, read_strict(read_bytes(path, what), what), what)


def truth_problems(result: Result) -> Iterator[tuple[str, str]]:
    """(field, reason) of every count that the split's own labels and references don't allow."""
    truths = truths_of(result.track.name)
    if truths is None:
        return
    for score in result.scores:
        for truth in truths.scores.get(_key(score, result), ()):
            if set(truth.when) <= set(score.signature.split("|")):
                yield from _differences(score, truth)


def _differences(score: Score, truth: Truth) -> Iterator[tuple[str, str]]:
    where = f"scores.{score.name}"
    for name, count in truth.counts.items():
        if name in score.counts and score.counts[name] != count:
            yield f"{where}.counts", f"{name} is {count:,} on these studies"
    if not (truth.classes and score.per_class):
        return
    if missing := sorted(set(truth.classes) - set(score.per_class)):
        yield f"{where}.per_class", f"without {', '.join(missing)}"
    for name, one in score.per_class.items():
        expected = truth.classes.get(name)
        if expected is None:
            yield f"{where}.per_class.{name}", "no class of these studies"
        elif (one.n_pos, one.n_neg) != expected:
            said = f"these studies have {expected[0]:,} positives and {expected[1]:,} negatives"
            yield f"{where}.per_class.{name}.n_pos", said


def deciding_parts(score: Score) -> tuple[str, ...]:
    """The parts of a score's signature that decide which labels its studies have."""
    return tuple(part for part in score.signature.split("|") if part.startswith(_DECIDES))


def made_from(results: tuple[Result, ...]) -> Truths:
    """What the results of the real outputs say of their studies."""
    found: dict[str, dict[tuple[str, ...], Truth]] = {}
    for result in results:
        for score in result.scores:
            when = deciding_parts(score)
            truth = Truth(
                when=when,
                classes={
                    name: (one.n_pos, one.n_neg)
                    for name, one in score.per_class.items()
                    if one.n_pos is not None and one.n_neg is not None
                },
                counts={name: score.counts[name] for name in OF_REFERENCES if name in score.counts},
            )
            if truth.classes or truth.counts:
                # Only the macro average has classes: it speaks for its kind.
                found.setdefault(_key(score, result), {}).setdefault(when, truth)
    return Truths(scores={key: tuple(of.values()) for key, of in sorted(found.items())})


def _key(score: Score, result: Result) -> str:
    family = family_of(score.name)
    if family is None:
        return score.name
    facts = family.facts(score.name)
    _, bracket, view = score.name.partition("[")
    views = [str(output) for output in Task.parse(result.task).outputs if output.is_image]
    is_report = facts is not None and facts.about is About.REPORT
    output = "T" if is_report or not views else view[0] if bracket else views[0]
    return f"{family.pin(score.name)} {output}"


def main(path: Path) -> int:
    """Write the counts of a track from the file of its real outputs."""
    raw: Any = read_strict(read_bytes(path, f"'{path}'"), f"'{path}'")
    content: Mapping[str, Any] = raw
    results = tuple(Result.from_raw(one, f"'{path}'") for one in content["results"])
    track = results[0].track.name
    target = manifest_path(f"{track}.yaml")
    if target is None:
        raise ValueError(f"no recipe of {track}")
    text = json.dumps(made_from(results).model_dump(mode="json"), separators=(",", ":"))
    # A class a line would be long; a kind a line can be compared.
    text = text.replace('},"', '},\n"').replace('],"', '],\n"')
    target = target.with_name(f"{track}.counts.json")
    write_atomically(target, (text + "\n").encode())
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
