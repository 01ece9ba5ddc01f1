"""The paper's model at its full size, on torch's meta device: shapes and counts, no numbers."""

from collections.abc import Iterator

import pytest
import torch

from codixr.model import components, presets

PAPER = presets.paper()


@pytest.fixture(autouse=True)
def meta() -> Iterator[None]:
    with torch.device("meta"):
        yield


def build(name: str) -> torch.nn.Module:
    return components.BUILDERS[name](PAPER).eval()


def millions(module: torch.nn.Module) -> float:
    return round(sum(p.numel() for p in module.parameters()) / 1e6, 1)


def ids(high: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(high, (2, 77)), torch.ones(2, 77, dtype=torch.long)


@torch.no_grad()
def test_the_prompt_encoders() -> None:
    encoder = build("prompt_encoder")
    encoder.text.set_attn_implementation("eager")  # the fused one asks for the mask's values
    assert millions(encoder) == 427.6
    assert encoder.encode_text(*ids(49408)).shape == (2, 768)
    assert encoder.encode_image(torch.zeros(2, 1, 256, 256)).shape == (2, 768)


@torch.no_grad()
def test_the_image_vae() -> None:
    vae = build("image_vae")
    assert millions(vae) == 83.7
    latent = vae.encode(torch.zeros(2, 1, 256, 256))
    assert latent.shape == (2, 4, 32, 32)
    assert vae.decode(latent).shape == (2, 1, 256, 256)


@torch.no_grad()
def test_the_xray_denoiser_alone_and_beside_another_flow() -> None:
    denoiser = build("denoiser_f")
    environment = denoiser.environment
    cross = environment.cross
    assert millions(denoiser.unet) == 859.5
    assert millions(environment.encoder) == 52.4
    assert (millions(cross[:6]), millions(cross[6:])) == (97.6, 146.4)
    assert millions(denoiser) == 1155.8
    z, t, c = torch.zeros(2, 4, 32, 32), torch.zeros(2, dtype=torch.long), torch.zeros(2, 768)
    vector = denoiser.encode_environment(z, t)
    assert vector.shape == (2, 1280)
    assert denoiser(z, t, c).shape == denoiser(z, t, c, vector).shape == z.shape


@torch.no_grad()
def test_the_report_vae() -> None:
    vae = build("report_vae")
    vae.encoder.set_attn_implementation("eager")
    assert millions(vae) == 241.6
    parts = (vae.encoder, vae.to_posterior, vae.decoder, vae.to_memory, vae.to_embedding)
    assert [millions(part) for part in parts] == [108.3, 1.2, 124.4, 7.1, 0.6]
    tokens = torch.zeros(2, 77, dtype=torch.long)
    assert vae.logits(torch.zeros(2, 768), tokens).shape == (2, 77, 50260)
    every = torch.zeros(2, 1, 77, 77)  # [B, N] of ones would be asked for its values
    assert vae.encode(tokens, every).shape == (2, 768)


@torch.no_grad()
def test_the_report_denoiser_alone_and_beside_another_flow() -> None:
    denoiser = build("denoiser_t")
    assert millions(denoiser) == 2048.4
    z, t, c = torch.zeros(2, 768), torch.zeros(2, dtype=torch.long), torch.zeros(2, 768)
    vector = denoiser.encode_environment(z, t)
    assert vector.shape == (2, 1280)
    assert denoiser(z, t, c).shape == denoiser(z, t, c, vector).shape == z.shape
