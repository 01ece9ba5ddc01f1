"""Training's overhead: steps of the engine against a bare loop over the same module.

``python tests/perf/training.py`` prints both in processor seconds a step, measured in turn in one
process (asked for: within 10 %), what an epoch of ``image-ldm-F`` costs with and without the caches
of frozen encoders, what a checkpoint costs, and how many studies of ``small`` two threads read in a
second, beside what a step's arithmetic takes (``--loader`` alone; no GPU is asked). Needs a folder
with ``image-vae`` and ``prompt-encoders`` (``--run DIR``); without one, both are trained for a
step, since their speed does not depend on what they have learnt.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from codixr.commands.train import Request, train
from codixr.modality import Modality
from codixr.model.presets import Preset, named
from codixr.training.data import TrainingStudies, open_training_data
from codixr.training.draw import Draw, epoch_rows
from codixr.training.engine import Engine
from codixr.training.folder import TrainingFolder
from codixr.training.latent_diffusion import LatentStage
from codixr.training.plan_sizes import sizes
from codixr.training.processes import make_accelerator
from codixr.training.reading import read_ahead
from codixr.training.recipes import RECIPES, TINY
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig
from codixr.training.stages import build

QUICK = {"steps": "1", "refine_steps": "0", "batch": "4", "tracker": "none", "validate_every": "0"}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="training folder that has both encoders")
    parser.add_argument("--limit", type=int, default=256, help="studies (default 256)")
    parser.add_argument("--steps", type=int, default=30, help="steps of each (default 30)")
    parser.add_argument("--loader", action="store_true", help="the loader's rate alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    loader()
    if options.loader:
        return
    with tempfile.TemporaryDirectory() as scratch:
        run = options.run or Path(scratch) / "run"
        for stage in ("image-vae", "prompt-encoders"):
            train(
                Request(stage=stage, preset="tiny", data="phantom", out=run, settings=QUICK,
                        limit=options.limit, threads=1)
            )  # fmt: skip
        folder = TrainingFolder(
            run, "tiny", "phantom", open_training_data("phantom", 64, options.limit), 64
        )
        measure(folder, Path(scratch), options.steps)


def measure(folder: TrainingFolder, scratch: Path, steps: int) -> None:
    """The table's lines."""
    config = replace(
        TINY["image-ldm-F"],
        steps=steps,
        refine_steps=0,
        validate_every=0,
        tracker="none",
        save_every=1e9,
    )
    began = time.process_time()
    cached = build(folder, "image-ldm-F", config)
    caching = time.process_time() - began
    engine, bare = in_turn(
        cached, build(folder, "image-ldm-F", config), config, scratch / "in-turn"
    )
    ratio = median([a / b for a, b in zip(engine, bare, strict=True)])
    step = bare_loop(build(folder, "image-ldm-F", replace(config, cache=False)), config)
    without = median([step(k) for k in range(max(3, steps // 5))])
    epoch = 8000 / config.batch
    print(f"bare loop       {median(bare):8.4f} CPU-s a step of {config.batch}, median of {steps}")
    print(f"engine          {median(engine):8.4f} CPU-s")
    print(f"engine / bare   {ratio:8.3f}, median of the steps' ratios (asked for: <= 1.10)")
    print(f"an epoch (8,000 studies) with caches    {epoch * median(engine):8.1f} CPU-s")
    print(f"an epoch (8,000 studies) without caches {epoch * without:8.1f} CPU-s")
    studies = len(folder.studies("train")) + len(folder.studies("val"))
    print(f"making or opening the caches of {studies} studies, once: {caching:.1f} CPU-s")


STUDIES, BATCHES = 1024, 40
RATES = (10, 100)
"""TFLOP/s: what a 24 GB card keeps up by docs/training.md, and an A100."""


def loader() -> None:
    """Studies a second that the stages' own reading gives, in random order, against what is needed.

    From files of ``small``'s sizes in the system's cache: decoded pictures, latents and prompt
    vectors. A device waits for the share of its time by which the loader is slower than the
    arithmetic; where it is faster, two batches a thread lie ready.
    """
    preset, recipe = named("small"), RECIPES["small"]
    order = torch.randperm(STUDIES * 8, generator=torch.Generator().manual_seed(0)) % STUDIES
    with tempfile.TemporaryDirectory() as scratch:
        for name, read in _readers(Path(scratch), preset).items():
            batch, need = recipe[name].batch, sizes(preset, name).work
            parts = order.repeat(-(-BATCHES * batch // len(order))).split(batch)[:BATCHES]
            best = 0.0
            for _ in range(3):
                began = time.perf_counter()
                for _ in read_ahead(parts, read, workers=2):
                    pass
                best = max(best, BATCHES * batch / (time.perf_counter() - began))
            line = f"{name:16} {best:9,.0f} studies/s by two threads, batches of {batch}"
            for rate in RATES:
                wanted = rate * 1e12 / need
                waits = max(0.0, 1 - best / wanted)
                line += f"; at {rate} TFLOP/s {wanted:,.0f}/s are used, waiting {waits:.0%}"
            print(line, flush=True)


def _readers(scratch: Path, preset: Preset) -> dict[str, Callable[[torch.Tensor], Any]]:
    """What each stage reads of some rows, by the stages' own code."""
    side, latent = preset.image_size, preset.latent_size
    channels = preset.image_unet["in_channels"]
    views = {m: _array(scratch / f"{m}.npy", np.uint8, side, side) for m in "FL"}
    studies = TrainingStudies(SimpleNamespace(split="train"), side, scratch)  # type: ignore[arg-type]
    studies._views = {Modality(m): array for m, array in views.items()}
    tables: Any = SimpleNamespace(
        cache=True,
        made=(Modality.F,),
        conditions=SimpleNamespace(given=(Modality.T, Modality.L)),
        latents={
            (Modality.F, "train"): _array(
                scratch / "latents.npy", np.float32, 2, channels, latent, latent
            )
        },
        prompts={
            (m, "train"): _array(scratch / f"prompt-{m}.npy", np.float32, preset.prompt.embed_dim)
            for m in (Modality.T, Modality.L)
        },
    )

    def pictures(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {m: studies.pixels(m, rows) for m in (Modality.F, Modality.L)}

    return {
        "image-vae": pictures,
        "prompt-encoders": pictures,
        "image-ldm-F": lambda rows: LatentStage.read(tables, rows, "train"),
    }


def _array(path: Path, kind: Any, *shape: int) -> Any:
    numbers = np.random.default_rng(0).integers(0, 255, (STUDIES, *shape), np.uint8)
    np.save(path, numbers.astype(kind))
    return np.load(path, mmap_mode="r")


def bare_loop(stage: Stage, config: StageConfig) -> Callable[[int], float]:
    """A step of plain torch (fetch, loss, backward, clip, AdamW) and its CPU seconds."""
    parameters = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    stage.train()

    def step(number: int) -> float:
        began = time.process_time()
        rows = epoch_rows(len(stage.rows["train"]), config.batch, number, 0)
        batch = stage.fetch(rows, "train")
        loss = stage(batch, Draw(0, number, config.batch), number)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return time.process_time() - began

    return step


def in_turn(
    stage: Any, other: Stage, config: StageConfig, folder: Path
) -> tuple[list[float], list[float]]:
    """CPU seconds of the engine's steps, everything included, and of bare ones between them."""
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    bare_step = bare_loop(other, config)
    whole: list[float] = []
    bare: list[float] = []
    step, save = engine._train_step, engine._save
    resumed = 0.0

    def timed(module: Any, batches: Any) -> None:
        nonlocal resumed
        if bare:
            whole.append(time.process_time() - resumed)
        bare.append(bare_step(len(bare)))
        resumed = time.process_time()
        step(module, batches)

    def saved(*, best: bool) -> None:
        whole.append(time.process_time() - resumed)
        began, began_cpu = time.monotonic(), time.process_time()
        save(best=best)
        took, cpu = time.monotonic() - began, time.process_time() - began_cpu
        size = sum(path.stat().st_size for path in engine.checkpoints.paths()) / 1e6
        print(f"a checkpoint    {took:8.2f} s ({cpu:.2f} CPU-s), {size:.0f} MB")

    engine._train_step, engine._save = timed, saved  # type: ignore[method-assign]
    engine.run()
    return whole, bare


if __name__ == "__main__":
    main()
