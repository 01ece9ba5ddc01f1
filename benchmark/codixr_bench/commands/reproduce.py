"""``codixr-bench reproduce TRACK``: from published files to the paper's tables and a bundle."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from codixr import messages
from codixr.arguments import add_json, at_least, output_folder, positive
from codixr.progress import duration
from codixr_bench.commands import options

if TYPE_CHECKING:
    from codixr_bench.reproduce.planning import ReproductionPlan

PROGRAM = "codixr-bench"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``reproduce``."""
    parser.add_argument(
        "track", metavar="TRACK", help="openi, phantom, or any other with --data DIR"
    )
    parser.add_argument(
        "--models",
        metavar="A,B",
        help="as --model of `run` takes them (default: real,constant,noise)",
    )
    parser.add_argument(
        "--task", default="all", metavar="TASK", help="tasks or groups, with commas (default: all)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a prepared folder: nothing is fetched but weights"
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N studies, for every model"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--metrics", metavar="A,B", help="only these (see `codixr-bench metrics`); default: all"
    )
    options.add_weights(parser, "NAME=FILE", "use this file as the weights of that backbone")
    parser.add_argument(
        "--out",
        type=output_folder,
        metavar="DIR",
        help="pictures, data, runs and bundle (default: reproduced/TRACK)",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="NAME",
        help="accept this asset's licence, after reading it; several with commas",
    )
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="look at URL/NAME/FILE first; what it gives must have the same sha256",
    )
    parser.add_argument(
        "--parallel", type=positive, default=4, metavar="N", help="files at a time (default: 4)"
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="processes that prepare (default: all cores)"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan: bytes, hours, disk; nothing is fetched or written",
    )
    options.add_speed(parser)
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Plan, or do what is missing; exit code 0."""
    with messages.saying_if_slow(PROGRAM, "loading"):
        from codixr_bench.reproduce.planning import plan_reproduction, refuse_full_disk
        from codixr_bench.reproduce.request import REFERENCES, open_reproduction
        from codixr_bench.reproduce.stages import Fetching, reproduce
        from codixr_bench.runs.supervision import telling_what_is_kept

        models = [one.strip() for one in (parsed.models or ",".join(REFERENCES)).split(",")]
        out = parsed.out or Path("reproduced") / parsed.track
        usual = argparse.Namespace(**{**vars(parsed), "split": None, "out": None})
        asked = open_reproduction(
            parsed.track, parsed.task, [m for m in models if m], out, options.run_options(usual)
        )
    workers = parsed.workers or os.cpu_count() or 1
    plan = plan_reproduction(asked, speed=parsed.speed, workers=workers)
    if parsed.dry_run:
        _print_plan(plan, as_json=parsed.json)
        return 0
    refuse_full_disk(plan)
    accepted = {name.strip() for given in parsed.accept for name in given.split(",")}
    say = (lambda _: None) if parsed.json else print
    fetching = Fetching(accepted, parsed.mirror, parsed.parallel, say)
    with telling_what_is_kept([out]):
        folder, root = reproduce(asked, fetching, workers=workers)
    if parsed.json:
        print(json.dumps({"bundle": str(folder), "sha256": root}))
        return 0
    for path in sorted((folder / "tables").glob("*.md")):
        print(f"{path.read_text(encoding='utf-8')}")
    print(f"bundle: {folder}\nsha256: {root}")
    messages.say(PROGRAM, f"to check it anywhere: codixr-bench verify {folder} --root {root}")
    return 0


def _print_plan(plan: "ReproductionPlan", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan.as_json(), indent=2))
        return
    for stage in plan.stages:
        print(f"{stage.name:<8} {stage.what}")
        for line in stage.details:
            print(f"         {line}")
        if stage.to_come or stage.seconds:
            print(f"         {stage.to_come / 1e9:.2f} GB, about {duration(stage.seconds)}")
    print(
        f"\nall: {plan.disk / 1e9:.1f} GB of disk ({plan.free / 1e9:.1f} GB are free), about "
        f"{plan.seconds / 3600:.1f} hours on one core without a GPU, beside the models' own time"
    )
