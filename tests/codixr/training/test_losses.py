"""The losses, against plain arithmetic."""

import pytest
import torch

from codixr.model import components, presets
from codixr.model.presets import DiffusionConfig
from codixr.model.prompt_encoder import PromptEncoder
from codixr.training import contrastive, denoising, image_vae, report_vae
from codixr.training.draw import Draw, epoch_rows


def test_info_nce_has_every_other_row_as_a_negative() -> None:
    a = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    b = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    expected = 0.0
    for i in range(4):
        row = [float(torch.exp(10 * a[i] @ b[j])) for j in range(4)]
        column = [float(torch.exp(10 * a[j] @ b[i])) for j in range(4)]
        expected -= torch.tensor(row[i] / sum(row)).log().item() / 4
        expected -= torch.tensor(column[i] / sum(column)).log().item() / 4
    assert contrastive.info_nce(a, b, 10.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_noise_schedule_is_the_one_diffusers_samples_with() -> None:
    from codixr.model.sampling import make_scheduler

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


PROMPTS = torch.tensor([[1.0], [3.0]]).expand(3000, 2, 1)
NULLS = torch.tensor([[-1.0], [-3.0]])


def test_condition_mix_draws_every_subset_and_drops_to_the_matching_null() -> None:
    subsets = denoising.every_subset(2)
    assert subsets == [(0,), (1,), (0, 1)]
    draw = Draw(0, 0, 3000)
    mixed = denoising.mix_conditions(PROMPTS, NULLS, subsets, 0.1, draw, tokens=False)
    assert mixed.shape == (3000, 1, 1)
    values, counts = mixed.unique(return_counts=True)
    assert values.tolist() == [-3, -2, -1, 1, 2, 3]
    assert counts[:3].sum().item() == pytest.approx(300, abs=60)
    assert counts[3:].min().item() > 800


def test_condition_tokens_are_one_a_condition_and_a_single_one_repeated() -> None:
    draw, subsets = Draw(0, 0, 3000), denoising.every_subset(2)
    mixed = denoising.mix_conditions(PROMPTS, NULLS, subsets, 0.1, draw, tokens=True)
    rows = {tuple(row) for row in mixed[:, :, 0].tolist()}
    assert rows == {(1, 1), (3, 3), (1, 3), (-1, -1), (-3, -3), (-1, -3)}


def test_text_only_is_one_subset() -> None:
    draw = Draw(0, 0, 3000)
    mixed = denoising.mix_conditions(PROMPTS[:, :1], NULLS[:1], [(0,)], 0.0, draw, tokens=False)
    assert mixed.unique().tolist() == [1.0]


def test_a_perfect_denoiser_has_no_loss() -> None:
    class Perfect(torch.nn.Module):
        def forward(self, noisy, timestep, condition):  # type: ignore[no-untyped-def]
            abar = abars[timestep].view(-1, 1)
            return (noisy - abar.sqrt() * latents) / (1 - abar).sqrt()

    abars = denoising.alphas_cumulative(DiffusionConfig())
    latents = torch.randn(16, 5)
    draw = Draw(0, 0, 16)
    loss = denoising.denoising_loss(Perfect(), latents, torch.zeros(16, 1, 1), abars, draw)
    assert loss.item() < 1e-6


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.25), (0.5, 0.625), (1.0, 1.0)])
def test_low_noise_draws_a_share_of_the_first_quarter_alone(share: float, expected: float) -> None:
    class Listening(torch.nn.Module):
        def forward(self, noisy, timestep, condition):  # type: ignore[no-untyped-def]
            drawn.append(timestep)
            return noisy

    drawn: list[torch.Tensor] = []
    abars, latents = denoising.alphas_cumulative(DiffusionConfig()), torch.zeros(4000, 1)
    draw = Draw(0, 0, 4000)
    denoising.denoising_loss(Listening(), latents, latents, abars, draw, "epsilon", share)
    first = (drawn[0] < len(abars) // 4).float().mean().item()
    assert first == pytest.approx(expected, abs=0.03)
    assert drawn[0].max() >= 990 if share < 1 else drawn[0].max() == 249


def test_the_error_of_v_is_that_of_the_noise_over_abar() -> None:
    latents, noise, guess = torch.randn(3, 4, 5).unbind()
    abar = torch.tensor([0.9, 0.5, 0.1, 0.01])
    signal, spread = abar.sqrt()[:, None], (1 - abar).sqrt()[:, None]
    noisy = denoising.add_noise(latents, noise, abar)
    v = signal * guess - spread * (noisy - spread * guess) / signal
    error = v - denoising.target(latents, noise, abar, "v_prediction")
    torch.testing.assert_close(error, (guess - noise) / signal, atol=1e-4, rtol=1e-4)
    assert denoising.target(latents, noise, abar, "epsilon") is noise


def test_slices_of_a_draw_are_the_whole_one() -> None:
    whole = Draw(4, 7, 12)
    halves = [Draw(4, 7, 12, 0, 6), Draw(4, 7, 12, 6, 12)]
    for kind in ("normal", "uniform"):
        expected = getattr(whole, kind)((3,))
        assert torch.equal(torch.cat([getattr(h, kind)((3,)) for h in halves]), expected)
    assert torch.equal(torch.cat([h.integers(9) for h in halves]), whole.integers(9))
    assert not torch.equal(Draw(4, 8, 12).normal((3,)), Draw(4, 7, 12).normal((3,)))


def test_every_study_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    rows = torch.cat([epoch_rows(10, 4, step, 0) for step in range(5)])
    assert sorted(rows[:10].tolist()) == sorted(rows[10:].tolist()) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    assert torch.equal(epoch_rows(10, 4, 3, 0), rows[12:16])
    assert not torch.equal(epoch_rows(10, 10, 0, 0), epoch_rows(10, 10, 0, 1))


def test_augmented_pictures_are_shifted_one_by_one_and_stay_in_range() -> None:
    images = torch.rand(6, 1, 8, 8)
    shifted = contrastive.augment(images, Draw(0, 0, 6), 0.0, 2)
    for before, after in zip(images, shifted, strict=True):
        shifts = [torch.roll(before, (y, x), (1, 2)) for y in range(-2, 3) for x in range(-2, 3)]
        assert any(torch.equal(after, s) for s in shifts)
    noisy = contrastive.augment(images, Draw(0, 0, 6), 0.5, 0)
    assert 0 <= noisy.min() < noisy.max() <= 1
    assert not torch.equal(noisy, images)


def test_the_papers_beta_cycle_is_half_zero_a_quarter_rising_a_quarter_at_the_top() -> None:
    betas = [report_vae.beta_at(p, 0.5, 0.25, 1.0) for p in (0.0, 0.49, 0.5, 0.625, 0.75, 0.99)]
    assert betas == [0.0, 0.0, 0.0, 0.5, 1.0, 1.0]


def test_vae_losses_fall_when_trained() -> None:
    torch.manual_seed(0)
    preset = presets.tiny(20)
    images = torch.rand(4, 1, 64, 64).cumsum(2) / 64
    ids = torch.randint(4, 20, (4, 10))
    mask = torch.ones_like(ids)
    pairs = [
        (
            components.BUILDERS["image_vae"](preset),
            lambda m, d: image_vae.image_vae_loss(
                m, images, d.normal((12, 8, 8)), mse_weight=10.0, kl_weight=2e-6
            ),
        ),
        (
            components.BUILDERS["report_vae"](preset),
            lambda m, d: report_vae.report_vae_loss(
                m, (ids, mask), (ids, mask), d, beta=0.01, word_drop=0.2, unknown=3
            ),
        ),
    ]
    for module, loss in pairs:
        optimizer = torch.optim.AdamW(module.parameters(), lr=2e-3)
        losses = []
        for step in range(12):
            value = loss(module, Draw(0, step, 4))["loss"]
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(value.item())
        assert losses[-1] < 0.8 * losses[0]


def test_measured_statistics_normalise_the_latents() -> None:
    torch.manual_seed(0)
    vae = components.BUILDERS["image_vae"](presets.tiny(20)).eval()
    images = torch.rand(64, 1, 64, 64)
    image_vae.measure_statistics(vae, images.split(16))
    with torch.no_grad():
        latents = vae.encode(images, torch.randn(64, 12, 8, 8))
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(12), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(12), atol=0.1, rtol=0)


@pytest.mark.parametrize("whitening", [0.0, 0.5])
def test_less_whitening_keeps_the_channels_ratios(whitening: float) -> None:
    torch.manual_seed(0)
    vae = components.BUILDERS["image_vae"](presets.tiny(20)).eval()
    images = torch.rand(64, 1, 64, 64).cumsum(2) / 64
    image_vae.measure_statistics(vae, images.split(16))
    _, whole = vae.statistics(images)
    image_vae.measure_statistics(vae, images.split(16), whitening)
    with torch.no_grad():
        std = vae.encode(images, torch.randn(64, 12, 8, 8)).std((0, 2, 3))
    assert std.square().mean() == pytest.approx(1.0, abs=0.1)
    wanted = whole.flatten().pow(1 - whitening)
    torch.testing.assert_close(std / std[0], wanted / wanted[0], atol=0.1, rtol=0)


def test_free_bits_leave_small_parts_of_the_kl_out_of_the_loss() -> None:
    torch.manual_seed(0)
    vae = components.BUILDERS["report_vae"](presets.tiny(20)).eval()
    ids = torch.randint(4, 20, (4, 6))
    tokens = (ids, torch.ones_like(ids))

    def loss(beta: float, free_bits: float) -> dict[str, torch.Tensor]:
        return report_vae.report_vae_loss(
            vae,
            tokens,
            tokens,
            Draw(0, 0, 4),
            beta=beta,
            word_drop=0.0,
            unknown=3,
            free_bits=free_bits,
        )

    plain, free, none = loss(1.0, 0.0), loss(1.0, 1e3), loss(0.0, 0.0)
    assert plain["kl"].item() == free["kl"].item() > 0
    assert free["loss"].item() == pytest.approx(none["loss"].item())
    assert plain["loss"].item() == pytest.approx((none["loss"] + none["kl"]).item(), rel=1e-5)


def test_labels_of_unknown_value_do_not_weigh() -> None:
    logits = torch.tensor([[0.0, 5.0, -3.0]])
    labels = torch.tensor([[1, -1, -2]], dtype=torch.int8)
    expected = torch.tensor(2.0).log().item()
    assert contrastive.known_cross_entropy(logits, labels).item() == pytest.approx(expected)


def test_a_label_weight_adds_what_the_x_rays_vectors_say_of_the_labels() -> None:
    torch.manual_seed(0)
    encoder = PromptEncoder(presets.tiny(30).prompt)
    pictures, ids = torch.rand(2, 4, 1, 64, 64), torch.tensor([[1, 5, 2]]).expand(4, -1)
    labels = torch.tensor([[1, 0], [0, -1], [1, 1], [0, 0]], dtype=torch.int8)
    plain = contrastive.ContrastiveLoss(encoder, {"TF": 1.0})
    weighed = contrastive.ContrastiveLoss(encoder, {"TF": 1.0}, label_weight=2.0, labels=2)
    batch = (*pictures, ids, torch.ones_like(ids))
    losses = weighed(*batch, labels)
    expected = plain(*batch)["loss"] + 2.0 * losses["labels"]
    torch.testing.assert_close(losses["loss"], expected)
    losses["loss"].backward()
    assert weighed.label_head is not None
    assert weighed.label_head.weight.grad is not None


def test_both_views_in_one_batch_have_each_other_as_negatives() -> None:
    """By hand: 2B X-rays against their 2B reports, eq. 1 over all rows."""
    torch.manual_seed(0)
    encoder = PromptEncoder(presets.tiny(30).prompt).eval()
    pictures = torch.rand(2, 3, 1, 64, 64)
    ids = torch.tensor([[1, 5, 2], [1, 6, 2], [1, 7, 2]])
    mask = torch.ones_like(ids)
    loss = contrastive.ContrastiveLoss(encoder, {"TF": 0.5, "TL": 0.5}, 0.1, together=True)
    losses = loss(*pictures, ids, mask)
    with torch.no_grad():
        x = torch.cat([encoder.encode_image(views) for views in pictures])
        r = encoder.encode_text(ids, mask)[[0, 1, 2, 0, 1, 2]]
    scores = (10 * x @ r.T).exp()
    expected = sum(
        -(scores[i, i] / scores[i].sum()).log() - (scores[i, i] / scores[:, i].sum()).log()
        for i in range(6)
    )
    torch.testing.assert_close(losses["XR"], expected / 6, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses["loss"], losses["XR"] * 0.5)
    perfect = torch.eye(3, 8)
    both = perfect.repeat(2, 1)
    least = contrastive.info_nce(both, both, 100.0).item()
    assert least == pytest.approx(2 * torch.tensor(2.0).log().item())


def test_the_stems_statistics_are_measured_from_finished_weights() -> None:
    torch.manual_seed(0)
    encoder = PromptEncoder(presets.tiny(30).prompt)
    norms = encoder.stem_norms()
    assert norms
    pictures = torch.rand(16, 1, 64, 64)
    encoder.train()
    encoder.encode_image(pictures)
    assert all(int(n.num_batches_tracked) == 0 for n in norms)  # training follows nothing
    seen: list[torch.Tensor] = []
    hook = norms[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    encoder.measure_statistics(pictures.split(8))
    hook.remove()
    torch.testing.assert_close(norms[0].running_mean, torch.cat(seen).mean((0, 2, 3)))
    assert encoder.training
    encoder.eval()
    one, all_of_them = encoder.encode_image(pictures[:1]), encoder.encode_image(pictures)
    torch.testing.assert_close(one[0], all_of_them[0], atol=1e-5, rtol=1e-4)
