"""The studies a stage trains on, as arrays, and what frozen parts make of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codixr.data.phantom.dataset import PhantomDataset
from codixr.modality import Modality
from codixr.model.image_vae import ImageVAE
from codixr.model.prompt_encoder import PromptEncoder
from codixr.model.tokenizer import encode, word_tokenizer


class TrainingStudies:
    """One split of the phantom track, read by rows."""

    def __init__(self, split: str = "train", limit: int | None = None) -> None:
        self.dataset = PhantomDataset(split, limit=limit)  # type: ignore[arg-type]
        self.reports = self.dataset.reports()

    def __len__(self) -> int:
        return len(self.dataset)

    def images(self, view: Modality, rows: Tensor | slice) -> Tensor:
        """Pictures [B, 1, H, W], float32 in [0, 1]."""
        pixels: NDArray[np.uint8] = self.dataset.images(view)[
            rows.numpy() if isinstance(rows, Tensor) else rows
        ]
        return torch.from_numpy(pixels.astype(np.float32) / 255.0)[:, None]


def frozen(path: Path, compute: Callable[[], Tensor]) -> Tensor:
    """A cached result of frozen weights: ``compute()`` once, then ``path`` (numpy) is read."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npy")
        np.save(temporary, compute().numpy())
        temporary.replace(path)
    return torch.from_numpy(np.load(path))


@torch.no_grad()
def prompt_vectors(
    encoder: PromptEncoder, studies: TrainingStudies, modality: Modality, max_tokens: int
) -> Tensor:
    """Unit vectors [n, D] of every study's ``modality``."""
    encoder.eval()
    n, step = len(studies), 250
    parts = []
    if modality is Modality.T:
        tokenizer = word_tokenizer(PhantomDataset("train").reports())
        for start in range(0, n, step):
            ids, mask = encode(tokenizer, studies.reports[start : start + step], max_tokens)
            parts.append(encoder.encode_text(ids, mask))
    else:
        for start in range(0, n, step):
            parts.append(encoder.encode_image(studies.images(modality, slice(start, start + step))))
    return torch.cat(parts)


@torch.no_grad()
def image_posteriors(vae: ImageVAE, studies: TrainingStudies, view: Modality) -> Tensor:
    """Normalised posterior mean and std of every picture's latent, stacked: [n, 2, c, h, w]."""
    vae.eval()
    parts = []
    for start in range(0, len(studies), 250):
        mean, logvar = vae.posterior(studies.images(view, slice(start, start + 250)))
        shift, scale = vae.statistics(mean)
        parts.append(torch.stack([(mean - shift) / scale, (0.5 * logvar).exp() / scale], 1))
    return torch.cat(parts)
