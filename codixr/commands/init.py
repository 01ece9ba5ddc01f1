"""`codixr init`: official weights as a folder that `codixr train --init` takes."""

import argparse
import json

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr.errors import InputError

_EPILOG = """\
examples:
  codixr init --preset paper --vae sd15/vae --unet sd15/unet --clip clip-vit-large-patch14 \\
      --optimus CoDi_encoders.pth --to start
  codixr train report-vae --preset paper --data prepared --init start --out run
  codixr init --preset small --vae sd15/vae --to small-start
  codixr train all --preset small --data prepared --init small-start --out run

small takes Stable Diffusion's VAE alone, frozen in place of one of its own; the rest begins anew.

A place is a folder (of diffusers for --vae and --unet, of transformers for --clip), a file for
--optimus, or a name on the Hugging Face hub: ORG/NAME@REVISION:SUB-FOLDER. Optimus's own links are
dead since 2023; CoDi_encoders.pth holds it.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``init`` to the commands."""
    parser = commands.add_parser(
        "init",
        help="write a start for training from official weights",
        description="Stable Diffusion's VAE and UNet, CLIP and Optimus as one folder that "
        "`codixr train --init` takes. The report denoiser begins anew.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset", required=True, choices=("paper", "small"), help="sizes of the rest"
    )
    parser.add_argument("--vae", required=True, metavar="PLACE", help="Stable Diffusion's vae")
    parser.add_argument("--unet", metavar="PLACE", help="paper: Stable Diffusion's unet")
    parser.add_argument("--clip", metavar="PLACE", help="paper: CLIP, with its tokenizer")
    parser.add_argument("--optimus", metavar="FILE", help="paper: a file that holds Optimus")
    parser.add_argument("--bert-tokenizer", metavar="DIR", help="BERT-base-cased's vocabulary")
    parser.add_argument("--gpt2-tokenizer", metavar="DIR", help="GPT-2's vocabulary")
    parser.add_argument(
        "--to", required=True, type=output_folder, metavar="DIR", help="a new folder"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Write the folder, and print it."""
    from codixr.model.convert import TOKENIZERS
    from codixr.model.official.start import Places, place_of, write_start, write_vae_start

    own = ("unet", "clip", "optimus")
    if options.preset != "paper":
        paper_only = (*own, "bert_tokenizer", "gpt2_tokenizer")
        if given := [name for name in paper_only if getattr(options, name)]:
            raise InputError(
                f"--{given[0].replace('_', '-')} belongs to --preset paper: {options.preset} takes "
                "--vae alone"
            )
        write_vae_start(place_of(options.vae, "--vae"), options.to, options.preset)
        return _print(options)
    if missing := [name for name in own if not getattr(options, name)]:
        raise InputError(f"--preset paper needs --{missing[0]} too")
    places = Places(
        vae=place_of(options.vae, "--vae"),
        unet=place_of(options.unet, "--unet"),
        clip=place_of(options.clip, "--clip"),
        optimus=place_of(options.optimus, "--optimus"),
        bert_tokenizer=options.bert_tokenizer or TOKENIZERS["report_encoder"],
        gpt2_tokenizer=options.gpt2_tokenizer or TOKENIZERS["report_decoder"],
    )
    write_start(places, options.to, note=lambda line: messages.say("codixr init", line))
    return _print(options)


def _print(options: argparse.Namespace) -> int:
    print(json.dumps({"folder": str(options.to)}, indent=2) if options.json else options.to)
    return 0
