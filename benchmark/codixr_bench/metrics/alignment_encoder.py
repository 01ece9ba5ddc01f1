"""A named encoder of pictures and texts in one space: CLIP, SigLIP and their like of transformers.

``transformers:FOLDER``, or ``transformers:ORG/NAME@REVISION`` of the hub: whatever ``AutoModel``
opens that has ``get_image_features`` and ``get_text_features``. Pictures go in at 8 bits, grey as
three colours, through the folder's own processor; texts are cut at the encoder's limit. No code of
the folder is run. Files of open_clip, as BiomedCLIP's are published, are not of this kind: convert
them first (transformers has a script for CLIP).
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.placement import device, in_passes, placed
from codixr_bench.model import Content
from codixr_bench.models.diffusers import as_rgb
from codixr_bench.models.local_folder import (
    find_folder,
    folder_sha256,
    no_questions,
    refuse_code,
)

_KIND = "transformers"
_BATCH = 16
_SAFELY = {"local_files_only": True, "trust_remote_code": False}


class AlignmentEncoder:
    """Unit vectors of pictures and of texts.

    Args:
        folder: of transformers, with weights in safetensors, tokenizer and picture processor.

    Raises InputError for a folder that is none, and for a model without both encoders.
    """

    def __init__(self, folder: Path) -> None:
        found = find_folder(_KIND, folder, "config.json", "my_clip")
        refuse_code(_KIND, found.path, {})
        self.network, self._processor, self._tokenizer = _open(found.path)
        config = self.network.config
        # SigLIP was trained on texts padded to their full length, without a mask.
        self._padding: Any = "max_length" if "siglip" in config.model_type else True
        text = getattr(config, "text_config", config)
        self._limit = min(
            int(getattr(text, "max_position_embeddings", 512)),
            int(self._tokenizer.model_max_length),
        )
        digest = folder_sha256(found.path)[:8]
        self.signature = f"{type(self.network).__name__.lower()}|weights:{digest}"

    def vectors(self, contents: Sequence[Content], modality: Modality) -> NDArray[np.float64]:
        """Pictures [1, S, S] in [0, 1], or texts -> [B, d] of length 1; a blank text is zeros."""
        if modality.is_image:
            return self._unit(contents, self._pictures)
        said = [i for i, text in enumerate(contents) if str(text).strip()]
        given = [contents[i] for i in said] or ["."]
        some = self._unit(given, self._texts)
        found = np.zeros((len(contents), some.shape[1]))
        if said:
            found[said] = some
        return found

    def _unit(self, contents: Sequence[Content], encode: Any) -> NDArray[np.float64]:
        listed = np.empty(len(contents), dtype=object)
        listed[:] = list(contents)
        rows: NDArray[np.float64] = np.concatenate(in_passes(listed, encode, _BATCH))
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

    def _pictures(self, contents: NDArray[Any]) -> NDArray[np.float64]:
        pictures = [as_rgb(content, None) for content in contents]
        given = self._processor(images=pictures, return_tensors="pt").to(device())
        return _numbers(placed(self.network).get_image_features(pixel_values=given.pixel_values))

    def _texts(self, contents: NDArray[Any]) -> NDArray[np.float64]:
        given = self._tokenizer(
            [str(text) for text in contents],
            padding=self._padding,
            truncation=True,
            max_length=self._limit,
            return_tensors="pt",
        ).to(device())
        wanted = {"input_ids": given.input_ids}
        if self._padding is True:
            wanted["attention_mask"] = given.attention_mask
        return _numbers(placed(self.network).get_text_features(**wanted))


@lru_cache(maxsize=2)
def alignment_encoder(folder: str) -> AlignmentEncoder:
    """The process's one encoder of this folder or name."""
    return AlignmentEncoder(Path(folder))


def folder_named(spec: str) -> str:
    """FOLDER of ``transformers:FOLDER``; InputError for another kind."""
    kind, colon, folder = spec.partition(":")
    if kind != _KIND or not colon or not folder:
        raise InputError(
            f"--alignment '{spec}': write transformers:FOLDER, or transformers:ORG/NAME"
        )
    return folder


def _numbers(found: Any) -> NDArray[np.float64]:
    # transformers 5 gives an output whose pooled vector is the projected one.
    tensor = getattr(found, "pooler_output", found)
    return np.asarray(tensor.double().cpu().numpy())


def _open(folder: Path) -> tuple[Any, Any, Any]:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with no_questions():
            network = AutoModel.from_pretrained(folder, use_safetensors=True, **_SAFELY)
            processor = AutoImageProcessor.from_pretrained(folder, **_SAFELY)
            tokenizer = AutoTokenizer.from_pretrained(folder, **_SAFELY)
    except Exception as error:  # whatever is wrong with a folder of somebody's files
        lines = str(error).strip().splitlines()
        raise InputError(
            f"--alignment transformers:{folder}: transformers cannot open it: "
            f"{lines[0] if lines else type(error).__name__}"
        ) from error
    if not all(hasattr(network, f"get_{kind}_features") for kind in ("image", "text")):
        raise InputError(
            f"--alignment transformers:{folder}: a {type(network).__name__} has no encoders of "
            "pictures and texts in one space, as CLIP has"
        )
    return network.float().eval(), processor, tokenizer
