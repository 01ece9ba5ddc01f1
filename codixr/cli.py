"""The command `codixr`: generate views and reports from the user's own files, and show what is in a
checkpoint. Heavy imports wait until a command needs them: --help answers at once."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from codixr import __version__, messages
from codixr.arguments import filled, integer, number
from codixr.commands import convert, prepare, train
from codixr.errors import InputError

_EXAMPLES = """\
examples:
  codixr generate --from L=scan.dcm --to F --out out
  codixr generate --from 'T=Small left pleural effusion.' --to F+L --out out --num 4
  codixr generate --from F=front.png --from L=side.png --to T --out out
  codixr generate --from T=@report.txt --to L --out out

Pictures may be PNG, JPEG, TIFF or DICOM. F is a frontal X-ray, L a lateral one, T a report.
The embedded checkpoint knows simulated X-rays only; its output says nothing about a patient.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 fine, 2 bad input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
    except InputError as error:
        messages.error(f"codixr {options.command}", str(error))
        return 2
    except KeyboardInterrupt:
        messages.failure(f"codixr {options.command}", "interrupted")
        return 130
    except BrokenPipeError:  # `codixr info | head`: nobody reads on
        sys.stderr.close()
        return 0


def _generate(options: argparse.Namespace) -> int:
    from codixr.commands.generate import (
        Request,
        generate,
        parse_modalities,
        parse_sources,
        parse_weights,
    )

    request = filled(
        Request,
        options,
        sources=parse_sources(options.sources),
        outputs=parse_modalities(options.to),
        folder=options.out,
        weights=parse_weights(options.weights),
    )
    for path in generate(request, note=lambda text: messages.note("codixr generate", text)):
        print(path)
    return 0


def _info(options: argparse.Namespace) -> int:
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
    import json

    from codixr.data.ledger import describe_data, summary_lines

    if options.checkpoint is not None:
        raise InputError("--data and --checkpoint: ask for one at a time")
    summary = describe_data(options.data, options.label_policy)
    print(json.dumps(summary.as_dict()) if options.json else "\n".join(summary_lines(summary)))
    return 0


_COMMANDS = {
    "generate": _generate,
    "info": _info,
    "train": train.run,
    "convert": convert.run,
    "prepare": prepare.run,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codixr",
        description="Any-to-any generation of chest X-rays and reports (CoDi_XR).",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"codixr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    generate = commands.add_parser(
        "generate",
        help="make views or a report from your own files",
        description="Make the modalities of --to from those of --from.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    generate.add_argument(
        "--from",
        dest="sources",
        action="append",
        required=True,
        metavar="M=FILE",
        help="F=FILE, L=FILE, 'T=some text' or T=@FILE; once for each input",
    )
    generate.add_argument("--to", required=True, metavar="M+M", help="outputs, e.g. F+L")
    generate.add_argument("--out", required=True, type=Path, metavar="DIR", help="output folder")
    generate.add_argument(
        "--seed", type=integer(0, 2**62), default=0, help="same seed, same output (default 0)"
    )
    generate.add_argument(
        "--steps", type=integer(1, 1000), help="sampling steps (default: the checkpoint's)"
    )
    generate.add_argument(
        "--guidance",
        type=number(0, 100),
        metavar="S",
        help="guidance scale (default: the checkpoint's)",
    )
    generate.add_argument(
        "--num-images",
        "--num",
        dest="num",
        type=integer(1, 4096),
        default=1,
        metavar="N",
        help="how many of each output, reports too (default 1)",
    )
    _add_sampling(generate)
    generate.add_argument("--overwrite", action="store_true", help="replace files already in DIR")
    _add_checkpoint(generate)

    info = commands.add_parser(
        "info",
        help="show the parts of a checkpoint, or what is in a prepared dataset",
        description="Parts, parameter counts, sizes and sha256 of a checkpoint; or, with --data, "
        "the splits, the ledger and Table I of a prepared dataset, beside the paper's.",
        allow_abbrev=False,
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument(
        "--label-policy", metavar="NAME", help="with --data: count by another label policy"
    )
    info.add_argument("--data", type=Path, metavar="DIR", help="a folder of `codixr prepare`")
    info.add_argument(
        "--preset",
        choices=("paper", "tiny"),
        help="instead: the parameters of a preset, part by part, beside the paper's figures",
    )
    _add_checkpoint(info)

    convert.add_parser(commands)
    prepare.add_parser(commands)
    train.add_parser(commands)
    return parser


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", metavar="M=W,M=W", help="of several inputs, e.g. T=2,L=1 (default: equal)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="NAME",
        help="any of diffusers', e.g. DDIM or DPMSolverMultistep (default: the checkpoint's)",
    )
    parser.add_argument("--eta", type=number(0, 1), metavar="0..1", help="DDIM's noise (default 0)")
    parser.add_argument(
        "--batch-size",
        type=integer(1, 4096),
        default=32,
        metavar="N",
        help="samples at once; memory depends on it, the samples do not (default 32)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default cpu)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="precision of the networks (default float32; halves are for GPUs)",
    )
    parser.add_argument(
        "--strict-length",
        action="store_true",
        help="refuse a text over the model's limit, rather than cut it at the end of a sentence",
    )


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="checkpoint folder (default: the embedded one)",
    )


if __name__ == "__main__":
    sys.exit(main())
