"""``model_index.json``: what a folder holds, as diffusers' pipelines name their parts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr.atomic import write_atomically
from codixr.model import components, library
from codixr.model.presets import Preset
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import Tokenizers

SCHEDULER = "scheduler"


def save_index(preset: Preset, tokenizers: Tokenizers, folder: Path, scheduler: Any = None) -> None:
    """Write the scheduler, None for the preset's, and last of all the index, diffusers' parts too.

    OSError where it cannot be written.
    """
    scheduler = scheduler or make_scheduler(preset.diffusion, preset.diffusion.steps)
    save_scheduler(scheduler, folder / SCHEDULER)
    components.save_preset(preset, folder, index_parts(tokenizers, scheduler))


def save_scheduler(scheduler: Any, folder: Path) -> None:
    """As diffusers does, but for what is its class' default, which another class has otherwise.

    Diffusers forgets on disk which values nobody chose: of a scheduler that was read from there and
    is swapped for another, that one would take the first one's spacing.
    """
    scheduler.save_pretrained(folder)
    path = folder / "scheduler_config.json"
    plain = json.loads(path.read_text())
    for name in scheduler.config.get("_use_default_values", ()):
        plain.pop(name, None)
    write_atomically(path, (json.dumps(plain, indent=2, sort_keys=True) + "\n").encode())


def index_parts(tokenizers: Tokenizers, scheduler: Any) -> dict[str, Sequence[str | None]]:
    """Each component's library and class, as the index of a diffusers' pipeline names them."""
    parts: dict[str, Sequence[str | None]] = {
        name: (library.PARTS, kind) for name, kind in library.NAMES.items()
    }
    for name in ("prompt", "report_encoder", "report_decoder"):
        own = getattr(tokenizers, name)
        again = name != "prompt" and own is tokenizers.prompt
        entry = (None, None) if again else ("transformers", type(own).__name__)
        parts["tokenizer" if name == "prompt" else f"{name}_tokenizer"] = entry
    return parts | {"scheduler": ("diffusers", type(scheduler).__name__)}
