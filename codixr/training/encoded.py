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
from codixr.training.contrastive import augment
from codixr.training.data import TrainingStudies
from codixr.training.draw import Draw
from codixr.training.folder import TrainingFolder

LOOK_NOISE, LOOK_SHIFT = 0.04, 32
"""Of a picture's other looks: up to so much noise, and a shift of up to one part in so many."""
PARTS = 8
"""A chunk's wordings are encoded in so many parts, the short ones together: less padding."""


def _chunk(folder: TrainingFolder) -> int:
    """Studies that a frozen encoder sees at once."""
    return 256 if folder.preset.image_size <= 64 else 32


def prompts(
    folder: TrainingFolder,
    modality: Modality,
    split: Split,
    stage: str,
    *,
    wordings: int = 0,
    looks: int = 0,
) -> NDArray[np.float32]:
    """Unit prompt vectors of every study, [n, D], computed once.

    With ``wordings`` of T, those of its report and of so many other wordings, [n, 1 + wordings, D];
    with ``looks`` of a view, those of its picture and of so many noisy, shifted ones.
    """
    if modality is Modality.T and wordings:
        return _reworded(folder, split, stage, wordings)
    if modality.is_image and looks:
        return _looked_at(folder, modality, split, stage, looks)
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


def _looked_at(
    folder: TrainingFolder, view: Modality, split: Split, stage: str, looks: int
) -> NDArray[np.float32]:
    encoder = folder.component("prompt_encoder", stage)
    studies, device = folder.studies(split), folder.state.device
    shift = max(1, folder.preset.image_size // LOOK_SHIFT)
    depends = {"weights": encoder.sha256, "data": studies.fingerprint, "looks": looks}

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        own = studies.images(view, rows).to(device)
        seen = [own]
        for k in range(looks):
            draw = Draw(rows.start, k, len(own), device=device)
            seen.append(augment(own, draw, LOOK_NOISE, shift))
        return torch.stack([encoder.module.encode_image(some).cpu() for some in seen], 1)

    return _table(folder, f"looks-{view}-{split}", view, studies, depends, compute)


def by_length(mask: Tensor, parts: int) -> Iterator[tuple[Tensor, int]]:
    """The rows of texts with ``mask`` int64 [B, N] in so many parts, the short ones together.

    Of each part its row numbers [b] and the tokens of its longest text: what is behind is padding.
    """
    for part in mask.sum(1).argsort().chunk(parts):
        yield part, int(mask[part].sum(1).max())


def latents(
    folder: TrainingFolder, modality: Modality, split: Split, stage: str, *, rewritings: int = 0
) -> NDArray[np.float32]:
    """Normalised posterior mean and std of every study's latent, [n, 2, ...].

    With ``rewritings`` of T, those of its report and of so many more, [n, 1 + rewritings, 2, D].
    """
    if modality is Modality.T and rewritings:
        return _rewritten(folder, split, stage, rewritings)
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


def _rewritten(
    folder: TrainingFolder, split: Split, stage: str, rewritings: int
) -> NDArray[np.float32]:
    studies, device = folder.studies(split), folder.state.device
    vae = folder.component("report_vae", stage)
    depends = {
        "weights": vae.sha256,
        "data": studies.fingerprint,
        "tokens": _tensor_hash(folder.tokens("report_encoder", split)[0]),
        "rewritings": rewritings,
    }

    @torch.no_grad()
    def compute(rows: slice) -> Tensor:
        own = range(rows.start, rows.stop)
        others = iter(studies.rewritings(own, rewritings))
        texts = [t for i in own for t in (studies.reports[i], *islice(others, rewritings))]
        ids, mask = folder.encoded("report_encoder", texts)
        mean, logvar = vae.module.posterior(ids.to(device), mask.to(device))
        moments = torch.stack([mean, (0.5 * logvar).exp()], 1) * vae.module.latent_scale
        return moments.unflatten(0, (len(own), 1 + rewritings))

    return _table(folder, f"rewritings-{split}", Modality.T, studies, depends, compute)


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
