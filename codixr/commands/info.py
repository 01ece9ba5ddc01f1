"""`codixr info`: what is in a checkpoint, in a preset, or in a prepared dataset."""

import argparse
import json
from pathlib import Path

from codixr.arguments import add_json
from codixr.commands.checkpoint import add_checkpoint
from codixr.errors import InputError


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``info`` to the commands."""
    parser = commands.add_parser(
        "info",
        help="show the parts of a checkpoint, or what is in a prepared dataset",
        description="Parts, parameter counts, sizes and sha256 of a checkpoint; or, with --data, "
        "the splits, the ledger and Table I of a prepared dataset, beside the paper's.",
        allow_abbrev=False,
    )
    add_json(parser)
    parser.add_argument(
        "--label-policy", metavar="NAME", help="with --data: count by another label policy"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of `codixr prepare`")
    parser.add_argument(
        "--preset",
        choices=("paper", "small", "tiny"),
        help="instead: the parameters of a preset, part by part, beside the paper's figures",
    )
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table, or JSON."""
    if options.preset is not None:
        from codixr.model.parameters import named_preset, sizes

        if options.data is not None or options.checkpoint is not None:
            raise InputError("--preset, --data and --checkpoint: ask for one at a time")
        table = sizes(named_preset(options.preset))
        print(table.as_json() if options.json else table.as_table())
        return 0
    if options.data is not None:
        return _info_data(options)
    from codixr.model.checkpoint_info import describe, embedded_checkpoint

    summary = describe(options.checkpoint or embedded_checkpoint())
    print(summary.as_json() if options.json else summary.as_table())
    return 0


def _info_data(options: argparse.Namespace) -> int:
    from codixr.data.ledger import describe_data, summary_lines

    if options.checkpoint is not None:
        raise InputError("--data and --checkpoint: ask for one at a time")
    summary = describe_data(options.data, options.label_policy)
    print(json.dumps(summary.as_dict()) if options.json else "\n".join(summary_lines(summary)))
    return 0
