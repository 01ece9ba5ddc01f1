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
    parser.add_argument(
        "--names",
        type=Path,
        metavar="CSV",
        help="where pictures have other names: columns position and F or L, a path under DIR each",
    )
    parser.add_argument(
        "--resize",
        action="store_true",
        help="pad pictures of another size to a square and resize them to the track's",
    )
    options.add_samples_per_study(parser, "all that the run has")
    options.add_task(parser, required=False)
    parser.add_argument("--model", metavar="NAME", help="what to call the maker of the samples")
    parser.add_argument(
        "--cross-check",
        action="store_true",
        help="have the field's libraries compute each score again from the same samples; exit "
        "code 1 when one differs by more than its tolerance",
    )
    options.add_data(parser)
    options.add_scoring(parser)
    options.add_scoring_compute(parser)
    options.add_out(parser)


def main(parsed: argparse.Namespace) -> int:
    """Score the samples and print the table; 1 when a library differs, or nothing has a value."""
    with messages.saying_if_slow("codixr-bench", f"opening {parsed.samples}"):
        from codixr_bench.commands.printing import print_cross_check, print_runs
        from codixr_bench.runs.existing import Claims, score_existing
        from codixr_bench.runs.processes import current_processes

    claims = Claims(parsed.task, parsed.track, parsed.split, parsed.limit, parsed.model)
    scored = score_existing(
        parsed.samples,
        claims,
        options.run_options(parsed),
        resize=getattr(parsed, "resize", False),  # `run --model samples:DIR` has neither
        names=getattr(parsed, "names", None),
    )
    current_processes().close()
    if scored is None:
        return 0
    messages.say("codixr-bench", f"{scored.result.task}: results in {scored.folder}")
    code = print_runs([scored], as_json=parsed.json, whole=options.prints_all(parsed))
    differ = [one.name for one in scored.result.cross_check if one.agrees is False]
    if getattr(parsed, "cross_check", False) and not parsed.json:
        print_cross_check(scored.result)
    if differ:
        messages.failure("codixr-bench", f"the libraries give another value of {', '.join(differ)}")
    return 1 if differ else code
