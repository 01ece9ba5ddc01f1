"""``codixr-bench generate``: only the samples, to be scored later."""

import argparse
import json

from codixr import messages
from codixr.arguments import add_json
from codixr.quoting import discreet
from codixr_bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``generate``."""
    options.add_task(parser, required=True)
    options.add_model(parser)
    options.add_name(parser)
    options.add_data(parser)
    options.add_generation(parser)
    options.add_compute(parser)
    options.add_out(parser)
    options.add_overwrite(parser)
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Make the samples of one task, or of every task of a group that can run; exit code 0."""
    with messages.saying_if_slow(
        "codixr-bench", f"loading {discreet(parsed.model, [parsed.model])}"
    ):
        from codixr_bench.runs.one_task import SAMPLES, make_samples
        from codixr_bench.runs.processes import current_processes
        from codixr_bench.runs.request import open_request
        from codixr_bench.runs.supervision import telling_what_is_kept

        processes = current_processes()
        request = open_request(
            parsed.task, parsed.track, parsed.model, options.run_options(parsed), processes
        )
    made = []
    for task in request.tasks:
        folder = request.folder(task)
        count = 0
        for sample in range(request.options.samples_per_study or 1):
            with telling_what_is_kept([request.folder(one) for one in request.tasks]):
                store, _, _ = make_samples(
                    request.model, task, request.track, request.options, processes, folder, sample
                )
            store.close()
            count += len(store)
        messages.say(
            "codixr-bench",
            f"{task}: {count} samples in {folder / SAMPLES}; "
            f"score them: codixr-bench score --samples {folder}",
        )
        made.append({"task": task.name, "folder": str(folder), "samples": count})
    processes.close()
    if parsed.json and processes.leads:
        print(json.dumps(made if request.is_group else made[0], indent=2))
    return 0
