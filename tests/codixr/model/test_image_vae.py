"""The cosine shortcut of the image VAE."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from codixr.model import presets
from codixr.model.image_vae import ImageVAE, cosines


def test_patterns_are_the_lowest_of_scipys_dct() -> None:
    torch.manual_seed(0)
    block = torch.rand(8, 8, dtype=torch.float64)
    table = dctn(block.numpy(), norm="ortho")
    order = sorted((u * u + v * v, u, v) for u in range(8) for v in range(8))
    wanted = [table[u, v] for _, u, v in order]
    found = (cosines(64, 8)[:, 0].double() * block).sum((1, 2))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)
    with pytest.raises(ValueError, match=r"4 patterns, not 5"):
        cosines(5, 2)


def _silent(dct_scale: float, channels: int) -> ImageVAE:
    """A VAE whose autoencoder gives nothing: what is left is the shortcut."""
    config = presets.tiny(20).image_vae
    autoencoder = {**config.autoencoder, "latent_channels": channels}
    vae = ImageVAE(replace(config, dct_scale=dct_scale, autoencoder=autoencoder)).eval()
    for parameter in vae.parameters():
        parameter.data.zero_()
    return vae


@torch.no_grad()
def test_the_shortcut_alone_restores_smooth_pictures() -> None:
    ramp = torch.linspace(0.1, 0.9, 64)
    picture = (ramp[:, None] * ramp[None])[None, None]
    for scale in (1.0, 4.0):
        vae = _silent(scale, channels=12)
        mean, _ = vae.posterior(picture)
        assert mean.shape == (1, 12, 8, 8)
        torch.testing.assert_close(vae.reconstruct(mean), picture, atol=0.01, rtol=0)
    torch.testing.assert_close(mean * 4, _silent(1.0, channels=12).posterior(picture)[0])


@torch.no_grad()
def test_without_a_scale_there_is_no_shortcut_and_nothing_new_is_saved() -> None:
    plain, short = _silent(0.0, channels=4), _silent(4.0, channels=4)
    assert plain.patterns is None
    assert plain.posterior(torch.rand(1, 1, 64, 64))[0].abs().max() == 0
    assert plain.state_dict().keys() == short.state_dict().keys()
