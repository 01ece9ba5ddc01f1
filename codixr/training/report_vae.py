"""Stage 2b, first half: the report VAE (Optimus): reconstruction with a KL that rises.

Notable: encoder (BERT) and decoder (GPT-2) may split words differently, hence two sets of ids.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from codixr.model.report_vae import ReportVAE
from codixr.training.draw import Draw


def report_vae_loss(
    vae: ReportVAE,
    encoder: tuple[Tensor, Tensor],
    decoder: tuple[Tensor, Tensor],
    draw: Draw,
    *,
    beta: float,
    word_drop: float,
    unknown: int,
    free_bits: float = 0.0,
) -> dict[str, Tensor]:
    """Cross-entropy a report + ``beta`` x KL; (ids, mask), each [B, N], for either tokenizer.

    ``word_drop`` of the decoder's input words are replaced by ``unknown``, so that it must read
    the latent rather than copy its own past. Below ``free_bits`` nats a dimension's KL is free
    (Optimus: it is left out of the sum).
    """
    ids, mask = decoder
    mean, logvar = vae.posterior(*encoder)
    latent = mean + (0.5 * logvar).exp() * draw.normal(mean.shape[1:])
    given, wanted, real = ids[:, :-1], ids[:, 1:], mask[:, 1:]
    dropped = draw.uniform(given.shape[1:]) < word_drop
    dropped[:, 0] = False
    logits = vae.logits(latent, given.masked_fill(dropped, unknown)).float()
    wanted = wanted.masked_fill(real == 0, -100)
    error = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum") / len(ids)
    parts = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    kl = parts.sum(1).mean()
    charged = (parts * (parts > free_bits)).sum(1).mean() if free_bits else kl
    return {"loss": error + beta * charged, "nll": error.detach(), "kl": kl.detach()}


def beta_at(progress: float, zero: float, rise: float, top: float) -> float:
    """Beta at ``progress`` 0..1 of a cycle: 0 for a share, rising for a share, then ``top``."""
    if progress < zero:
        return 0.0
    return top * min(1.0, (progress - zero) / rise) if rise else top


@torch.no_grad()
def measure_scale(vae: ReportVAE, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set ``latent_scale`` to 1 / std of the posterior means over (ids, mask) batches."""
    means = torch.cat([vae.posterior(ids, mask)[0] for ids, mask in batches])
    vae.latent_scale.copy_(1 / means.std())
