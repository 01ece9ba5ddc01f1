"""The report VAE: decoding, and what the latent does."""

from dataclasses import replace

import pytest
import torch

from codixr.model import presets
from codixr.model.report_vae import ReportVAE


def vae() -> ReportVAE:
    torch.manual_seed(0)
    return ReportVAE(presets.tiny(80).report_vae).eval()


def test_cached_decoding_equals_reading_the_whole_report_again() -> None:
    model = vae()
    latent = torch.randn(5, 128) * 3
    made = model.decode(latent, bos=1, eos=2)
    given = torch.cat([torch.ones(5, 1, dtype=torch.long), made], 1)[:, :-1]
    with torch.no_grad():
        again = model.logits(latent, given).argmax(-1)
    done = (made == 2).cumsum(1) - (made == 2).int() > 0  # after the first <eos>
    assert torch.equal(again[~done], made[~done])


def test_decoding_one_by_one_equals_decoding_in_a_batch() -> None:
    model = vae()
    latent = torch.randn(4, 128) * 3
    batch = model.decode(latent, bos=1, eos=2)
    for row in range(4):
        alone = model.decode(latent[row : row + 1], bos=1, eos=2)[0]
        assert torch.equal(batch[row, : len(alone)], alone)


def test_a_report_stops_at_the_length_limit() -> None:
    model = vae()
    with torch.no_grad():
        model.decoder.lm_head.weight[2] = 0  # <eos> is never the likeliest
        model.decoder.lm_head.weight[3] = 5
    made = model.decode(torch.randn(2, 128), bos=1, eos=2)
    assert made.shape[1] <= model.config.max_tokens - 1


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(7 + k) for k in range(count)]


def test_drawn_words_follow_the_decoders_shares_and_the_samples_own_generator() -> None:
    model = vae()
    one = torch.randn(1, 128)
    latent = one.expand(400, -1)
    drawn = model.decode(latent, 1, 2, temperature=1.0, generators=generators(400), most=1)
    with torch.no_grad():
        shares = model.logits(one, torch.tensor([[1]]))[0, 0].softmax(-1)
    counts = torch.bincount(drawn[:, 0], minlength=80) / 400
    assert (counts - shares).abs().max() < 0.1
    assert len(counts.nonzero()) > 10
    alone = model.decode(latent[:1], 1, 2, temperature=1.0, generators=generators(1), most=1)
    assert alone[0, 0] == drawn[0, 0]


def test_a_low_temperature_is_greedy_and_a_report_stops_where_the_release_does() -> None:
    model, latent = vae(), torch.randn(3, 128) * 3
    cold = model.decode(latent, 1, 2, temperature=1e-4, generators=generators(3))
    assert torch.equal(cold, model.decode(latent, 1, 2))
    assert model.decode(latent, 1, 2, most=5).shape[1] <= 5


def test_both_ways_into_the_decoder_carry_the_latent() -> None:
    model = vae()
    ids = torch.randint(4, 80, (2, 6))
    a, b = torch.randn(2, 128), torch.randn(2, 128)
    for other in (model.to_memory, model.to_embedding):
        kept = other.weight.detach().clone()
        with torch.no_grad():
            other.weight.zero_()
            assert (model.logits(a, ids) - model.logits(b, ids)).abs().max() > 1e-3
            other.weight.copy_(kept)


def test_latents_are_scaled_and_unscaled() -> None:
    model = vae()
    ids, mask = torch.randint(4, 80, (2, 6)), torch.ones(2, 6, dtype=torch.long)
    with torch.no_grad():
        model.latent_scale.fill_(4.0)
        torch.testing.assert_close(model.encode(ids, mask), model.posterior(ids, mask)[0] * 4)


@pytest.mark.parametrize(("given", "scale"), [({"initializer_range": 0.3}, 0.3), ({}, 0.02)])
def test_sinusoids_start_as_large_as_the_words_whether_a_config_says_how_large_or_not(
    given: dict[str, float], scale: float
) -> None:
    own = presets.tiny(80).report_vae
    bert, gpt2 = (
        {k: v for k, v in sizes.items() if k != "initializer_range"} | given
        for sizes in (own.bert, own.gpt2)
    )
    model = ReportVAE(replace(own, bert=bert, gpt2=gpt2, sinusoidal_start=True))
    tables = model.encoder.embeddings.position_embeddings, model.decoder.transformer.wpe
    for table in tables:
        assert table.weight.square().mean().sqrt().item() == pytest.approx(scale)
    words = model.decoder.transformer.wte.weight
    assert words.square().mean().sqrt().item() == pytest.approx(scale, rel=0.05)
