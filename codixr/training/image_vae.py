"""Stage 0, ``tiny`` only: the image VAE, trained on both views (the paper keeps SD's, frozen).

Notable: squared error, not L1: L1 removes thin plates, ribs and the pleural line.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from codixr.model.image_vae import ImageVAE


def image_vae_loss(
    vae: ImageVAE, images: Tensor, noise: Tensor, *, mse_weight: float, kl_weight: float
) -> dict[str, Tensor]:
    """``mse_weight`` x squared error + ``kl_weight`` x KL (nats a picture).

    Images [B, 1, H, W] in [0, 1]; ``noise`` has the latent's shape.
    """
    mean, logvar = vae.posterior(images)
    restored = vae.reconstruct(mean + (0.5 * logvar).exp() * noise).float()
    error = (restored - images).square().mean()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean()
    total = mse_weight * error + kl_weight * kl
    return {"loss": total, "mse": error.detach(), "kl": kl.detach()}


@torch.no_grad()
def measure_statistics(vae: ImageVAE, batches: Iterable[Tensor], whitening: float = 1.0) -> None:
    """Set the latents' per-channel mean and std (the posterior's spread included).

    A channel is divided by std^``whitening``, and all by one number, so that the mean variance is
    1: at 1 every channel counts alike, at 0 they keep their sizes.
    """
    moments = [vae.posterior(part) for part in batches]
    mean = torch.cat([m for m, _ in moments])
    variance = torch.cat([v.exp() for _, v in moments]).mean((0, 2, 3))
    centre = mean.mean((0, 2, 3))
    spread = (mean.var((0, 2, 3)) + variance).sqrt()
    rest = spread.pow(1 - whitening).square().mean().sqrt()
    vae.set_statistics(centre, spread.pow(whitening) * rest)
