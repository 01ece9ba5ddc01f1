"""What a folder's training pictures are like to its encoders, for the checkpoint's warnings."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from codixr.data.study import Split
from codixr.modality import Modality
from codixr.model.familiarity import Familiarity, autoencoder_errors
from codixr.training.folder import TrainingFolder

F, L = Modality.F, Modality.L
SPLITS: tuple[Split, ...] = ("train", "val")
MOST = 2000
"""Studies of a split that are looked at."""
PART = 128


def studies_with_both(folder: TrainingFolder) -> dict[Split, Tensor]:
    """Rows of each split's studies with both views; none where no training study has them."""
    studies = folder.studies_or_none("train")
    if studies is None or not (studies.has(F) & studies.has(L)).any():
        return {split: torch.empty(0, dtype=torch.long) for split in SPLITS}
    return {split: folder.rows("familiarity", split, frozenset({F, L})) for split in SPLITS}


@torch.no_grad()
def measure_familiarity(
    folder: TrainingFolder, rows: Mapping[Split, Tensor], encoder: Any = None
) -> Familiarity | None:
    """Measure and write it to the folder; None without validation studies: nothing is doubted then.

    By ``encoder``, else by the folder's own. The autoencoder's error is measured where the folder
    has an image VAE.
    """
    if not len(rows["train"]) or not len(rows["val"]):
        return None
    if encoder is None:
        encoder = folder.component("prompt_encoder", "familiarity").module
    device = folder.state.device

    def vectors(split: Split, view: Modality) -> Tensor:
        parts = rows[split][:MOST].split(PART)
        pictures = (folder.studies(split).images(view, part).to(device) for part in parts)
        return torch.cat([encoder.encode_image(some).cpu() for some in pictures])

    training, held_out = ({v: vectors(split, v) for v in (F, L)} for split in SPLITS)
    errors = None
    if folder.has("image_vae"):
        vae = folder.component("image_vae", "familiarity").module
        errors = torch.cat(
            [
                autoencoder_errors(vae, folder.studies("val").images(view, part))
                for view in (F, L)
                for part in rows["val"][:MOST].split(PART)
            ]
        )
    made = Familiarity.measure(training, held_out, errors=errors)
    made.save(folder.out)
    return made
