"""What a folder's frozen encoders make of its studies: prompt vectors and latents, cached."""

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codixr.data.study import Split
from codixr.modality import Modality
from codixr.model.tokenizer import encode
from codixr.training.cache import frozen_table
from codixr.training.data import TrainingStudies
from codixr.training.folder import TrainingFolder

PARTS = 8
"""A chunk's wordings are encoded in so many parts, the short ones together: less padding."""


def _chunk(folder: TrainingFolder) -> int:
    """Studies that a frozen encoder sees at once."""
    return 256 if folder.preset.image_size <= 64 else 32


def prompts(
    folder: TrainingFolder, modality: Modality, split: Split, stage: str, *, wordings: int = 0
) -> NDArray[np.float32]:
    """Unit prompt vectors of every study, [n, D], computed once.

    With ``wordings``, those of its report and of so many other wordings, [n, 1 + wordings, D].
    """
    if wordings:
        return _reworded(folder, split, stage, wordings)
    encoder = folder.component("prompt_encoder", stage)
    studies, device = folder.studies(split), folder.state.device
    depends = {"weights": encoder.sha256, "data": studies.fingerprint}
    if modality is Modality.T:
        ids, mask = folder.tokens("prompt", split)
        depends["tokens"] = _tensor_hash(ids)

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        if modality is Modality.T:
            return encoder.module.encode_text(ids[rows].to(device), mask[rows].to(device))
        return encoder.module.encode_image(studies.images(modality, rows).to(device))

    return _table(folder, f"prompt-{modality}-{split}", modality, studies, depends, compute)


def _reworded(
    folder: TrainingFolder, split: Split, stage: str, wordings: int
) -> NDArray[np.float32]:
    encoder = folder.component("prompt_encoder", stage)
    studies, device = folder.studies(split), folder.state.device
    depends = {
        "weights": encoder.sha256,
        "data": studies.fingerprint,
        "tokens": _tensor_hash(folder.tokens("prompt", split)[0]),
        "wordings": wordings,
    }

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        own = range(rows.start, rows.stop)
        others = iter(studies.rewordings(own, wordings))
        texts = [t for i in own for t in (studies.reports[i], *islice(others, wordings))]
        ids, mask = folder.encoded("prompt", texts)
        vectors = torch.empty(len(ids), folder.preset.prompt.embed_dim)
        for part, width in by_length(mask, PARTS):
            some = ids[part, :width].to(device), mask[part, :width].to(device)
            vectors[part] = encoder.module.encode_text(*some).cpu()
        return vectors.unflatten(0, (len(own), 1 + wordings))

    return _table(folder, f"wordings-{split}", Modality.T, studies, depends, compute)


def by_length(mask: Tensor, parts: int) -> Iterator[tuple[Tensor, int]]:
    """The rows of texts with ``mask`` int64 [B, N] in so many parts, the short ones together.

    Of each part its row numbers [b] and the tokens of its longest text: what is behind is padding.
    """
    for part in mask.sum(1).argsort().chunk(parts):
        yield part, int(mask[part].sum(1).max())


def latents(
    folder: TrainingFolder, modality: Modality, split: Split, stage: str
) -> NDArray[np.float32]:
    """Normalised posterior mean and std of every study's latent, [n, 2, ...]."""
    studies, device = folder.studies(split), folder.state.device
    name = "image_vae" if modality.is_image else "report_vae"
    vae = folder.component(name, stage)
    depends = {"weights": vae.sha256, "data": studies.fingerprint}
    if modality is Modality.T:
        ids, mask = folder.tokens("report_encoder", split)
        depends["tokens"] = _tensor_hash(ids)
    else:
        depends["preset"] = str(folder.preset.image_vae)

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        if modality is Modality.T:
            mean, logvar = vae.module.posterior(ids[rows].to(device), mask[rows].to(device))
            scale = vae.module.latent_scale
            return torch.stack([mean, (0.5 * logvar).exp()], 1) * scale
        mean, logvar = vae.module.posterior(studies.images(modality, rows).to(device))
        shift, scale = vae.module.statistics(mean)
        return torch.stack([(mean - shift) / scale, (0.5 * logvar).exp() / scale], 1)

    return _table(folder, f"latent-{modality}-{split}", modality, studies, depends, compute)


def _table(
    folder: TrainingFolder,
    name: str,
    modality: Modality,
    studies: TrainingStudies,
    depends: dict[str, Any],
    compute: Any,
) -> NDArray[np.float32]:
    return frozen_table(
        folder.out / "cache",
        name,
        depends,
        len(studies),
        _chunk(folder),
        compute,
        folder.disk,
        before=lambda: studies.decode_together(modality) if modality.is_image else None,
    )


@torch.no_grad()
def null(folder: TrainingFolder, modality: Modality, stage: str) -> Tensor:
    """The unconditional vector [D] of one kind of prompt: empty text, or an all-zero image."""
    encoder, device = folder.component("prompt_encoder", stage).module, folder.state.device
    if modality is Modality.T:
        ids, mask = encode(folder.tokenizers.prompt, [""], folder.preset.prompt.max_tokens)
        return encoder.encode_text(ids.to(device), mask.to(device))[0].cpu()
    size = folder.preset.image_size
    return encoder.encode_image(torch.zeros(1, 1, size, size, device=device))[0].cpu()


def _tensor_hash(tensor: Tensor) -> str:
    """sha256 of a tensor's values."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
