"""``codixr-bench metrics``: a track's metrics, and the tasks they apply to."""

import argparse
import json

from codixr_bench.commands.options import add_json
from codixr_bench.registry import METRICS, names
from codixr_bench.task import Task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``metrics``."""
    parser.add_argument("--track", default="phantom", metavar="TRACK", help="default: phantom")
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the metrics of a track and the tasks they apply to; exit code 0."""
    from codixr_bench.track import Track

    track = Track.load(parsed.track)
    applies: dict[str, list[str]] = {}
    for task_name in track.task_names():
        for metric in track.metrics(Task.parse(task_name)):
            applies.setdefault(metric.name, []).append(task_name)
    if parsed.json:
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
