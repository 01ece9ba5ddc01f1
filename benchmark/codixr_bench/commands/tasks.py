"""``codixr-bench tasks``: the tasks and their groups."""

import argparse
import json

from codixr.arguments import add_json
from codixr.modality import Modality
from codixr_bench.task import GROUPS, Task

_WORDS = {Modality.F: "frontal", Modality.L: "lateral", Modality.T: "report"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tasks``."""
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Print the tasks of every group; exit code 0."""
    members = {group: [task.name for task in GROUPS[group]] for group in ("paper", "joint")}
    if parsed.json:
        print(json.dumps({**members, "all": [task.name for task in GROUPS["all"]]}, indent=2))
        return 0
    print("F frontal X-ray · L lateral X-ray · T report; quote a task: --task 'L+T->F'")
    for group, names in members.items():
        print(f"\n{group}")
        for name in names:
            task = Task.parse(name)
            print(f"  {name:<8} {_words(task.inputs)} → {_words(task.outputs)}")
    print("\nall: paper and joint, which is every task there can be")
    return 0


def _words(modalities: tuple[Modality, ...]) -> str:
    return " + ".join(_WORDS[modality] for modality in modalities)
