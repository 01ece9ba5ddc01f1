"""Scored runs on standard output: tables, or JSON."""

import json
from collections.abc import Sequence

from codixr_bench.runs.finish import ScoredRun
from codixr_bench.show.table import print_summary, print_table


def print_runs(runs: Sequence[ScoredRun], *, as_json: bool, group: bool = False) -> None:
    """A table a task, and a summary of a group; or JSON: one object, a list of them for a group."""
    if as_json:
        found = [run.result.model_dump(mode="json") for run in runs]
        print(json.dumps(found if group else found[0], indent=2))
        return
    for run in runs:
        print_table(run.result, run.scale)
    if group:
        print_summary([run.result for run in runs], [r for run in runs for r in run.scale])
