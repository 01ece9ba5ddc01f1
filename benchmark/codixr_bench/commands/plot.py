"""``codixr-bench plot KIND FILE…``: one score of several results, as SVG."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from codixr.arguments import add_json
from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr_bench.result import Result
from codixr_bench.score import Score
from codixr_bench.show.interval_plot import MOST, Line, intervals_svg
from codixr_bench.task import Task
from codixr_bench.track import Track


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``plot``."""
    parser.add_argument(
        "kind",
        choices=("intervals", "versions"),
        metavar="KIND",
        help="intervals: best first; versions: in the order given",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a result.json, or a run's folder"
    )
    parser.add_argument("--score", metavar="NAME", help="default: the one that ranks the task")
    parser.add_argument("--to", type=Path, required=True, metavar="SVG", help="the file to write")
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Draw and print the file's path; InputError for results that share no axis."""
    if len(parsed.files) > MOST:
        raise InputError(f"{len(parsed.files)} results are too many to read: at most {MOST}")
    results = [Result.load(path) for path in parsed.files]
    first = results[0]
    name = parsed.score or _default(first)
    found = [_score(result, name) for result in results]
    for result, score in zip(results, found, strict=True):
        for what, mine, theirs in (
            ("task", result.task, first.task),
            ("track", result.track, first.track),
            ("signature", score.signature, found[0].signature),
        ):
            if mine != theirs:
                raise InputError(f"'{result.model.name}' is of another {what} than the first one")
    track = first.track
    title = f"{track.name} {first.task.replace('->', '→')}, {track.split}, n = {track.n:,}"
    lines = _lines(parsed.kind, results, found)
    write_atomically(parsed.to, intervals_svg(lines, name, title))
    if parsed.json:
        drawn = [{"label": x.label, "value": x.score.value, "ci95": x.score.ci95} for x in lines]
        print(json.dumps({"file": str(parsed.to), "score": name, "lines": drawn}, indent=2))
    else:
        print(parsed.to)
    return 0


def _lines(kind: str, results: Sequence[Result], scores: Sequence[Score]) -> list[Line]:
    pairs = list(zip(results, scores, strict=True))
    if kind == "versions":
        return [Line(f"{r.model.name} {r.model.version}", score) for r, score in pairs]
    sign = -1.0 if scores[0].higher_is_better else 1.0
    pairs.sort(key=lambda pair: (sign * (pair[1].value or 0.0), pair[0].model.name))
    return [Line(r.model.name, score) for r, score in pairs]


def _default(result: Result) -> str:
    names = Track.of_version(result.track.name, result.track.version).first_scores(
        Task.parse(result.task)
    )
    if not names:
        raise InputError(f"no score ranks '{result.task}' on the track '{result.track.name}': "
                         "name one, --score NAME")  # fmt: skip
    return names[0]


def _score(result: Result, name: str) -> Score:
    score = result.score(name)
    if score is None or score.value is None:
        known = ", ".join(one.name for one in result.scores if one.value is not None)
        raise InputError(f"'{result.model.name}' has no {name}; it has {known or 'no score'}")
    return score
