"""The finished model as one folder: float16 weights, and a card that says how it was trained."""

import shutil
from pathlib import Path

import torch

from codixr.model import components, pretrained
from codixr.model.card import CARD
from codixr.model.familiarity import Familiarity
from codixr.model.tokenizer import load_tokenizers
from codixr.training.folder import TrainingFolder
from codixr.training.recipes import STAGES


def export(folder: TrainingFolder, to: Path) -> Path:
    """Write the finished model as float16, with a card that says how it was trained."""
    modules = {
        name: components.load_component(folder.preset, name, folder.out)
        for name in components.BUILDERS
    }
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    size = sum(p.numel() for m in modules.values() for p in m.parameters()) / 1e6
    (to / CARD).write_text(card(folder, size), encoding="utf-8")
    # Read anew: a tokenizer that was used saves other bits, as it keeps how it padded.
    tokenizers = load_tokenizers(folder.preset.tokenizers, folder.out)
    pretrained.save(folder.preset, modules, tokenizers, to, torch.float16)
    if (familiarity := Familiarity.load(folder.out)) is not None:
        familiarity.save(to)
    return to


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
    return f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# CoDi_XR, preset `{folder.preset.name}`

{millions:,.1f} M parameters, {size}x{size} pictures. Trained by

    codixr train all --preset {folder.preset.name} --data {folder.data} --out DIR

in {hours:.1f} hours:

| stage | steps x batch | processes x hardware | hours | CPU hours of the first process | seed |
|---|---|---|---|---|---|
{table}

Not a medical device.
"""
