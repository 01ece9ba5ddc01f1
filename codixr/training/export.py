"""The finished model as one folder: float16 weights, and a card that says how it was trained."""

import shutil
from pathlib import Path

import torch

from codixr.model import components, pretrained
from codixr.model.card import CARD
from codixr.model.familiarity import FILE, Familiarity
from codixr.model.tokenizer import load_tokenizers
from codixr.training.familiar import measure_familiarity, studies_with_both
from codixr.training.folder import TrainingFolder
from codixr.training.model_card import card


def export(folder: TrainingFolder, to: Path) -> Path:
    """Write the finished model as float16, with a card that says how it was trained.

    An older model stays whole until the new one is.
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
        if Familiarity.load(folder.init) is not None:
            shutil.copyfile(folder.init / FILE, new / FILE)
        return
    if (familiarity := measure_familiarity(folder, studies_with_both(folder))) is not None:
        familiarity.save(new)


_SEE_PICTURES = ("image-vae", "prompt-encoders", "prompt-details")
