"""Stage 2b: the report VAE (Optimus): reconstruction with a KL that rises, and word dropping."""

import torch
import torch.nn.functional as F
from torch import Tensor

from codixr.model.report_vae import ReportVAE


def report_vae_loss(
    vae: ReportVAE,
    ids: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    *,
    beta: float,
    word_drop: float,
    unknown: int,
) -> dict[str, Tensor]:
    """Cross-entropy a report + beta x KL; ids and mask [B, N].

    ``word_drop`` of the decoder's input words are replaced by ``unknown``, so that it must read
    the latent rather than copy its own past.
    """
    mean, logvar = vae.posterior(ids, mask)
    noise = torch.randn(mean.shape, generator=generator)
    latent = mean + (0.5 * logvar).exp() * noise
    given, wanted, real = ids[:, :-1], ids[:, 1:], mask[:, 1:]
    dropped = torch.rand(given.shape, generator=generator) < word_drop
    dropped[:, 0] = False
    logits = vae.logits(latent, given.masked_fill(dropped, unknown))
    wanted = wanted.masked_fill(real == 0, -100)
    error = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum") / len(ids)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    return {"loss": error + beta * kl, "nll": error.detach(), "kl": kl.detach()}


@torch.no_grad()
def measure_scale(vae: ReportVAE, ids: Tensor, mask: Tensor) -> Tensor:
    """Posterior means [n, d] of a training set; sets ``latent_scale`` to 1 / their std."""
    pairs = zip(ids.split(256), mask.split(256), strict=True)
    means = torch.cat([vae.posterior(i, m)[0] for i, m in pairs])
    vae.latent_scale.copy_(1 / means.std())
    return means
