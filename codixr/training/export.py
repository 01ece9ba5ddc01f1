"""The finished model as one folder: float16 weights, and a card that says how it was trained."""

import shutil
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from codixr.model import components, pretrained
from codixr.model.card import CARD
from codixr.model.familiarity import FILE
from codixr.model.tokenizer import load_tokenizers
from codixr.training.familiar import measure_familiarity, studies_with_both
from codixr.training.folder import TrainingFolder
from codixr.training.parts import WORDING, stage_words
from codixr.training.recipes import STAGES, for_other_data, recipe
from codixr.training.settings import resolved, second_phase
from codixr.training.stage_config import value_then


def export(folder: TrainingFolder, to: Path) -> Path:
    """Write the finished model as float16, with a card that says how it was trained.

    An older one stays whole until the new one is.
    """
    modules = {name: folder.load(name, "the model") for name in components.BUILDERS}
    place = to.resolve()
    new = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    size = sum(p.numel() for m in modules.values() for p in m.parameters()) / 1e6
    (new / CARD).write_text(card(folder, size), encoding="utf-8")
    # Read anew: a tokenizer that was used saves other bits, as it keeps how it padded.
    tokenizers = load_tokenizers(folder.preset.tokenizers, folder.out)
    pretrained.save(folder.preset, modules, tokenizers, new, torch.float16)
    _familiarity(folder, new)
    shutil.rmtree(place, ignore_errors=True)
    new.rename(place)
    return to


def _familiarity(folder: TrainingFolder, new: Path) -> None:
    """What the model doubts: that of ``--init`` where no stage changed what sees pictures.

    Otherwise measured anew: the towers may be older than the image VAE, or came with ``--init``.
    These stages have decoded the pictures, which all processes do together.
    """
    if folder.init is not None and not any(folder.done(stage) for stage in _SEE_PICTURES):
        if (folder.init / FILE).is_file():
            shutil.copyfile(folder.init / FILE, new / FILE)
        return
    if (familiarity := measure_familiarity(folder, studies_with_both(folder))) is not None:
        familiarity.save(new)


_SEE_PICTURES = ("image-vae", "prompt-encoders", "prompt-details")


def card(folder: TrainingFolder, millions: float) -> str:
    """The model card: what it is, and what each stage cost."""
    notes = {name: note for name in STAGES if (note := folder.done(name)) is not None}
    rows = [
        f"| {name} | {n['steps']:,} x {n['config']['batch']} | "
        f"{n['processes']} x {n.get('hardware', 'not noted')} | "
        f"{n['wall_seconds'] / 3600:.2f} | {n['cpu_seconds'] / 3600:.2f} | {n['config']['seed']} |"
        for name, n in notes.items()
    ]
    hours = sum(n["wall_seconds"] for n in notes.values()) / 3600
    table, size = "\n".join(rows), folder.preset.image_size
    studies = max((n["data"]["studies"]["train"] for n in notes.values()), default=0)
    told = settings(folder, notes)
    command = "\n    ".join(
        " \\\n        ".join(
            [f"codixr train {stage} --preset {folder.preset.name} --data {folder.data} --out DIR"]
            + (["--init CHECKPOINT"] if folder.init is not None else [])
            + [f"--set {setting}" for setting in told]
        )
        for stage in _commands(folder, list(notes))
    )
    return f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# CoDi_XR, preset `{folder.preset.name}`

{millions:,.1f} M parameters, {size}x{size} pictures. Trained on {studies:,} studies by

    {command}

in {hours:.1f} hours:

| stage | steps x batch | processes x hardware | hours | CPU hours of the first process | seed |
|---|---|---|---|---|---|
{table}

Not a medical device.
"""


def _commands(folder: TrainingFolder, done: list[str]) -> list[str]:
    """What was run: ``all``, or from ``--init`` the stages by themselves where some were left."""
    left = set(recipe(folder.preset.name)) - set(done)
    if folder.data != "phantom":
        left -= set(WORDING)
    if folder.keeps_official_vae:
        left.discard("image-vae")
    return [stage_words(stage) for stage in done] if folder.init is not None and left else ["all"]


def settings(folder: TrainingFolder, notes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """KEY=VALUE of what the stages had and the recipe does not say, as ``--set`` takes them.

    A setting that all stages with such a field have alike stands once, without a stage's name.
    """
    had: dict[str, dict[str, str]] = {}
    changed: set[tuple[str, str]] = set()
    for stage, note in notes.items():
        usual = recipe(folder.preset.name)[stage]
        if folder.data != "phantom":
            usual = for_other_data(usual)
        usual = resolved(usual, note["data"]["studies"]["train"])
        usual = replace(usual, refine_steps=second_phase(usual, note["config"]["steps"]))
        for f in fields(usual):
            value = value_then(note["config"], usual, f)
            had.setdefault(f.name, {})[stage] = _as_text(value)
            if value != getattr(usual, f.name):
                changed.add((f.name, stage))
    told = []
    for name, stages in had.items():
        here = [stage for stage in stages if (name, stage) in changed]
        if here and len(set(stages.values())) == 1:
            told.append(f"{name}={stages[here[0]]}")
        else:
            told += [f"{stage}.{name}={stages[stage]}" for stage in here]
    return told


def _as_text(value: Any) -> str:
    """A setting's value as the command line takes it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
