"""What ``--init`` brings into a training folder: taken once, and the same ever after."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from codixr.errors import InputError
from codixr.model import components
from codixr.training.cache import hash_weights

if TYPE_CHECKING:
    from codixr.training.folder import TrainingFolder

NOTE = "training.json"
"""What a folder was begun with; ``weights``: component of ``--init`` -> hash when first used."""


def load_brought(folder: "TrainingFolder", name: str) -> nn.Module:
    """A component of ``--init``, on the CPU.

    InputError where its weights are no longer those that an earlier stage of ``folder`` took: a
    model of stages that saw different ones would fit together by its shapes alone.
    """
    assert folder.init is not None
    module = components.load_component(folder.preset, name, folder.init)
    note = json.loads((folder.out / NOTE).read_text())
    taken: dict[str, str] = note.setdefault("weights", {})
    found = hash_weights(module)
    if name not in taken and folder.disk.writes:
        taken[name] = found
        folder.write(NOTE, note)
    if taken.get(name, found) != found:
        raise InputError(
            f"--init {folder.init}: its {name} has changed since --out {folder.out} took it; put "
            "the former weights back, or give another --out"
        )
    return module


def keep(module: nn.Module, place: Path) -> None:
    """Write a component whole or not at all, whatever kills the run."""
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    components.save_component(module, part)
    part.rename(place)
