"""``codixr-bench score``: score samples that are there, a run's or another program's."""

import argparse
from pathlib import Path

from codixr import messages
from codixr_bench.commands import options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``score``."""
    parser.add_argument(
        "--samples",
        type=Path,
        required=True,
        metavar="DIR",
        help="a run's folder, or pictures F/00000.png or 00000_F.png and reports.csv "
        "(position,report); the number is the position in the split, from 0",
    )
    options.add_task(parser, required=False)
    parser.add_argument("--model", metavar="NAME", help="what to call the maker of the samples")
    options.add_data(parser)
    options.add_scoring(parser)
    options.add_out(parser)


def main(parsed: argparse.Namespace) -> int:
    """Score the samples and print the table; exit code 0."""
    from codixr_bench.commands.printing import print_runs
    from codixr_bench.runs.existing import Claims, score_existing

    claims = Claims(parsed.task, parsed.track, parsed.split, parsed.limit, parsed.model)
    scored = score_existing(parsed.samples, claims, options.run_options(parsed))
    messages.say("codixr-bench", f"{scored.result.task}: results in {scored.folder}")
    print_runs([scored], as_json=parsed.json)
    return 0
