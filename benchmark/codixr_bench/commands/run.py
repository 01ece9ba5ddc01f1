"""``codixr-bench run``: generate samples and score them, one task or a group."""

import argparse

from codixr import messages
from codixr_bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``run``."""
    options.add_task(parser, required=True)
    options.add_model(parser)
    options.add_data(parser)
    options.add_generation(parser)
    options.add_scoring(parser)
    options.add_out(parser)
    options.add_overwrite(parser)


def main(parsed: argparse.Namespace) -> int:
    """Run one task, or every task of a group that can run; 1 when no score has a value."""
    from codixr_bench.commands import score
    from codixr_bench.commands.printing import print_runs
    from codixr_bench.models.samples import folder_of
    from codixr_bench.runs.one_task import run_task
    from codixr_bench.runs.processes import current_processes
    from codixr_bench.runs.request import open_request

    if (folder := folder_of(parsed.model)) is not None:
        return score.main(argparse.Namespace(**{**vars(parsed), "samples": folder, "model": None}))
    processes = current_processes()
    request = open_request(
        parsed.task, parsed.track, parsed.model, options.run_options(parsed), processes
    )
    scored = []
    for task in request.tasks:
        folder = request.folder(task)
        run = run_task(request.model, task, request.track, request.options, processes, folder)
        if run is not None:
            scored.append(run)
            messages.say("codixr-bench", f"{task}: results in {folder}")
    processes.close()
    if processes.leads:
        return print_runs(scored, as_json=parsed.json, group=request.is_group)
    return 0
