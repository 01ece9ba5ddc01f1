"""Stage 0, ``tiny`` only: the image VAE, trained on both views (the paper keeps SD's, frozen).

Notable: squared error, not L1: L1 removes thin plates, ribs and the pleural line.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from codixr.data.study import Split
from codixr.modality import Modality
from codixr.model.image_vae import ImageVAE
from codixr.training.data import as_images
from codixr.training.draw import Randomness
from codixr.training.folder import TrainingFolder
from codixr.training.stage import Batch, Stage
from codixr.training.stage_config import ImageVAETraining

F, L = Modality.F, Modality.L


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


class ImageVAEStage(Stage):
    """Both views through one autoencoder."""

    def __init__(self, folder: TrainingFolder, name: str, config: ImageVAETraining) -> None:
        super().__init__(folder, name, frozenset({F, L}), pictures=frozenset({F, L}))
        self.vae: Any = folder.start("image_vae", config)

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Both views, uint8 [B, 1, H, W]."""
        return {v: self.folder.studies(split).pixels(v, rows) for v in (F, L)}

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """The frontal views, then the lateral ones, in one batch."""
        side = self.folder.preset.latent_size
        shape = (self.vae.autoencoder.config.latent_channels, side, side)
        noise = torch.cat([draw.normal(shape), draw.normal(shape)])
        return image_vae_loss(
            self.vae,
            as_images(torch.cat([batch[F], batch[L]])),
            noise,
            mse_weight=self.config.mse_weight,
            kl_weight=self.config.kl_weight,
        )

    def finish(self) -> None:
        """Measure the latents' statistics, and write both."""
        studies, device = self.folder.studies("train"), self.folder.state.device
        some = self.rows["train"][:1000]
        batches = (studies.images(v, part).to(device) for v in (F, L) for part in some.split(64))
        measure_statistics(self.vae, batches, self.config.whitening)
        config, preset = self.vae.autoencoder.config, self.folder.preset
        numbers = {"latents_mean": config.latents_mean, "latents_std": config.latents_std}
        autoencoder = {**preset.image_vae.autoencoder, **numbers}
        self.folder.save("image_vae", self.vae)
        vae = replace(preset.image_vae, autoencoder=autoencoder)
        self.folder.save_preset(replace(preset, image_vae=vae))
