"""The losses, against plain arithmetic."""

import pytest
import torch

from codixr.model import components, presets
from codixr.model.presets import DiffusionConfig
from codixr.training import contrastive, denoising, image_vae, report_vae


def test_info_nce_has_every_other_row_as_a_negative() -> None:
    a = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    b = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    expected = 0.0
    for i in range(4):
        row = [float(torch.exp(10 * a[i] @ b[j])) for j in range(4)]
        column = [float(torch.exp(10 * a[j] @ b[i])) for j in range(4)]
        expected -= (torch.tensor(row[i] / sum(row)).log() / 2).item() / 4
        expected -= (torch.tensor(column[i] / sum(column)).log() / 2).item() / 4
    assert contrastive.info_nce(a, b, 10.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_noise_schedule_is_the_one_diffusers_samples_with() -> None:
    from codixr.sampling import make_scheduler

    config = DiffusionConfig()
    ours = denoising.alphas_cumulative(config)
    theirs = make_scheduler(config, 50).alphas_cumprod
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert ours[0] > 0.99
    assert ours[-1] < 0.01


def test_noising_keeps_unit_variance() -> None:
    z, eps = torch.randn(20000, 1), torch.randn(20000, 1)
    noisy = denoising.add_noise(z, eps, torch.full((20000,), 0.3))
    assert noisy.var().item() == pytest.approx(1.0, abs=0.05)


def test_condition_mix_draws_every_subset_and_drops_to_the_matching_null() -> None:
    a, b = torch.full((3000, 1), 1.0), torch.full((3000, 1), 3.0)
    nulls = [torch.tensor([-1.0]), torch.tensor([-3.0])]
    generator = torch.Generator().manual_seed(0)
    mixed = denoising.mix_conditions([a, b], nulls, ((0,), (1,), (0, 1)), 0.1, generator)
    values, counts = mixed.unique(return_counts=True)
    assert values.tolist() == [-3, -2, -1, 1, 2, 3]
    assert counts[:3].sum().item() == pytest.approx(300, abs=60)
    assert counts[3:].min().item() > 800


def test_a_perfect_denoiser_has_no_loss() -> None:
    class Perfect(torch.nn.Module):
        def forward(self, noisy, timestep, condition):  # type: ignore[no-untyped-def]
            abar = abars[timestep].view(-1, 1)
            return (noisy - abar.sqrt() * latents) / (1 - abar).sqrt()

    abars = denoising.alphas_cumulative(DiffusionConfig())
    latents = torch.randn(16, 5)
    generator = torch.Generator().manual_seed(0)
    loss = denoising.denoising_loss(Perfect(), latents, torch.zeros(16, 1), abars, generator)
    assert loss.item() < 1e-6


def test_vae_losses_fall_when_trained() -> None:
    torch.manual_seed(0)
    preset = presets.tiny(20)
    images = torch.rand(8, 1, 64, 64).cumsum(2) / 64
    ids = torch.randint(4, 20, (8, 10))
    mask = torch.ones_like(ids)
    pairs = [
        (
            components.BUILDERS["image_vae"](preset),
            lambda m, g: image_vae.image_vae_loss(m, images, g),
        ),
        (
            components.BUILDERS["report_vae"](preset),
            lambda m, g: report_vae.report_vae_loss(
                m, ids, mask, g, beta=0.01, word_drop=0.2, unknown=3
            ),
        ),
    ]
    for module, loss in pairs:
        optimizer = torch.optim.AdamW(module.parameters(), lr=2e-3)
        losses = []
        for step in range(12):
            value = loss(module, torch.Generator().manual_seed(step))["loss"]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.item())
        assert losses[-1] < 0.8 * losses[0]


def test_measured_statistics_normalise_the_latents() -> None:
    torch.manual_seed(0)
    vae = components.BUILDERS["image_vae"](presets.tiny(20)).eval()
    images = torch.rand(64, 1, 64, 64)
    image_vae.measure_statistics(vae, images)
    with torch.no_grad():
        latents = vae.encode(images, torch.randn(64, 4, 8, 8))
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(4), atol=0.1, rtol=0)
