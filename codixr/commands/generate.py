"""`codixr generate`: the user's files in, views and reports out, all of them or nothing.

Heavy imports wait until there is something to generate.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codixr import collector, messages
from codixr.arguments import add_device, add_dtype, add_json, filled, integer, number, output_folder
from codixr.commands.checkpoint import add_checkpoint
from codixr.commands.given_inputs import read_inputs
from codixr.commands.noted_doubts import noting_doubts
from codixr.commands.written_together import write_all
from codixr.errors import InputError
from codixr.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from codixr.model.configs import JointOutputs

_EXAMPLES = """\
examples:
  codixr generate --from L=scan.dcm --to F --out out
  codixr generate --from 'T=Small left pleural effusion.' --to F+L --out out --num 4
  codixr generate --from F=front.png --from L=side.png --to T --out out
  codixr generate --from T=@report.txt --to L --out out
  codixr generate --to F+L+T --out out

Pictures may be PNG, JPEG, TIFF or DICOM. F is a frontal X-ray, L a lateral one, T a report.
The embedded checkpoint knows simulated X-rays only; its output says nothing about a patient.
"""

EMBEDDED_NOTE = (
    "the embedded checkpoint knows only simulated X-rays; its output says nothing about a patient"
)

FROM_NOTHING = "no --from given: what is made shows nobody in particular"

_LETTERS = "F is a frontal X-ray, L a lateral one, T (or R) a report"


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `codixr generate`; None leaves a setting to the checkpoint."""

    sources: Mapping[Modality, str]
    outputs: tuple[Modality, ...]
    folder: Path
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    num: int = 1
    checkpoint: Path | None = None
    overwrite: bool = False
    scheduler: str | None = None
    weights: Mapping[str, float] | None = None
    eta: float | None = None
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "auto"
    strict_length: bool = False
    joint: "JointOutputs | None" = None


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``generate`` to the commands."""
    parser = commands.add_parser(
        "generate",
        help="make views or a report from your own files",
        description="Make the modalities of --to from those of --from.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="M=FILE",
        help="F=FILE, L=FILE, 'T=some text' or T=@FILE; once for each input. "
        "Without it the outputs show nobody in particular",
    )
    parser.add_argument("--to", required=True, metavar="M+M", help="outputs, e.g. F+L")
    parser.add_argument(
        "--out", required=True, type=output_folder, metavar="DIR", help="output folder"
    )
    parser.add_argument(
        "--seed", type=integer(0, 2**62), default=0, help="same seed, same output (default 0)"
    )
    parser.add_argument(
        "--steps", type=integer(1, 1000), help="sampling steps (default: the checkpoint's)"
    )
    parser.add_argument(
        "--guidance",
        type=number(0, 100),
        metavar="S",
        help="guidance scale (default: the checkpoint's)",
    )
    parser.add_argument(
        "--guidance-interval",
        metavar="LOW,HIGH",
        help="guide between these noises only, 0 (clean) to 1 (default: the checkpoint's)",
    )
    parser.add_argument(
        "--num-images",
        "--num",
        dest="num",
        type=integer(1, 4096),
        default=1,
        metavar="N",
        help="how many of each output, reports too; sample k has the seed + k (default 1)",
    )
    _add_sampling(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace files already in DIR")
    add_checkpoint(parser)
    add_json(parser)


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
        "--joint",
        choices=("together", "in-turn"),
        help="several outputs: together, as in the paper, or in turn, each a prompt for those "
        "after it (default: the checkpoint's; of the embedded one in-turn)",
    )
    parser.add_argument(
        "--batch-size",
        type=integer(1, 4096),
        default=32,
        metavar="N",
        help="samples at once; memory depends on it, the samples do not (default 32)",
    )
    add_device(parser)
    add_dtype(parser)
    parser.add_argument(
        "--strict-length",
        action="store_true",
        help="refuse a text over the model's limit, rather than cut it at the end of a sentence",
    )


def run(options: argparse.Namespace) -> int:
    """Generate, and print the files written."""
    request = filled(
        Request,
        options,
        sources=parse_sources(options.sources),
        outputs=parse_modalities(options.to),
        folder=options.out,
        weights=parse_weights(options.weights),
        guidance_interval=parse_interval(options.guidance_interval),
    )
    made = generate(request, note=lambda text: messages.note("codixr generate", text))
    if options.json:
        files = [str(path) for path in made.files]
        print(json.dumps({"files": files, "warnings": made.warnings}, indent=2))
    else:
        for path in made.files:
            print(path)
    return 0


def parse_sources(texts: list[str]) -> dict[Modality, str]:
    """``["L=scan.dcm", "T=No effusion."]`` → modality → file or text; InputError otherwise."""
    sources: dict[Modality, str] = {}
    for text in texts:
        letter, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise InputError(
                "--from needs M=VALUE with something behind '=', "
                "e.g. --from L=scan.dcm or --from 'T=some text'"
            )
        modality = _modality(letter, "--from")
        if modality in sources:
            raise InputError(f"--from {modality} is given twice; give each input once")
        sources[modality] = value
    return sources


def parse_modalities(text: str) -> tuple[Modality, ...]:
    """``F+L`` → its modalities in the order F, L, T; InputError otherwise."""
    named = [_modality(letter, "--to") for letter in text.split("+")]
    if len(set(named)) != len(named):
        raise InputError(f"--to {text} names an output twice")
    return tuple(modality for modality in Modality if modality in named)


def parse_interval(text: str | None) -> tuple[float, float] | None:
    """``0.2,0.8`` → two noises, the lower one first; None stays None, InputError otherwise."""
    from codixr.model.configs import interval

    if text is None:
        return None
    try:
        return interval([float(part) for part in text.split(",")])
    except (ValueError, InputError):
        raise InputError(
            f"--guidance-interval {_quoted(text)} is not LOW,HIGH: give two numbers from 0 to 1, "
            "the lower one first, e.g. 0.2,0.8"
        ) from None


def parse_weights(text: str | None) -> dict[str, float] | None:
    """``T=2,L=1`` → modality → weight; None stays None, InputError for anything else."""
    if text is None:
        return None
    weights: dict[str, float] = {}
    for part in text.split(","):
        letter, _, number = part.partition("=")
        modality = _modality(letter, "--weights")
        if modality in weights:
            raise InputError(f"--weights names {modality} twice")
        try:
            weights[modality] = float(number)
        except ValueError:
            raise InputError(f"--weights: {_quoted(part)} is not M=NUMBER, e.g. T=2,L=1") from None
    return weights


def _modality(letter: str, option: str) -> Modality:
    name = letter.strip()
    try:
        return Modality(name.upper())
    except ValueError:
        raise InputError(f"{option}: {_quoted(name)} is not a modality; {_LETTERS}") from None


def _quoted(text: str) -> str:
    """What was given, unless it may be a report that stands in the wrong place."""
    return f"'{text}'" if len(text) <= 12 else "what was given"


class Written(NamedTuple):
    """What a call wrote, and its warnings of inputs outside the training; no text is quoted."""

    files: list[Path]
    warnings: list[str]


def generate(request: Request, note: Callable[[str], None]) -> Written:
    """Read the inputs, run the pipeline, write the outputs.

    Whatever is written carries what was warned of: a picture in its PNG's text entry ``Warning``,
    a report in a file beside it, which goes when it does.

    InputError when inputs and outputs overlap, an input cannot be read, the outputs exist already,
    or cannot be written. ``note`` gets lines for the user.
    """
    if both := " and ".join(m for m in request.outputs if m in request.sources):
        raise InputError(f"--to asks for {both}, which --from gives already; ask for another")
    doubts = [] if request.sources else [FROM_NOTHING]
    for line in doubts:
        note(line)
    names_of = {modality: _file_names(modality, request.num) for modality in request.outputs}
    written = [name for names in names_of.values() for name in names]
    _check_folder(request, [*written, *_warning_names(names_of.get(Modality.T, ()))])
    pictures, report = read_inputs(request.sources, note)
    if others := _of_other_runs(request, written):
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        note(
            f"--out {request.folder} also holds {', '.join(others[:3])}{more} of another call: not "
            "of the patient who is made now"
        )

    from codixr.data.picture import fit_square
    from codixr.device import device_named, type_named
    from codixr.model.pipeline import CoDiXRPipeline

    if request.checkpoint is None:
        note(EMBEDDED_NOTE)
    elif not request.checkpoint.is_dir():
        raise InputError(f"--checkpoint {request.checkpoint}: no such folder")
    pipeline = CoDiXRPipeline.from_pretrained(request.checkpoint)
    device = device_named(request.device)
    pipeline.to(device, type_named(request.dtype, device, pipeline.dtype))
    pipeline.set_progress_bar_config(disable=None, desc="denoising", leave=False)
    collector.loaded()
    inputs: dict[str, NDArray[np.float32] | str] = {
        modality: fit_square(pixels, pipeline.size) for modality, pixels in pictures.items()
    }
    if report is not None:
        inputs[Modality.T] = report
    with noting_doubts(note, doubts):
        made = pipeline(
            inputs=inputs,
            outputs="+".join(request.outputs),
            seed=request.seed,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            guidance_interval=request.guidance_interval,
            num_images=request.num,
            weights=request.weights,
            scheduler=request.scheduler,
            eta=request.eta,
            batch_size=request.batch_size,
            strict_length=request.strict_length,
            joint=request.joint,
        )
    files: dict[str, Image | str] = {}
    for modality, names in names_of.items():
        contents = made.images[modality] if modality.is_image else made.reports
        files.update(zip(names, contents or (), strict=True))
    said = [EMBEDDED_NOTE] if request.checkpoint is None else []
    warnings = _warning_names(names_of.get(Modality.T, ()))
    if doubts:
        files.update(dict.fromkeys(warnings, "\n".join((*said, *doubts))))
    paths = write_all(request.folder, files, (*said, *doubts))
    for name in () if doubts else warnings:
        (request.folder / name).unlink(missing_ok=True)  # of a report that is gone
    return Written(paths, doubts)


_OURS = re.compile(r"[FL](-\d+)?\.png|report(-\d+)?\.txt")


def _warning_names(reports: Sequence[str]) -> list[str]:
    """``report.txt`` → ``report.warning.txt``: a text has no place for what it is not."""
    return [f"{name.removesuffix('.txt')}.warning.txt" for name in reports]


def _file_names(modality: Modality, num: int) -> list[str]:
    stem, suffix = (modality.value, ".png") if modality.is_image else ("report", ".txt")
    return [f"{stem}{suffix}"] if num == 1 else [f"{stem}-{i}{suffix}" for i in range(num)]


def _of_other_runs(request: Request, written: list[str]) -> list[str]:
    """Files in the folder with a name of ours that this call neither reads nor writes."""
    folder = request.folder
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    read = [Path(source) for m, source in request.sources.items() if m.is_image]
    there -= {path.name for path in read if path.resolve().parent == folder.resolve()}
    return sorted(name for name in there - set(written) if _OURS.fullmatch(name))


def _check_folder(request: Request, names: list[str]) -> None:
    folder = request.folder
    for name in names:
        if (folder / name).is_dir():
            raise InputError(f"--out {folder}: its {name} is a folder; give another folder")
    taken = [name for name in names if (folder / name).exists()]
    if taken and not request.overwrite:
        raise InputError(
            f"--out {folder}: already holds {', '.join(taken[:3])}; "
            "give another folder, or --overwrite"
        )
