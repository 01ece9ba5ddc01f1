"""The model card of a checkpoint, as the hubs read them."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from codixr.atomic import write_atomically
from codixr.model.presets import Preset

CARD = "README.md"


def write_card(preset: Preset, modules: Mapping[str, nn.Module], folder: Path) -> None:
    """Write a model card as the hubs read them; one that is there is kept."""
    path = folder / CARD
    if path.exists():
        return
    total = sum(p.numel() for m in modules.values() for p in m.parameters()) / 1e6
    text = f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# A CoDi_XR checkpoint

Preset `{preset.name}`: {total:,.1f} M parameters, {preset.image_size}×{preset.image_size} pictures.
Frontal chest X-rays, lateral ones and reports from any of the others. Say here what it was trained
on, under which licence, and what was measured. Not a medical device.

```python
from codixr.model.pipeline import CoDiXRPipeline

pipe = CoDiXRPipeline.from_pretrained("this folder")
result = pipe(inputs={{"T": "Large left pleural effusion."}}, outputs="F+L")
```
"""
    write_atomically(path, text.encode())
