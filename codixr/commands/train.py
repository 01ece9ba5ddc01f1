"""`codixr train`: the paper's stages, one or all, each resumed where it stopped."""

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codixr import collector, messages
from codixr.arguments import add_json, filled, output_folder, positive
from codixr.atomic import is_disk_full, no_space
from codixr.commands import train_plan
from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr.model.presets import DiffusionConfig
    from codixr.training.stage_config import StageConfig
    from codixr.training.stopping import Stop

_EXAMPLES = """\
examples:
  codixr train all --preset tiny --data phantom --out run
  codixr train image-ldm --view F --preset tiny --data phantom --out run
  codixr train all --preset small --data mimic --out run
  codixr train all --preset tiny --image-size 256 --data mimic --out run
  codixr train report-ldm --preset tiny --data phantom --out run --set steps=6000 --set ema=0.999
  accelerate launch -m codixr.cli train image-ldm --preset paper --data mimic --init start --out run

The same command goes on where it was stopped. --set KEY=VALUE changes every stage of the command
that has KEY; --set STAGE.KEY=VALUE changes one, and decides there, wherever it stands;
--set model.KEY=VALUE changes the model. --set epochs=N stands in place of the recipe's steps; steps
given too decide. The numbers a stage used stand in OUT/stages/STAGE/config.json.
"""

FEW = 0.1
"""Share of the recipe's steps below which a stage has learned next to nothing."""

_LATER = 60.0
"""Seconds that the other processes leave the first to report an error: it may be slower."""

STAGE_NAMES = (
    "image-vae",
    "prompt-encoders",
    "prompt-wording",
    "prompt-details",
    "report-vae",
    "image-ldm",
    "report-ldm",
    "alignment",
    "prompt-lexicon",
    "all",
)


STAGE_FAMILIES = ("image-ldm", "alignment")
"""Names of several stages."""


@dataclass(frozen=True)
class Request:
    """One call of `codixr train`."""

    stage: str
    preset: str
    data: str | None = None
    out: Path | None = None
    view: str | None = None
    pair: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    image_size: int | None = None
    """Side of the pictures; None is the preset's."""
    init: Path | None = None
    limit: int | None = None
    threads: int | None = None
    preview: bool = False
    """Write samples of real studies too; those of the phantom are always written."""


def parse_settings(texts: list[str]) -> dict[str, str]:
    """``["steps=10", "image-ldm.ema=0"]`` -> name -> text; InputError without an '='."""
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not text.isprintable():
            raise InputError(f"--set {key[:60]!r}: it has a sign that no setting has; leave it out")
        if not equals or not key.strip():
            raise InputError(f"--set {text}: write KEY=VALUE, e.g. --set steps=1000")
        settings[key.strip()] = value.strip()
    return settings


def chosen_stages(request: Request) -> list[str]:
    """The recipe's stages that a request names, in order; InputError for one it has not."""
    from codixr.training.parts import WORDING
    from codixr.training.recipes import recipe

    stages = list(recipe(request.preset))
    for option, value, owner in (
        ("--view", request.view, "image-ldm"),
        ("--pair", request.pair, "alignment"),
    ):
        if value is not None and request.stage != owner:
            raise InputError(f"{option} {value} belongs to {owner}; leave it out")
    if request.stage == "all":
        return [s for s in stages if s not in WORDING or request.data in (None, "phantom")]
    if request.stage == "image-vae" and "image-vae" not in stages:
        raise InputError(
            f"--preset {request.preset} keeps Stable Diffusion's image VAE, frozen, as the paper "
            "does: there is nothing to train; bring it in with --init FOLDER"
        )
    if request.stage not in STAGE_FAMILIES and request.stage not in stages:
        raise InputError(
            f"--preset {request.preset} has no stage {request.stage}; it has {', '.join(stages)}"
        )
    if request.stage == "image-ldm":
        return [f"image-ldm-{v}" for v in ("F", "L") if request.view in (None, v)]
    if request.stage == "alignment":
        return [f"alignment-{p}" for p in ("F+L", "F+T") if request.pair in (None, p)]
    return [request.stage]


def train(request: Request) -> list[Path]:
    """Run the stages of ``request``; returns the folders that hold what they made.

    InputError for bad settings, missing data or predecessors, and whatever stops a stage; Stopped
    after SIGTERM or SIGUSR1.
    """
    stages, model_settings = _configs(request)
    if request.data is None or request.out is None:
        raise InputError("give --data and --out, or --plan for what memory it needs")
    _check_beginning(request, stages)
    from codixr.training.settings import check_tracker_installed

    check_tracker_installed(
        {name: config for name, config in stages.items() if not _is_done(request, name)}
    )

    import torch

    torch.set_num_threads(_threads(request))
    from codixr.training.processes import check_precision, join_processes, shares
    from codixr.training.stopping import Stop

    stop = Stop()
    try:
        state = join_processes()
        state.wait_for_everyone()  # who refuses and leaves must not break off the others' joining
        for name, config in stages.items():
            if not _is_done(request, name):
                shares(name, config, state.num_processes)
                check_precision(name, config, state.device)
        with stop.listening():
            return _run_stages(request, stages, model_settings, stop)
    except Exception as error:
        if isinstance(error, InputError) or not is_disk_full(error):
            raise
        raise no_space(request.out) from error
    finally:
        _leave_group()


def _configs(request: Request) -> "tuple[dict[str, StageConfig], dict[str, Any]]":
    """The chosen stages' configs with the request's settings, and those of the model as values.

    InputError for any that no stage, or no model, can have.
    """
    from codixr.training import recipes as configs
    from codixr.training.folder import MODEL_FIELDS
    from codixr.training.settings import override

    recipe = {name: configs.recipe(request.preset)[name] for name in chosen_stages(request)}
    if request.data not in (None, "phantom"):
        recipe = {name: configs.for_other_data(config) for name, config in recipe.items()}
    stages, model_texts = override(recipe, dict(request.settings), MODEL_FIELDS)
    if not model_texts:
        return stages, {}
    from codixr.training.model_settings import model_values

    return stages, model_values(model_texts, _diffusion(request))


def _diffusion(request: Request) -> "DiffusionConfig":
    """The model's numbers without the command's: those of OUT, of the start, or of the preset."""
    from codixr.model import components
    from codixr.training.founding import usual

    if request.out is not None and (request.out / components.INDEX).is_file():
        return components.load_preset(request.out).diffusion
    return usual(request.preset, request.init).diffusion


def _check_beginning(request: Request, stages: "Mapping[str, StageConfig]") -> None:
    """InputError for what a new OUT would remember, and no later command could mend."""
    from codixr.model import components
    from codixr.training.setting_ranges import check_start

    assert request.out is not None
    if not (request.out / components.INDEX).exists():
        for name, config in stages.items():
            check_start(name, config, request.init)


def _is_done(request: Request, name: str) -> bool:
    assert request.out is not None
    return (request.out / "stages" / name / "done.json").exists()


def _run_stages(
    request: Request,
    stages: "Mapping[str, StageConfig]",
    model_settings: Mapping[str, Any],
    stop: "Stop",
) -> list[Path]:
    from codixr.training.data import open_training_data
    from codixr.training.export import export
    from codixr.training.folder import TrainingFolder
    from codixr.training.one_stage import check_numbers, run_stage
    from codixr.training.parts import check_order, lacks

    assert request.data is not None
    assert request.out is not None
    size = _image_size(request)
    folder = TrainingFolder(
        request.out,
        request.preset,
        request.data,
        open_training_data(request.data, size, request.limit),
        size,
        init=request.init,
        model_settings=model_settings,
        limit=request.limit,
    )
    check_order(folder, stages)
    check_numbers(folder, stages)
    collector.loaded()
    for name, config in stages.items():
        if name == "image-vae" and folder.keeps_official_vae:
            messages.say("codixr train", f"{name}: that of {folder.init} stays as it is, frozen")
            continue
        stop.between_stages(name)
        shown = request.preview or request.data == "phantom"
        run_stage(folder, name, config, preview=shown, stop=stop)
    made = [request.out]
    whole = request.stage == "all" or (folder.init is not None and not lacks(folder))
    if whole and folder.disk.writes:
        made = [export(folder, request.out / "model")]
    elif folder.init is not None and (request.out / "model").is_dir() and folder.disk.writes:
        messages.say("codixr train", f"{request.out / 'model'} stays as it was: {lacks(folder)}")
    folder.state.wait_for_everyone()
    return made


def few_steps(request: Request) -> list[str]:
    """A line a stage that is asked for far fewer steps than its recipe has."""
    from codixr.training import recipes

    usual, lines = recipes.recipe(request.preset), []
    for name, config in _configs(request)[0].items():
        if config.steps is None or usual[name].steps is None:
            continue
        steps, of = config.total_steps, usual[name].total_steps
        if steps < FEW * of:
            lines.append(
                f"{name}: {steps:,} of the recipe's {of:,} steps: enough to see that it "
                "runs; what the checkpoint makes is noise"
            )
    return lines


def _image_size(request: Request) -> int:
    """The side of the pictures: asked for, or that of OUT, of the start, or of the preset."""
    from codixr.model import components, presets

    assert request.out is not None
    if request.image_size is not None:
        return request.image_size
    for folder in (request.out, request.init):
        if folder is not None and (folder / components.INDEX).is_file():
            return components.load_preset(folder).image_size
    return presets.named(request.preset).image_size


def _threads(request: Request) -> int:
    """Threads a process: --threads, else OMP_NUM_THREADS, else 1 for tiny and torch's own."""
    import torch

    if request.threads is not None:
        return request.threads
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    # Two threads on two shared cores were slower than one.
    return 1 if request.preset == "tiny" else torch.get_num_threads()


def _leave_group() -> None:
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def add_parser(commands: Any) -> None:
    """Add `codixr train` to the commands of the command line."""
    parser = commands.add_parser(
        "train",
        help="train the model, one stage or all",
        description="Train a stage of the paper's recipe, or all of them in order. OUT becomes a "
        "checkpoint; previews and caches of the data stay in it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("stage", choices=STAGE_NAMES, metavar="STAGE", help=", ".join(STAGE_NAMES))
    parser.add_argument(
        "--preset", required=True, choices=("tiny", "small", "paper"), help="sizes and recipe"
    )
    parser.add_argument(
        "--image-size",
        type=positive,
        metavar="N",
        help="side of the pictures in pixels (default: the preset's; a new OUT only)",
    )
    parser.add_argument("--data", metavar="DIR|phantom", help="prepared data set, or phantom")
    parser.add_argument("--out", type=output_folder, metavar="DIR", help="training folder")
    parser.add_argument("--view", choices=("F", "L"), help="image-ldm: one view (default: both)")
    parser.add_argument(
        "--pair", choices=("F+L", "F+T"), help="alignment: one pair (default: both, in order)"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a number of the recipe; may be given more than once",
    )
    parser.add_argument(
        "--init", type=Path, metavar="DIR", help="checkpoint to start from (a new OUT only)"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="the first N studies of each split only; of --plan: so many (default 70,000)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of a process (default: OMP_NUM_THREADS, else 1 for tiny)",
    )
    parser.add_argument(
        "--preview",
        action="store_true",
        help="write samples to OUT/samples for real data too: they show patients, keep them there",
    )
    train_plan.add_arguments(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run `codixr train`; returns the exit code."""
    request = filled(Request, options, settings=parse_settings(options.settings))
    if options.plan:
        stages, _ = _configs(request)
        return train_plan.run(request.preset, request.image_size, stages, options)
    from codixr.training.stopping import Stopped

    rank = os.environ.get("RANK", "0")
    if rank == "0":
        for line in few_steps(request):
            messages.note("codixr train", line)
    try:
        made = train(request)
    except Stopped as stopped:
        messages.say("codixr train", str(stopped))
        return 0
    except InputError as error:
        if rank == "0":
            raise
        # The first process says the same, and ends the others; only what it missed is said here.
        time.sleep(_LATER)
        messages.error("codixr train", f"process {rank}: {error}")
        return 2
    except RuntimeError as error:
        from codixr.training.processes import left_alone

        if not left_alone(error):
            raise
        time.sleep(_LATER)
        messages.error("codixr train", f"process {rank}: another process has ended")
        return 2
    if rank == "0":
        folders = [str(path) for path in made]
        print(json.dumps({"folders": folders}, indent=2) if options.json else "\n".join(folders))
    return 0
