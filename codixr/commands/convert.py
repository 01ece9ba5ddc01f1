"""``codixr convert``: CoDi's released files, or the authors' XGeM, as a folder of ours."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr.errors import InputError

_EPILOG = """\
examples:
  codixr convert CoDi_encoders.pth CoDi_text_diffuser.pth CoDi_video_diffuser_8frames.pth --to codi
  codixr convert MedCoDi-M.pt --to xgem --dtype float16

CoDi's files: https://huggingface.co/ZinengTang/CoDi (MIT). XGeM's: the link in the README of
https://github.com/danielemolino/XGeM (MIT). The vocabularies come from the Hugging Face hub; give
folders where it cannot be reached.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``convert`` to the commands."""
    parser = commands.add_parser(
        "convert",
        help="write CoDi's or XGeM's released weights as a checkpoint folder",
        description="Read released weights (no code in them is run), drop the layers that only "
        "videos use, and write a folder that --checkpoint reads.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE", help="files of weights")
    parser.add_argument(
        "--to", required=True, type=output_folder, metavar="FOLDER", help="a new folder"
    )
    parser.add_argument(
        "--kind",
        choices=("codi", "xgem"),
        help="which release (default: by the weights' names)",
    )
    parser.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), help="(default: the source's)"
    )
    parser.add_argument("--clip-tokenizer", metavar="DIR", help="CLIP ViT-L/14's vocabulary")
    parser.add_argument("--bert-tokenizer", metavar="DIR", help="BERT-base-cased's vocabulary")
    parser.add_argument("--gpt2-tokenizer", metavar="DIR", help="GPT-2's vocabulary")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Convert; prints what was written, dropped and not used."""
    for path in options.sources:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    import torch

    from codixr.model.convert import TOKENIZERS, convert, released_tokenizers
    from codixr.model.presets import paper

    places = TOKENIZERS | {
        name: place
        for name, place in (
            ("prompt", options.clip_tokenizer),
            ("report_encoder", options.bert_tokenizer),
            ("report_decoder", options.gpt2_tokenizer),
        )
        if place is not None
    }
    record = convert(
        options.sources,
        options.to,
        options.kind,
        tokenizers=released_tokenizers(places, paper()),
        dtype=None if options.dtype is None else getattr(torch, options.dtype),
        note=lambda line: messages.say("codixr convert", line),
    )
    content = {"folder": str(options.to), **asdict(record)}
    print(json.dumps(content, indent=2) if options.json else "\n".join(record.lines()))
    return 0
