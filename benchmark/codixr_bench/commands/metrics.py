"""``codixr-bench metrics``: a track's metrics and the tasks they apply to; one metric's card."""

import argparse
import json
import math

from codixr.arguments import add_json
from codixr_bench.registry import METRICS, family_of, load_family, names, unknown
from codixr_bench.show.card import card_of
from codixr_bench.task import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``metrics``."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="print the card of a metric (bleu) or of a score's metric (auroc_macro)",
    )
    parser.add_argument("--track", default="phantom", metavar="TRACK", help="default: phantom")
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the metrics of a track and the tasks they apply to, or a card; exit code 0."""
    if parsed.name:
        return _card(parsed.name, as_json=parsed.json)
    return _list(parsed.track, as_json=parsed.json)


def _list(track_name: str, *, as_json: bool) -> int:
    from codixr_bench.track import Track

    track = Track.load(track_name)
    applies: dict[str, list[str]] = {}
    for task_name in track.task_names():
        for metric in track.metrics(Task.parse(task_name)):
            applies.setdefault(metric.name, []).append(task_name)
    if as_json:
        print(json.dumps({"track": track.name, "metrics": applies}, indent=2))
        return 0
    print(f"track {track.name}: {track.title}")
    for name, task_names in applies.items():
        print(f"  {name:<24} {', '.join(task_names)}")
    others = [name for name in names("metrics") if name not in track.metric_names]
    if others:
        sources = ["built in" if name in METRICS else "plugged in" for name in others]
        shown = ", ".join(f"{name} ({s})" for name, s in zip(others, sources, strict=True))
        print(f"also, by --metrics: {shown}")
    return 0


def _card(name: str, *, as_json: bool) -> int:
    """A family's scores with what holds for them, and its card."""
    family = load_family(name) if name in names("metrics") else family_of(name)
    if family is None:
        raise unknown("metric", name, names("metrics"))
    text = card_of(family)
    scores = {
        score: {
            "higher_is_better": facts.higher_is_better,
            "lowest": None if math.isinf(facts.lowest) else facts.lowest,
            "highest": None if math.isinf(facts.highest) else facts.highest,
            "about": str(facts.about),
            "primary": facts.primary,
            "sees": list(family.sees.get(score, ())),
        }
        for score, facts in family.scores.items()
    }
    if as_json:
        print(json.dumps({"metric": family.name, "scores": scores, "card": text}, indent=2))
        return 0
    print(f"{family.name} ({'built in' if family.name in METRICS else 'plugged in'})\n")
    for score, facts in family.scores.items():
        better = "higher is better" if facts.higher_is_better else "lower is better"
        print(f"  {score:<28} {better}, {facts.lowest:g} to {facts.highest:g}")
    print(f"\n{text}")
    return 0
