"""Training's overhead: steps of the engine against a bare loop over the same module.

``python tests/perf/training.py`` prints both in processor seconds a step, their ratio (asked for:
within 10 %), and what an epoch of ``image-ldm-F`` costs with and without the caches of frozen
encoders. Needs a folder with ``image-vae`` and ``prompt-encoders`` (``--run DIR``); without one,
both are trained for a step, since their speed does not depend on what they have learnt.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from codixr.train import Request, train
from codixr.training.configs import TINY, StageConfig
from codixr.training.data import open_training_data
from codixr.training.draw import Draw, epoch_rows
from codixr.training.engine import Engine, make_accelerator
from codixr.training.stages import Stage, build
from codixr.training.workshop import Workshop

STEPS = 40
QUICK = {"steps": "1", "batch": "4", "tracker": "none", "validate_every": "0"}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="training folder that has both encoders")
    parser.add_argument("--limit", type=int, default=256, help="studies (default 256)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        run = options.run or Path(scratch) / "run"
        for stage in ("image-vae", "prompt-encoders"):
            train(
                Request(stage=stage, preset="tiny", data="phantom", out=run, settings=QUICK,
                        limit=options.limit, threads=1)
            )  # fmt: skip
        shop = Workshop(
            run, "tiny", "phantom", open_training_data("phantom", 64, options.limit), 64
        )
        measure(shop, Path(scratch))


def measure(shop: Workshop, scratch: Path) -> None:
    """The table's lines."""
    config = replace(
        TINY["image-ldm-F"], steps=STEPS, validate_every=0, tracker="none", save_every=1e9
    )
    began = time.process_time()
    cached = build(shop, "image-ldm-F", config)
    caching = time.process_time() - began
    bare = bare_loop(cached, config)
    engine = engine_loop(build(shop, "image-ldm-F", config), scratch / "engine")
    uncached = build(shop, "image-ldm-F", replace(config, cache=False))
    without = bare_loop(uncached, config)
    epoch = 8000 / config.batch
    print(f"bare loop       {bare:8.4f} CPU-s a step of {config.batch}")
    print(f"engine          {engine:8.4f} CPU-s, {engine / bare:.3f} x (asked for: <= 1.10)")
    print(f"an epoch (8,000 studies) with caches    {epoch * engine:8.1f} CPU-s")
    print(f"an epoch (8,000 studies) without caches {epoch * without:8.1f} CPU-s")
    studies = len(shop.studies("train")) + len(shop.studies("val"))
    print(f"making or opening the caches of {studies} studies, once: {caching:.1f} CPU-s")


def bare_loop(stage: Stage, config: StageConfig) -> float:
    """CPU seconds a step of plain torch: fetch, loss, backward, clip, AdamW."""
    parameters = [p for p in stage.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    stage.train()
    times = []
    for step in range(STEPS // 2):
        began = time.process_time()
        rows = epoch_rows(len(stage.rows["train"]), config.batch, step, 0)
        batch = stage.fetch(rows, "train")
        loss = stage(batch, Draw(0, step, config.batch), step)["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        times.append(time.process_time() - began)
    return sorted(times)[len(times) // 2]


def engine_loop(stage: Any, folder: Path) -> float:
    """CPU seconds a step of the engine, everything included, the median."""
    engine = Engine(stage, stage.config, folder, make_accelerator(stage.config, folder))
    times: list[float] = []
    step = engine._train_step
    last = time.process_time()

    def timed(module: Any) -> dict[str, float]:
        nonlocal last
        now = time.process_time()
        times.append(now - last)
        last = now
        return step(module)

    engine._train_step = timed  # type: ignore[method-assign]
    engine.run()
    return sorted(times[1:])[len(times[1:]) // 2]


if __name__ == "__main__":
    main()
