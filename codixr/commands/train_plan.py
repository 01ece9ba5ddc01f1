"""`codixr train --plan`: what the stages need on each GPU, and for how long; nothing is trained."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codixr import messages
from codixr.arguments import number, positive
from codixr.errors import InputError

if TYPE_CHECKING:
    from codixr.model.presets import Preset
    from codixr.training.plan import Machine, MemoryPlan
    from codixr.training.stage_config import StageConfig

STUDIES = 70_000
"""That a plan is for, unless ``--limit`` says otherwise: about MIMIC-CXR's with both views."""
GPUS = 4
"""That a plan is for, unless ``--gpus`` says otherwise."""
MEASURED_STUDIES = 4
"""At once where ``--measure`` takes a step's time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a plan is for to the command's arguments."""
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print what memory, work and hours the stages need, and train nothing; --limit: for "
        f"so many studies (default {STUDIES:,})",
    )
    parser.add_argument(
        "--gpus",
        type=positive,
        metavar="N",
        help=f"GPUs of --plan (default {GPUS}, or the most below that can share each batch)",
    )
    parser.add_argument(
        "--gpu-memory",
        type=number(0.001, 1e6),
        default=80.0,
        metavar="GB",
        help="memory of each (default 80)",
    )
    parser.add_argument("--sharded", action="store_true", help="plan FSDP in place of DDP")
    parser.add_argument(
        "--tflops",
        type=number(1e-6, 1e6),
        metavar="N",
        help="say hours: each GPU keeps up so many 10^12 operations a second",
    )
    parser.add_argument(
        "--measure",
        action="store_true",
        help="say hours by this machine's device: a step of each stage is timed",
    )


def run(
    preset_name: str,
    image_size: int | None,
    stages: "Mapping[str, StageConfig]",
    options: argparse.Namespace,
) -> int:
    """Print the plan, of the sizes in ``--init`` where one is given; returns the exit code."""
    from codixr.model import components, presets
    from codixr.training.plan import Machine, table

    preset = presets.named(preset_name)
    if options.init is not None:
        preset = components.load_preset(options.init)
    preset = presets.at_size(preset, image_size or preset.image_size)
    machine = Machine(
        options.gpus or most_gpus(stages),
        options.gpu_memory,
        options.sharded,
        options.limit or STUDIES,
        measured(preset, stages) if options.measure else options.tflops,
    )
    plans = memory_plans(preset, stages, machine)
    if not options.json:
        print(table(plans, machine))
        return 0
    each = [asdict(one) | {"total": one.total} for one in plans]
    about: dict[str, Any] = {"gpus": machine.gpus, "gpu_memory_gb": machine.memory_gb}
    about |= {"sharded": machine.sharded, "studies": machine.studies, "tflops": machine.tflops}
    print(json.dumps(about | {"stages": each}, indent=2))
    return 0


def memory_plans(
    preset: "Preset", stages: "Mapping[str, StageConfig]", machine: "Machine"
) -> "list[MemoryPlan]":
    """The plan of each stage; InputError for a batch that the GPUs cannot share."""
    from codixr.progress import track
    from codixr.training.plan import plan
    from codixr.training.plan_sizes import sizes

    for name, config in stages.items():
        if config.batch % machine.gpus:
            raise InputError(
                f"{name}: a batch of {config.batch} cannot be shared by {machine.gpus} GPUs: give "
                "another --gpus or --set batch"
            )
    return [
        plan(name, sizes(preset, name, lora_rank(config)), config, machine)
        for name, config in track(list(stages.items()), "planning", "stages")
    ]


def most_gpus(stages: "Mapping[str, StageConfig]") -> int:
    """``GPUS``, or the largest number below that divides the batches of all the stages."""
    return next(
        gpus
        for gpus in range(GPUS, 0, -1)
        if all(config.batch % gpus == 0 for config in stages.values())
    )


def lora_rank(config: "StageConfig") -> int:
    """The rank of the LoRA that a stage trains; 0 for none."""
    return int(getattr(config, "lora_rank", 0))


def measured(preset: "Preset", stages: "Mapping[str, StageConfig]") -> float:
    """TFLOP/s of this machine's device, over a step of each of the stages."""
    import torch

    from codixr.training.plan_sizes import seconds_a_study, sizes

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    done = seconds = 0.0
    for name, config in stages.items():
        each = seconds_a_study(preset, name, device, MEASURED_STUDIES, config.precision)
        work = sizes(preset, name, lora_rank(config)).work
        messages.say(
            "codixr train",
            f"{name}: {each:.3g} s a study on {device}, {work / each / 1e12:.3g} TFLOP/s",
        )
        done, seconds = done + work, seconds + each
    return done / seconds / 1e12
