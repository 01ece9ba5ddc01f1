"""Stage 1: prompt encoders, by contrast of X-rays and reports (paper, section III-A, eq. 1).

Notable: eq. 1 prints the negative's index as i; negatives are h_A^i . h_B^j with j != i. Under
several processes the negatives are the rows of all of them, and gradients flow to all of them.
"""

from collections.abc import Mapping

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from codixr.model.across import all_rows, world_size
from codixr.model.prompt_encoder import PromptEncoder
from codixr.training.draw import Randomness

NONE = -100.0
"""A product so low that it weighs nothing; the gradient of a temperature times -inf is NaN."""


def info_nce(
    a: Tensor, b: Tensor, inverse_temperature: Tensor | float, near: Tensor | None = None
) -> Tensor:
    """CL = L_{A,B} + L_{B,A} of unit vectors [B, D]; row i of ``a`` belongs to row i of ``b``.

    This process' rows against everybody's: the mean over processes is the loss of the whole batch.
    ``near`` [B, K] are further negatives of L_{B,A}: products of a row of ``b`` with what its row
    of ``a`` nearly is, ``NONE`` where there is none.
    """
    all_a, all_b = all_rows(a), all_rows(b)
    first = dist.get_rank() * len(a) if len(all_a) > len(a) else 0
    target = torch.arange(first, first + len(a), device=a.device)
    ab = F.cross_entropy(inverse_temperature * a @ all_b.T, target)
    products = b @ all_a.T
    if near is not None:
        products = torch.cat([products, near], dim=1)
    ba = F.cross_entropy(inverse_temperature * products, target)
    return ab + ba


def known_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy [B, k], the mean over labels of 0 and 1; below 0 is unknown.

    This process' sum over its share of everybody's known labels: the mean over processes is the
    loss of the whole batch, however the unknown ones fall.
    """
    known = (labels >= 0).to(logits.dtype)
    each = F.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0).to(logits.dtype), reduction="none"
    )
    count, world = known.sum(), world_size()
    if world > 1:
        dist.all_reduce(count)
    return (each * known).sum() * world / count.clamp(min=1)


class ContrastiveLoss(nn.Module):
    """Weighted pairs of T, F and L through CLIP's two towers, the temperature learned.

    ``weights`` has a factor for each of "TF", "TL" and "FL". The paper contrasts reports and
    X-rays; an F-L pair spends the vector on the anatomy that two views share. ``label_weight``
    adds what one linear layer reads off all vectors against ``labels`` of the reports (as MedCLIP,
    Wang et al. 2022, lets labels say which pairs mean the same): contrast alone finds faint
    findings late.

    ``together`` is the paper's CL_XR: both views are one batch [2B] of X-rays, against the reports
    twice, by the factor of "TF". A report then has X-rays of both views as negatives. As
    the other view of its own study is one of them, no loss is below 2 log 2.
    """

    def __init__(
        self,
        encoder: PromptEncoder,
        weights: Mapping[str, float],
        temperature: float = 0.07,
        *,
        label_weight: float = 0.0,
        labels: int = 0,
        together: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        if together:
            weights = {"XR": weights.get("TF", 0.0), "FL": weights.get("FL", 0.0)}
        self.weights = {pair: weight for pair, weight in weights.items() if weight}
        self.log_inverse_temperature = nn.Parameter(torch.tensor(1 / temperature).log())
        self.label_weight = label_weight
        width = encoder.config.embed_dim
        self.label_head = nn.Linear(width, labels) if label_weight else None

    def forward(
        self,
        frontal: Tensor,
        lateral: Tensor,
        ids: Tensor,
        mask: Tensor,
        labels: Tensor | None = None,
        near: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of one batch: images [B, 1, H, W] in [0, 1], token ids and mask [B, N].

        ``labels`` int8 [B, k] are needed with a ``label_weight``: 1, 0, below 0 for unknown.
        ``near`` has for F and L the vectors [B, K, D] of texts that are nearly the report; one of
        zeros is none.
        """
        images = self.encoder.encode_image(torch.cat([frontal, lateral]))
        vectors = dict(zip("FL", images.chunk(2), strict=True))
        vectors["T"] = self.encoder.encode_text(ids, mask)
        scale = self.log_inverse_temperature.exp().clamp(max=100)
        losses = {
            pair: info_nce(
                vectors[pair[0]], vectors[pair[1]], scale, _products(vectors, near, pair)
            )
            for pair in self.weights
            if pair != "XR"
        }
        if "XR" in self.weights:
            losses["XR"] = info_nce(images, vectors["T"].repeat(2, 1), scale)
        total = torch.stack([self.weights[pair] * loss for pair, loss in losses.items()]).sum()
        if self.label_head is not None and labels is not None:
            prompts = torch.cat([images, vectors["T"]])
            logits = self.label_head(prompts * prompts.shape[-1] ** 0.5)
            losses["labels"] = known_cross_entropy(logits.float(), labels.repeat(3, 1))
            total = total + self.label_weight * losses["labels"]
        return {"loss": total} | {pair: loss.detach() for pair, loss in losses.items()}


def _products(
    vectors: Mapping[str, Tensor], near: Mapping[str, Tensor] | None, pair: str
) -> Tensor | None:
    """Of each picture with the texts that its report nearly is, [B, K]; ``NONE`` where none is."""
    if near is None or pair[0] != "T":
        return None
    texts = near[pair[1]]
    products = torch.einsum("bd,bkd->bk", vectors[pair[1]], texts)
    return products.masked_fill(~texts.any(-1), NONE)


def augment(images: Tensor, draw: Randomness, noise: float, shift: int) -> Tensor:
    """Random noise (up to ``noise``) and shift (up to ``shift`` pixels) of images [B, 1, H, W]."""
    strength = draw.uniform((1, 1, 1)) * noise
    noisy = images + draw.normal(images.shape[1:]) * strength
    moves = draw.integers(2 * shift + 1, (2,)) - shift
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - moves[:, :1]) % height
    columns = (torch.arange(width, device=images.device) - moves[:, 1:]) % width
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return noisy.clamp(0, 1)[each, 0, rows[:, :, None], columns[:, None, :]][:, None]
