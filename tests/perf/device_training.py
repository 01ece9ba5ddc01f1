"""Training on a GPU against its plan: how long it waits for data, samples a second, peak memory.

``python tests/perf/device_training.py`` takes at most six minutes on one GPU: stages of ``small``
at 256 x 256, bf16 and compiled, on simulated studies. Each stage's own engine runs twice: with its
own reading, and with its first batch over and over. The device waits for data in the share of the
time by which the second is faster (asked for: < 5 %). The peak is beside ``codixr train --plan``'s.
It runs on a CPU too, without the peak: ``--preset tiny --studies 8 --steps 3 --no-compile``.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from codixr.commands.train import Request, train
from codixr.model import presets
from codixr.training import plan
from codixr.training.data import open_training_data
from codixr.training.engine import Engine
from codixr.training.feed import Part
from codixr.training.folder import TrainingFolder
from codixr.training.one_stage import hardware
from codixr.training.plan_sizes import sizes
from codixr.training.processes import make_accelerator
from codixr.training.reading import Batch
from codixr.training.recipes import RECIPES
from codixr.training.stage_config import StageConfig
from codixr.training.stages import build

FIRST = {"steps": "1", "batch": "4", "tracker": "none", "validate_every": "0", "refine_steps": "0"}
STAGES = ("image-vae", "prompt-encoders", "image-ldm-F")
"""Pictures, pictures with reports, and cached latents: the three ways of reading."""
UNTIMED = 5
"""First steps, in which kernels are chosen and compiled."""


def main() -> None:
    """Measure, and print a line a stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="small", choices=tuple(RECIPES))
    parser.add_argument("--studies", type=int, default=512, help="simulated ones (default 512)")
    parser.add_argument("--steps", type=int, default=60, help="timed, each way (default 60)")
    parser.add_argument("--batch", type=int, help="studies a step (default: the recipe's)")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile")
    parser.add_argument("--minutes", type=float, default=5.5, help="begin no stage after these")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        for stage in STAGES[:2]:  # what the third stage's cache is made with
            train(Request(stage, options.preset, "phantom", run, settings=FIRST,
                          limit=options.studies))  # fmt: skip
        side = presets.named(options.preset).image_size
        data = open_training_data("phantom", side, options.studies)
        folder = TrainingFolder(run, options.preset, "phantom", data, side)
        print(f"torch {torch.__version__}, {hardware(folder.state.device)}, {options.preset}")
        for stage in STAGES:
            if time.monotonic() - began > 60 * options.minutes:
                print(f"{stage}: no time left")
                continue
            print(line(folder, stage, options, Path(scratch) / stage), flush=True)


def line(folder: TrainingFolder, name: str, options: argparse.Namespace, scratch: Path) -> str:
    """One stage, measured."""
    device, recipe = folder.state.device, RECIPES[options.preset][name]
    on_gpu = device.type == "cuda"
    config = replace(
        recipe,
        batch=min(options.batch or recipe.batch, options.studies),
        steps=options.steps + UNTIMED,
        refine_steps=0,
        validate_every=0,
        save_every=1e9,
        tracker="none",
        precision="bf16" if on_gpu else "no",
        compile=not options.no_compile,
    )
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    own, again = (
        seconds_a_step(folder, name, config, scratch / way, repeats=way == "again")
        for way in ("own", "again")
    )
    found = sizes(folder.preset, name)
    rate = found.work * config.batch / again / 1e12
    text = (
        f"{name:16} {config.batch / own:9,.1f} studies/s ({rate:.3g} TFLOP/s), waits for data "
        f"{max(0.0, 1 - again / own):.1%}"
    )
    if on_gpu:
        peak = torch.cuda.max_memory_allocated(device) / plan.GB
        total = torch.cuda.get_device_properties(device).total_memory / plan.GB
        planned = plan.plan(name, found, config, plan.Machine(gpus=1, memory_gb=total))
        text += f", peak {peak:.1f} GB (plan {planned.total / plan.GB:.1f})"
    return text


def seconds_a_step(
    folder: TrainingFolder, name: str, config: StageConfig, scratch: Path, *, repeats: bool
) -> float:
    """By the clock, after the first steps; ``repeats``: the first batch stands for all."""
    stage = build(folder, name, config)
    engine = Engine(stage, config, scratch, make_accelerator(config, scratch))
    device = engine.accelerator.device
    read, step, begun = engine.feed.training, engine._train_step, [0.0]

    def first_again(at: int) -> Iterator[tuple[Part, Batch]]:
        own = read(at)
        one = next(own)
        own.close()
        for part in engine.feed._parts(at):
            yield part, one[1]

    def timed(module: Any, batches: Any) -> None:
        if engine.step == UNTIMED:
            begun[0] = now(device)
        step(module, batches)

    if repeats:
        engine.feed.training = first_again  # type: ignore[method-assign,assignment]
    engine._train_step = timed  # type: ignore[method-assign]
    engine._save = lambda *, best: ended.append(now(device))  # type: ignore[method-assign]
    ended: list[float] = []
    engine.run()
    folder.reload()
    return (ended[-1] - begun[0]) / (config.total_steps - UNTIMED)


def now(device: torch.device) -> float:
    """The clock, once the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


if __name__ == "__main__":
    main()
