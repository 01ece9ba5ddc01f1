"""``model_index.json``: what a folder holds, as diffusers' pipelines name their parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr.model import components
from codixr.model.presets import Preset
from codixr.model.schedulers import make_scheduler
from codixr.model.tokenizer import Tokenizers

SCHEDULER = "scheduler"


def save_index(preset: Preset, tokenizers: Tokenizers, folder: Path, scheduler: Any = None) -> None:
    """Write the scheduler, None for the preset's, and last of all the index, diffusers' parts too.

    OSError where it cannot be written.
    """
    scheduler = scheduler or make_scheduler(preset.diffusion, preset.diffusion.steps)
    scheduler.save_pretrained(folder / SCHEDULER)
    components.save_preset(preset, folder, index_parts(tokenizers, scheduler))


def index_parts(tokenizers: Tokenizers, scheduler: Any) -> dict[str, Sequence[str | None]]:
    """Each component's library and class, as the index of a diffusers' pipeline names them."""
    from codixr.model import library

    parts: dict[str, Sequence[str | None]] = {
        name: (library.MODULE, kind) for name, kind in library.NAMES.items()
    }
    for name in ("prompt", "report_encoder", "report_decoder"):
        own = getattr(tokenizers, name)
        again = name != "prompt" and own is tokenizers.prompt
        entry = (None, None) if again else ("transformers", type(own).__name__)
        parts["tokenizer" if name == "prompt" else f"{name}_tokenizer"] = entry
    return parts | {"scheduler": ("diffusers", type(scheduler).__name__)}
