"""What there is: tasks, models and metrics, for people and as JSON."""

import json
from typing import Any

from codixr.errors import InputError
from codixr_bench.registry import METRICS, MODELS, load_object, names, plugged_in
from codixr_bench.task import GROUPS, Task


def tasks(*, as_json: bool) -> int:
    """Print the tasks of every group; exit code 0."""
    members = {group: [task.name for task in GROUPS[group]] for group in ("paper", "joint")}
    if as_json:
        return _print_json({**members, "all": [task.name for task in GROUPS["all"]]})
    print("F frontal X-ray · L lateral X-ray · T report; quote a task: --task 'L+T->F'")
    for group, task_names in members.items():
        print(f"\n{group}")
        for name in task_names:
            task = Task.parse(name)
            print(f"  {name:<8} {_words(task.inputs)} → {_words(task.outputs)}")
    print("\nall: paper and joint, which is every task there can be")
    return 0


def models(*, as_json: bool) -> int:
    """Print every model by name, and whether it can be loaded; exit code 0."""
    rows = []
    for name in names("models"):
        target = MODELS.get(name) or plugged_in("models")[name]
        source = "built in" if name in MODELS else "plugged in"
        try:
            found = load_object(target, "model")
            summary = getattr(found, "summary", None) or _first_line(found)
            rows.append({"name": name, "source": source, "summary": summary, "loads": True})
        except InputError as error:
            rows.append({"name": name, "source": source, "summary": str(error), "loads": False})
    if as_json:
        return _print_json(rows)
    for row in rows:
        state = "" if row["loads"] else "cannot be loaded: "
        print(f"{row['name']:<12} {row['source']:<11} {state}{row['summary']}")
    print("\nor name:CHECKPOINT for a model with a checkpoint, or package.module:Class")
    return 0


def metrics(track_name: str, *, as_json: bool) -> int:
    """Print the metrics of a track and the tasks they apply to; exit code 0."""
    from codixr_bench.track import Track

    track = Track.load(track_name)
    applies: dict[str, list[str]] = {}
    for task_name in track.task_names():
        for metric in track.metrics(Task.parse(task_name)):
            applies.setdefault(metric.name, []).append(task_name)
    if as_json:
        return _print_json({"track": track.name, "metrics": applies})
    print(f"track {track.name}: {track.title}")
    for name, task_names in applies.items():
        print(f"  {name:<24} {', '.join(task_names)}")
    others = [name for name in names("metrics") if name not in track.metric_names]
    if others:
        sources = ["built in" if name in METRICS else "plugged in" for name in others]
        shown = ", ".join(f"{name} ({s})" for name, s in zip(others, sources, strict=True))
        print(f"also, by --metrics: {shown}")
    return 0


def _print_json(value: Any) -> int:
    print(json.dumps(value, indent=2))
    return 0


def _first_line(found: object) -> str:
    lines = (getattr(found, "__doc__", None) or "").strip().splitlines()
    return lines[0] if lines else ""


def _words(modalities: tuple[Any, ...]) -> str:
    return " + ".join({"F": "frontal", "L": "lateral", "T": "report"}[m] for m in modalities)
