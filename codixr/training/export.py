"""The finished model as one folder: float16 weights, and a card that says how it was trained."""

import shutil
from pathlib import Path

import torch

from codixr.model import components, pretrained
from codixr.model.tokenizer import load_tokenizers
from codixr.training.folder import Workshop
from codixr.training.recipes import STAGES


def export(shop: Workshop, folder: Path) -> Path:
    """Write the finished model as float16, with a card that says how it was trained."""
    modules = {
        name: components.load_component(shop.preset, name, shop.out) for name in components.BUILDERS
    }
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    size = sum(p.numel() for m in modules.values() for p in m.parameters()) / 1e6
    (folder / pretrained.CARD).write_text(card(shop, size), encoding="utf-8")
    # Read anew: a tokenizer that was used saves other bits, as it keeps how it padded.
    tokenizers = load_tokenizers(shop.preset.tokenizers, shop.out)
    pretrained.save(shop.preset, modules, tokenizers, folder, torch.float16)
    return folder


def card(shop: Workshop, millions: float) -> str:
    """The model card: what it is, and what each stage cost."""
    notes = {name: note for name in STAGES if (note := shop.done(name)) is not None}
    rows = [
        f"| {name} | {n['steps']:,} x {n['config']['batch']} | "
        f"{n['processes']} x {n.get('hardware', 'not noted')} | "
        f"{n['wall_seconds'] / 3600:.2f} | {n['cpu_seconds'] / 3600:.2f} | {n['config']['seed']} |"
        for name, n in notes.items()
    ]
    hours = sum(n["wall_seconds"] for n in notes.values()) / 3600
    table = "\n".join(rows)
    return f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# CoDi_XR, preset `{shop.preset.name}`

{millions:,.1f} M parameters, {shop.preset.image_size}x{shop.preset.image_size} pictures. Trained by

    codixr train all --preset {shop.preset.name} --data {shop.data} --out DIR

in {hours:.1f} hours:

| stage | steps x batch | processes x hardware | hours | CPU hours of the first process | seed |
|---|---|---|---|---|---|
{table}

Not a medical device.
"""
