"""``codixr-bench run``: generate samples and score them, one task or a group."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codixr import messages
from codixr.errors import InputError
from codixr.progress import duration
from codixr.quoting import discreet
from codixr_bench.commands import options

if TYPE_CHECKING:
    from codixr_bench.runs.dry_run import DryRun
    from codixr_bench.runs.request import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``run``."""
    options.add_task(parser, required=True)
    options.add_model(parser)
    options.add_name(parser)
    options.add_data(parser)
    options.add_generation(parser)
    options.add_compute(parser)
    options.add_scoring(parser)
    options.add_out(parser)
    options.add_overwrite(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be made, how long it takes and how large it is; write nothing",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="YAML",
        help="read options from a file (task: L+T->F); `codixr-bench show --config` prints one",
    )


def expand(arguments: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """The arguments with those of ``--config`` before them."""
    if not any(word.partition("=")[0] == "--config" for word in arguments):
        return list(arguments)
    from codixr_bench.commands import run_config

    return run_config.expand(arguments, parser)


def main(parsed: argparse.Namespace) -> int:
    """Run one task, or every task of a group that can run; 1 when no score has a value."""
    from codixr_bench.commands import score
    from codixr_bench.models.samples import folder_of

    if (folder := folder_of(parsed.model)) is not None:
        if parsed.dry_run:
            raise InputError(f"--dry-run: the samples in '{folder}' are made already")
        if parsed.model_arg:
            raise InputError("--model-arg is of a model that is called, and samples are not")
        changed = {"samples": folder, "model": options.checked_name(parsed.name)}
        return score.main(argparse.Namespace(**{**vars(parsed), **changed}))
    with messages.saying_if_slow(
        "codixr-bench", f"loading {discreet(parsed.model, [parsed.model])}"
    ):
        from codixr_bench.commands.printing import print_runs
        from codixr_bench.runs.one_task import run_task
        from codixr_bench.runs.processes import current_processes
        from codixr_bench.runs.request import open_request
        from codixr_bench.runs.supervision import telling_what_is_kept

        processes = current_processes()
        request = open_request(
            parsed.task, parsed.track, parsed.model, options.run_options(parsed), processes
        )
    if parsed.dry_run:
        if processes.size > 1:
            raise InputError("a dry run is of one process: start it without torchrun")
        return _plan(request, as_json=parsed.json)
    scored = []
    for task in request.tasks:
        folder = request.folder(task)
        with telling_what_is_kept([request.folder(one) for one in request.tasks]):
            run = run_task(request.model, task, request.track, request.options, processes, folder)
        if run is not None:
            scored.append(run)
            messages.say("codixr-bench", f"{task}: results in {folder}")
    processes.close()
    if processes.leads:
        return print_runs(
            scored,
            as_json=parsed.json,
            whole=options.prints_all(parsed),
            group=request.is_group,
        )
    return 0


def _plan(request: "Request", *, as_json: bool) -> int:
    from codixr_bench.runs.dry_run import dry_run

    plans = []
    for task in request.tasks:
        folder = request.folder(task)
        plans.append(dry_run(request.model, task, request.track, request.options, folder))
    if as_json:
        found = [asdict(plan) | {"folder": str(plan.folder)} for plan in plans]
        print(json.dumps(found if request.is_group else found[0], indent=2))
        return 0
    print("\n".join(line for plan in plans for line in _told(plan)))
    if request.is_group:
        seconds = sum(plan.prepare_seconds + plan.seconds for plan in plans)
        size = sum(plan.bytes for plan in plans) / 1e6
        print(f"all {len(plans)} tasks: about {duration(seconds)} and {size:,.1f} MB, and scoring")
    return 0


def _told(plan: "DryRun") -> list[str]:
    missing = plan.samples - plan.kept
    there = f", {plan.kept:,} are there" if plan.kept else ""
    lines = [f"{plan.task}: {missing:,} samples of {plan.studies:,} studies to make{there}"]
    if missing:
        lines.append(
            f"  about {duration(plan.seconds)}, and {duration(plan.prepare_seconds)} to begin; "
            f"{plan.bytes / 1e6:,.1f} MB"
        )
    result = "replaces the result in" if plan.has_result else "result in"
    return [*lines, f"  scored by {', '.join(plan.metrics)}", f"  {result} {plan.folder}"]
