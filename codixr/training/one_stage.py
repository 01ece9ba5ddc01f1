"""One stage of a training place, from its newest checkpoint to its weights and ``done.json``."""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.messages import say
from codixr.model import components
from codixr.progress import duration
from codixr.training.cache import hash_weights
from codixr.training.engine import Engine
from codixr.training.folder import TrainingFolder
from codixr.training.previews import write_preview
from codixr.training.processes import make_accelerator
from codixr.training.stage import Stage
from codixr.training.stage_config import StageConfig, contradiction
from codixr.training.stages import build
from codixr.training.stopping import Stop


def run_stage(
    folder: TrainingFolder,
    name: str,
    config: StageConfig,
    *,
    preview: bool = False,
    stop: Stop | None = None,
) -> None:
    """Train one stage unless it is finished; writes its config, its weights and ``done.json``.

    Stopped when ``stop`` asks for it: the same call goes on.
    """
    place = folder.stage_folder(name)
    if (done := folder.done(name)) is not None:
        _check_finished(folder, name, config, done)
        say(
            "codixr train",
            f"{name}: finished already ({done['steps']} steps); remove {place} to train it again",
        )
        return
    accelerator = make_accelerator(config, folder.out / "logs")
    stage = build(folder, name, config)
    config = stage.config
    if folder.disk.writes:
        folder.write(f"stages/{name}/config.json", {"stage": name, **asdict(config)})
    usable = {split: len(rows) for split, rows in stage.rows.items()}
    say(
        "codixr train",
        f"{name}: {config.total_steps} steps of {config.batch} studies; usable: {usable}",
    )
    samples = folder.out / "samples"

    def look(step: int) -> None:
        if preview and folder.disk.writes:
            write_preview(stage, samples, step)

    engine = Engine(stage, config, place, accelerator, stop)
    outcome = engine.run(look)
    if engine.sharded:
        stage = whole_stage(folder, name, config, engine.average.whole())
    if folder.disk.writes:
        stage.finish()
        look(config.total_steps)
        folder.finish(
            name,
            {
                **asdict(outcome),
                "stage": name,
                "config": asdict(config),
                "inputs": stage.inputs,
                "replaces": stage.replaces,
                "makes": {
                    part: hash_weights(components.load_component(folder.preset, part, folder.out))
                    for part in stage.replaces
                },
                "data": {"name": folder.data, "studies": usable},
                "hardware": hardware(folder.state.device),
                "versions": _versions(),
                "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )
    folder.state.wait_for_everyone()
    folder.reload()
    say(
        "codixr train",
        f"{name}: done in {duration(outcome.wall_seconds)}, {outcome.cpu_seconds:.0f} CPU-s",
    )


def whole_stage(
    folder: TrainingFolder, name: str, config: StageConfig, weights: Mapping[str, Tensor]
) -> Stage:
    """A stage anew, unsharded, with weights that were learnt in shards."""
    folder.reload()
    stage = build(folder, name, config)
    stage.load_state_dict(weights, strict=False)
    return stage.to(folder.state.device).eval()


def check_numbers(folder: TrainingFolder, stages: Mapping[str, StageConfig]) -> None:
    """InputError where any finished stage has other numbers than the command says.

    Before the first stage runs: one that came new before a finished one would change the folder.
    """
    for name, config in stages.items():
        if (done := folder.done(name)) is not None:
            _check_numbers(folder, name, config, done)


def _check_finished(
    folder: TrainingFolder, name: str, config: StageConfig, done: dict[str, Any]
) -> None:
    """InputError where a finished stage is not what the command asks for."""
    _check_numbers(folder, name, config, done)
    for part, before in done["inputs"].items():
        if part.startswith("denoiser"):
            continue
        now = folder.component(part, name).sha256
        if before not in (now, *folder.replaced(part, by=now)):
            raise InputError(
                f"{name} was trained with another {part} than the present one: remove "
                f"{folder.stage_folder(name)} to train it again"
            )


def _check_numbers(
    folder: TrainingFolder, name: str, config: StageConfig, done: dict[str, Any]
) -> None:
    saved = {k: v for k, v in done["config"].items() if k != "steps" or config.steps is not None}
    if found := contradiction(name, saved, config):
        raise InputError(
            f"{name} is finished, with {found.name} {found.before}, and the command says "
            f"{found.now}: go on with {found.cure}, or remove {folder.stage_folder(name)} to train "
            "it again"
        )


def hardware(device: torch.device) -> str:
    """A process's device in words: the card's name, or the processors."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} cores, {platform.machine()}"


def _versions() -> dict[str, str]:
    names = ("codixr", "torch", "accelerate", "diffusers", "transformers", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
