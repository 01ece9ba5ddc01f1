"""What ``--init`` brings into a training folder: taken once, and the same ever after."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from codixr.errors import InputError
from codixr.model import components
from codixr.training.cache import hash_weights

if TYPE_CHECKING:
    from codixr.training.folder import TrainingFolder

NOTE = "training.json"
"""What a folder was begun with.

``brings``: the components that ``--init`` had then; ``weights``: those taken since, and their
hashes.
"""


def founding_note(init: Path | None) -> dict[str, Any]:
    """What the note of a new folder says of ``--init``."""
    if init is None:
        return {"init": None}
    brings = [name for name in components.BUILDERS if (init / name).is_dir()]
    return {"init": str(init.resolve()), "brings": brings}


def read_note(out: Path) -> dict[str, Any]:
    """The note of a begun folder; InputError where it is missing or damaged."""
    path = out / NOTE
    try:
        note: dict[str, Any] = json.loads(path.read_text())
        weights = note.get("weights", {})
        whole = {"data", "fingerprint", "init"} <= note.keys() and isinstance(weights, dict)
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise InputError(
            f"{path} is missing or damaged, so --out {out} can't go on: put it back, or give "
            "another --out"
        )
    return note


def check_outside(init: Path | None, out: Path) -> None:
    """InputError for an ``--init`` that is ``--out`` or its model: the training writes there."""
    if init is not None and init.resolve() in (out.resolve(), (out / "model").resolve()):
        raise InputError(f"--init {init} would be written over by --out {out}: give another --out")


def brought(folder: "TrainingFolder", name: str) -> nn.Module | None:
    """A component of ``--init``, on the CPU; None where that never had it.

    InputError where its weights are no longer those that an earlier stage of ``folder`` took: a
    model of stages that saw different ones would fit together by its shapes alone. And where they
    are gone: new ones are no cure for that.
    """
    if folder.init is None:
        return None
    if not (folder.init / name).is_dir():
        _check_never_there(folder, folder.init, name)
        return None
    module = components.load_component(folder.preset, name, folder.init)
    found = _hashes(name, module)
    note = read_note(folder.out)
    taken: dict[str, str | None] = note.setdefault("weights", {})
    if any(taken.get(part, sha256) != sha256 for part, sha256 in found.items()):
        raise InputError(
            f"--init {folder.init}: its {name} has changed since --out {folder.out} took it; put "
            "the former weights back, or give another --out"
        )
    if not found.keys() <= taken.keys() and folder.disk.writes:
        folder.write(NOTE, note | {"weights": taken | found})
    return module


def _check_never_there(folder: "TrainingFolder", init: Path, name: str) -> None:
    note = read_note(folder.out)
    whole = (init / components.INDEX).is_file()
    if name in note.get("weights", {}) or name in note.get("brings", []) or not whole:
        raise InputError(
            f"--init {init}: its {name} is gone since --out {folder.out} was begun; put it back, "
            "or give another --out"
        )


def _hashes(name: str, module: nn.Module) -> dict[str, str | None]:
    """Of a component's weights, and of the mean latent that a denoiser has beside them."""
    found: dict[str, str | None] = {name: hash_weights(module)}
    if hasattr(module, "mean_latent"):
        mean: Any = module.mean_latent
        sha256 = None if mean is None else hashlib.sha256(mean.numpy().tobytes()).hexdigest()
        found[f"{name}/mean_latent"] = sha256
    return found


def keep(module: nn.Module, place: Path) -> None:
    """Write a component whole or not at all, whatever kills the run."""
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    components.save_component(module, part)
    part.rename(place)
