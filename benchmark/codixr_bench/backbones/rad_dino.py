"""Distances in RAD-DINO's features, the field's space for chest X-rays: the pooled class token.

RAD-DINO (Pérez-García et al., 2025; https://huggingface.co/microsoft/rad-dino) is a folder of
transformers: network, configuration and picture processor are its own, and no code in it is run.
Two ways to it:

- ``rad-dino``: the picture at 8 bits, grey repeated to three channels, to the folder's processor.
- ``rad-dino-cgb``: as CheXGenBench does (Raman1121/CheXGenBench, ``metrics/fid.py``): squashed to
  299 x 299 before it, bilinear, scaled to [0, 1] and back, and cut off to 8 bits, not rounded.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from codixr.errors import InputError
from codixr_bench.backbones.backbone import Features, Images, eight_bits
from codixr_bench.backbones.lock import assets, folder_of, matches
from codixr_bench.backbones.pass_cache import SeenBatches
from codixr_bench.backbones.placement import device, in_passes, placed
from codixr_bench.backbones.weights import WrongWeightsError, sha256_of

NAME, AS_CHEXGENBENCH = "rad-dino", "rad-dino-cgb"
_WEIGHTS, _SETTINGS = "model.safetensors", ("config.json", "preprocessor_config.json")
_BATCH = 16
_SQUASHED = (299, 299)


class RadDinoBackbone:
    """Turns grey pictures into RAD-DINO's pooled class token.

    Args:
        folder: of transformers, with ``model.safetensors`` and both configurations.
        name: ``NAME`` or ``AS_CHEXGENBENCH``.
        allow_unpinned: whether the weights may be others than the published ones.

    Raises InputError for a folder that is none or that transformers cannot open, and
    WrongWeightsError for other weights.
    """

    keeps = True
    least_n = 2048

    def __init__(self, folder: Path, name: str = NAME, *, allow_unpinned: bool = False) -> None:
        self.name = name.replace("-", "_")
        self._squashed = name == AS_CHEXGENBENCH
        mark = _mark(folder, allow_unpinned=allow_unpinned)
        self.network, self._processor = _open(folder)
        settings = b"".join((folder / one).read_bytes() for one in _SETTINGS)
        self.signature = (
            f"{name}|weights:{mark}|settings:{hashlib.sha256(settings).hexdigest()[:8]}|"
            f"processor:{type(self._processor).__name__}|"
            f"in:{'squash299-cut' if self._squashed else 'gray-8bit'}"
        )
        self._seen: SeenBatches[Features] = SeenBatches()

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> float32 [B, d]; InputError for another range."""
        return self._seen.get(images, self._forward)

    def _forward(self, images: Images) -> Features:
        return np.concatenate(in_passes(eight_bits(images, self.name)[:, 0], self._pass, _BATCH))

    def _pass(self, grey: np.ndarray) -> Features:
        pictures = squashed(grey) if self._squashed else torch.from_numpy(grey)[:, None]
        given = self._processor(images=pictures.expand(-1, 3, -1, -1), return_tensors="pt")
        found = placed(self.network)(**given.to(device())).pooler_output
        features: Features = found.float().cpu().numpy()
        return features


def squashed(levels: np.ndarray) -> Tensor:
    """uint8 [B, H, W] -> uint8 [B, 1, 299, 299], as CheXGenBench's loader makes them."""
    pictures = [
        functional.to_tensor(functional.resize(Image.fromarray(one), list(_SQUASHED)))
        for one in levels
    ]
    return (torch.stack(pictures) * 255).to(torch.uint8)


def find_folder(given: Path | None) -> Path:
    """The folder of RAD-DINO: the one that is given, or the cache's.

    Raises InputError where it is not there: the message says how to get it.
    """
    folder = given if given is not None else folder_of(assets()[NAME])
    missing = [name for name in (_WEIGHTS, *_SETTINGS) if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"RAD-DINO's folder '{folder}' has no '{missing[0]}': get it by `codixr-bench fetch "
            f"{NAME}`, or give a folder with --weights {NAME}=FOLDER"
        )
    return folder


def _mark(folder: Path, *, allow_unpinned: bool) -> str:
    """The first digits of the weights' sha256, and whether they are others than the published."""
    (file,) = (one for one in assets()[NAME].files if one.path == _WEIGHTS)
    found = sha256_of(folder / _WEIGHTS)
    if matches(found, file.sha256):
        return found[:8]
    if not allow_unpinned:
        raise WrongWeightsError(
            f"'{folder / _WEIGHTS}' is not the published file of RAD-DINO: its sha256 is {found}, "
            f"not {file.sha256}; delete it and fetch it again, or give it with --weights "
            f"{NAME}=FOLDER --allow-unpinned to use it anyway"
        )
    return f"{found[:8]}(unpinned)"


def _open(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, Dinov2Model

    safely = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = Dinov2Model.from_pretrained(folder, use_safetensors=True, **safely)
        processor = AutoImageProcessor.from_pretrained(folder, **safely)
    except Exception as error:  # whatever is wrong with a folder of somebody's files
        lines = str(error).strip().splitlines()
        raise InputError(
            f"'{folder}' cannot be opened as RAD-DINO: {lines[0] if lines else error!r}"
        ) from error
    return model.eval(), processor
