"""The mean of the latents that a denoiser of pictures was trained on: where sampling begins.

The last timestep of most schedules still has some of the picture in it (a root of alpha-bar of .068
with Stable Diffusion's betas), so that a denoiser has never seen pure noise. Begun with it, every
picture comes out too dark and too flat (Lin et al. 2023, "Common diffusion noise schedules and
sample steps are flawed"; they train anew on a schedule that ends in noise). Begun with the noised
mean instead, the same weights make pictures as bright as real ones.

It is the denoiser's own, whichever image VAE stands beside it: a denoiser knows one space of
latents. Without the file it begins with pure noise, as in diffusers.
"""

from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError, safe_open
from torch import Tensor

from codixr.errors import InputError
from codixr.model.tensor_file import write_tensors

FILE = "mean_latent.safetensors"
_NAME = "mean"


class BeginsWithMean(Protocol):
    """A denoiser that may have one."""

    mean_latent: Tensor | None
    """[c, h, w], float32 of float16's values."""


def save(denoiser: BeginsWithMean, folder: Path, *, keep: bool = False) -> None:
    """Write ``folder/mean_latent.safetensors`` in float16.

    Of a denoiser without one an older file goes, unless ``keep``.
    """
    path = folder / FILE
    if denoiser.mean_latent is None:
        if not keep:
            path.unlink(missing_ok=True)
        return
    mean = denoiser.mean_latent.detach().cpu()
    half = mean.half()
    write_tensors(path, {_NAME: (half if half.isfinite().all() else mean.float()).contiguous()})


def load(denoiser: BeginsWithMean, folder: Path, shape: tuple[int, ...]) -> None:
    """Give the denoiser that of its folder, or None.

    InputError for a damaged one, and for another shape than the model's latents have.
    """
    path = folder / FILE
    denoiser.mean_latent = None
    if not path.is_file():
        return
    try:
        with safe_open(path, "pt") as file:
            mean = file.get_tensor(_NAME).float()
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged or cut short ({error}); copy it again") from None
    if tuple(mean.shape) != shape or not mean.isfinite().all():
        raise InputError(
            f"{path} has to hold {list(shape)} finite numbers, as the model's latents, and has "
            f"{list(mean.shape)}: it is damaged or of another model; copy the whole folder"
        )
    denoiser.mean_latent = mean
