"""Options that several commands have: each group in one function, with one wording."""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.arguments import (
    add_device,
    add_dtype,
    add_json,
    at_least,
    number_or_auto,
    output_folder,
    positive,
)
from codixr.errors import InputError
from codixr.user_paths import can_be_a_name, is_file

if TYPE_CHECKING:
    from codixr_bench.runs.options import RunOptions

RESULT = "a run's folder, its result.json, or a task group's folder"
_SPEED = 10
"""Of a network, MB/s."""
ONE_RESULT = "a result.json, or a run's folder"


def add_task(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """``--task``."""
    parser.add_argument(
        "--task",
        required=required,
        metavar="TASK",
        help="e.g. 'L+T->F', quoted; or a group: paper, joint, all",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model``, of a command that calls it."""
    parser.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="a name of `codixr-bench models`, name:CHECKPOINT, or package.module:Class",
    )
    parser.add_argument(
        "--model-arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of the model's class, e.g. steps=50; a number, true, false or text; "
        "repeatable, and among the result's settings",
    )
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="run the code that a diffusers: or transformers: model brings along: of a folder, or "
        "of the hub at a commit (docs/models.md)",
    )


def add_name(parser: argparse.ArgumentParser) -> None:
    """``--name``."""
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="what results and folders call the model, e.g. two checkpoints of one kind",
    )


def model_arguments(given: Sequence[str]) -> dict[str, str | int | float | bool | None]:
    """``--model-arg KEY=VALUE``: VALUE as JSON where it is one value of it, else as text."""
    found: dict[str, str | int | float | bool | None] = {}
    for one in given:
        key, separator, value = one.partition("=")
        if not separator or not key.isidentifier():
            raise InputError(f"--model-arg '{one}': write KEY=VALUE, e.g. steps=50")
        if key in found:
            raise InputError(f"--model-arg: '{key}' is given twice")
        if key == "trust_code":
            raise InputError("--model-arg trust_code: write --trust-code")
        found[key] = _plain(value)
    return found


def _plain(text: str) -> str | int | float | bool | None:
    try:
        value = json.loads(text, parse_constant=lambda name: name)
    except ValueError:
        return text
    return value if isinstance(value, (str, int, float, bool, type(None))) else text


def checked_name(given: str | None) -> str | None:
    """``--name``; InputError for one that no folder or table could have."""
    if given is not None and not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}", given, re.ASCII):
        raise InputError(
            f"--name '{given}': letters, digits and _ . + -, at most 60, a letter or digit first"
        )
    return given


def add_data(parser: argparse.ArgumentParser) -> None:
    """Which studies: ``--track``, ``--data``, ``--split``, ``--limit``."""
    parser.add_argument("--track", metavar="TRACK", help="phantom (default), openi, or a recipe")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the track's data are")
    parser.add_argument(
        "--split", metavar="SPLIT", help="train, val, test (default), or secret with --split-key"
    )
    parser.add_argument(
        "--split-key",
        type=Path,
        metavar="FILE",
        help="the 32 random bytes that make a keeper's own split (docs/tracks.md)",
    )
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N studies of the split"
    )


def add_samples_per_study(parser: argparse.ArgumentParser, default: str) -> None:
    """``--samples-per-study``."""
    parser.add_argument(
        "--samples-per-study",
        type=positive,
        metavar="K",
        help="scores are the mean over K samples of each study, with the spread within a study and "
        f"between seeds (default: {default})",
    )


def add_generation(parser: argparse.ArgumentParser) -> None:
    """How samples are made: ``--seed``, ``--batch-size``, ``--chunk-size``."""
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="default: 0")
    add_samples_per_study(parser, "1")
    parser.add_argument(
        "--batch-size",
        type=number_or_auto,
        default=64,
        metavar="N|auto",
        help="studies a call of the model (default: 64); auto halves it where memory runs out",
    )
    parser.add_argument(
        "--chunk-size",
        type=positive,
        default=64,
        metavar="N",
        help="studies a file; an interrupted run loses at most one chunk (default: 64)",
    )


def add_scoring(parser: argparse.ArgumentParser) -> None:
    """How they are scored: ``--metrics``, ``--labeler``, ``--show-content``, ``--json``."""
    parser.add_argument(
        "--metrics", metavar="A,B", help="only these (see `codixr-bench metrics`); default: all"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="print every score; without it and --metrics a long table has the primary ones "
        "(result.json, report.html and `codixr-bench show` have all)",
    )
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="search longer for copies of studies: further shifted and turned ones are found",
    )
    parser.add_argument(
        "--show-content",
        action="store_true",
        help="draw grid.png on a track of real patients too",
    )
    parser.add_argument(
        "--labeler",
        metavar="NAME",
        help="what reads reports for label F1: chexpert-rules (as the tracks have it), original, "
        "chexbert, chexpert-clinical, or package.module:Class",
    )
    parser.add_argument(
        "--labeler-home",
        type=Path,
        metavar="DIR",
        help="with --labeler original: where it is installed",
    )
    parser.add_argument(
        "--alignment",
        metavar="ENCODER",
        help="score pictures beside their prompts by this encoder of both: transformers:FOLDER, or "
        "transformers:ORG/NAME (CLIP, SigLIP and their like)",
    )
    add_weights(parser, "NAME=FILE", "use this file as the weights of that backbone; repeatable")
    add_json(parser)


def add_compute(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--dtype``, of a command that calls a model."""
    add_device(parser)
    add_dtype(parser)


def add_scoring_compute(parser: argparse.ArgumentParser) -> None:
    """``--device``, ``--dtype`` and ``--batch-size``, of a command that calls none."""
    add_device(parser)
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32"),
        default="auto",
        help="networks that score compute in float32: in half of it distances differ (docs/gpu.md)",
    )
    parser.add_argument(
        "--batch-size",
        dest="pictures_at_once",
        type=number_or_auto,
        default="auto",
        metavar="N|auto",
        help="pictures in a pass of a network; auto (default): its own number, halved where memory "
        "runs out",
    )


def prints_all(parsed: argparse.Namespace) -> bool:
    """Whether a run's table has every score: all were asked for, or these."""
    return bool(parsed.all or parsed.metrics is not None)


def add_weights(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    """``--weights`` and ``--allow-unpinned``."""
    parser.add_argument("--weights", action="append", default=[], metavar=metavar, help=what)
    parser.add_argument(
        "--allow-unpinned",
        action="store_true",
        help="with --weights: other files than the published ones; the signature says so",
    )


def weights_by_name(given: Sequence[str], default: str | None = None) -> dict[str, Path]:
    """The files of ``--weights NAME=FILE``; a FILE alone is the ``default`` backbone's."""
    found: dict[str, Path] = {}
    for one in given:
        name, separator, file = one.partition("=")
        if default is not None and (not separator or is_file(one)):
            name, file = default, one
        if not name or not file:
            raise InputError(f"--weights '{one}': write NAME=FILE, e.g. inception={one or 'FILE'}")
        if name in found:
            raise InputError(f"--weights: '{name}' is given twice")
        found[name] = Path(file)
        if not can_be_a_name(found[name]):
            raise InputError(f"--weights '{one}': no file can be called so; give a shorter name")
    return found


def add_speed(parser: argparse.ArgumentParser) -> None:
    """``--speed``, of a command that fetches."""
    parser.add_argument(
        "--speed",
        type=positive,
        default=_SPEED,
        metavar="MB/S",
        help=f"of the network, for the plan's hours (default: {_SPEED})",
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """``--out``."""
    parser.add_argument(
        "--out", type=output_folder, metavar="DIR", help="default: runs/TRACK[-LIMIT]/TASK/MODEL"
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``."""
    parser.add_argument(
        "--overwrite", action="store_true", help="replace another run's samples in the folder"
    )


def add_scores(parser: argparse.ArgumentParser) -> None:
    """``--scores``, of a command that reads results."""
    parser.add_argument("--scores", metavar="A,B", help="only these scores; default: all")


def run_options(parsed: argparse.Namespace) -> "RunOptions":
    """The run that was asked for; a command without an option leaves its default."""
    from codixr_bench.runs.options import RunOptions

    given = vars(parsed)
    names = tuple(name.strip() for name in (given.get("metrics") or "").split(",") if name.strip())
    if given.get("metrics") is not None and not names:
        raise InputError("--metrics names none; leave it out for all (see `codixr-bench metrics`)")
    usual = RunOptions()
    return RunOptions(
        split=given["split"] or usual.split,
        split_key=given.get("split_key"),
        limit=given["limit"],
        data_dir=given["data"],
        seed=given.get("seed", usual.seed),
        samples_per_study=given.get("samples_per_study", usual.samples_per_study),
        batch_size=given.get("batch_size", usual.batch_size),
        chunk_size=given.get("chunk_size", usual.chunk_size),
        metrics=names,
        out=given["out"],
        overwrite=given.get("overwrite", usual.overwrite),
        show_content=given.get("show_content", usual.show_content),
        labeler=_labeler(given.get("labeler"), given.get("labeler_home")),
        model_arguments=tuple(
            (
                model_arguments(given.get("model_arg", ()))
                | ({"trust_code": True} if given.get("trust_code") else {})
            ).items()
        ),
        model_name=checked_name(given.get("name")),
        weights=tuple(weights_by_name(given.get("weights", ())).items()),
        allow_unpinned=given.get("allow_unpinned", usual.allow_unpinned),
        device=given.get("device", usual.device),
        dtype=given.get("dtype", usual.dtype),
        pictures_at_once=pictures_at_once(parsed),
        alignment=given.get("alignment"),
        cross_check=given.get("cross_check", usual.cross_check),
        thorough=given.get("thorough", usual.thorough),
    )


def pictures_at_once(parsed: argparse.Namespace) -> int | None:
    """``--batch-size`` of a command that calls no model; None for auto."""
    given = getattr(parsed, "pictures_at_once", "auto")
    return None if given == "auto" else int(given)


def _labeler(name: str | None, home: Path | None) -> tuple[str | None, Path | None]:
    from codixr_bench.labeler.interface import LABELERS
    from codixr_bench.registry import unknown

    if name is not None and name not in LABELERS and ":" not in name:
        raise unknown("labeler", name, LABELERS, " (or write package.module:Class)")
    if (name == "original") != (home is not None):
        raise InputError(
            "--labeler original runs an installation, and no other labeler does: say where with "
            "--labeler-home DIR"
        )
    return name, home
