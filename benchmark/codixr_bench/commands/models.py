"""``codixr-bench models``: the models by name, built in and plugged in."""

import argparse
import json

from codixr.arguments import add_json
from codixr.errors import InputError
from codixr_bench.registry import MODELS, load_object, names, plugged_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``models``."""
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
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
    if parsed.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        state = "" if row["loads"] else "cannot be loaded: "
        print(f"{row['name']:<12} {row['source']:<11} {state}{row['summary']}")
    print("\nor name:CHECKPOINT for a model with a checkpoint, or package.module:Class")
    return 0


def _first_line(found: object) -> str:
    lines = (getattr(found, "__doc__", None) or "").strip().splitlines()
    return lines[0].replace("``", "") if lines else ""
