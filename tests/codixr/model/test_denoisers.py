"""The X-ray and the report denoiser, and their environment parts."""

import pytest
import torch
from torch import nn

from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.environment import others_mean

PRESET = presets.tiny(80)


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return components.BUILDERS[name](PRESET).eval()


def inputs(name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shape = (128,) if name == "denoiser_t" else (12, 8, 8)
    return torch.randn(3, *shape), torch.tensor([0, 500, 999]), torch.randn(3, 256)


@pytest.mark.parametrize("name", ["denoiser_f", "denoiser_t"])
def test_untrained_cross_modal_layers_change_nothing(name: str) -> None:
    denoiser, (z, t, c) = build(name), inputs(name)
    with torch.no_grad():
        alone, joint = denoiser(z, t, c), denoiser(z, t, c, torch.randn(3, 64))
    assert alone.shape == z.shape
    assert torch.equal(alone, joint)


@pytest.mark.parametrize("name", ["denoiser_f", "denoiser_t"])
def test_a_trained_cross_modal_layer_reads_the_other_flow(name: str) -> None:
    denoiser, (z, t, c) = build(name), inputs(name)
    for cross in denoiser.environment.cross:
        nn.init.normal_(cross.proj_out.weight, std=0.1)
    if name == "denoiser_t":  # its residual blocks start at zero: let the state reach the output
        nn.init.normal_(denoiser.unet.out.weight, std=0.1)
    with torch.no_grad():
        one, two = (denoiser(z, t, c, torch.randn(3, 64)) for _ in range(2))
        after = denoiser(z, t, c)
        again = denoiser(z, t, c)
    assert (one - two).abs().max() > 1e-4
    assert torch.equal(after, again), "a vector of the last call must not linger"


@pytest.mark.parametrize("name", ["denoiser_f", "denoiser_l", "denoiser_t"])
def test_an_environment_vector_has_unit_length(name: str) -> None:
    denoiser, (z, t, _) = build(name), inputs(name)
    with torch.no_grad():
        v = denoiser.encode_environment(z, t)
    assert v.shape == (3, 64)
    torch.testing.assert_close(v.norm(dim=1), torch.ones(3))


def test_a_flow_attends_to_the_mean_of_the_others_and_never_to_itself() -> None:
    vectors = {m: torch.full((1, 2), float(i)) for i, m in enumerate(Modality)}
    assert others_mean(vectors, Modality.F)[0, 0] == 1.5  # type: ignore[index]
    assert others_mean({Modality.F: torch.ones(1, 2)}, Modality.F) is None


def test_the_unet_keeps_diffusers_own_names() -> None:
    denoiser = build("denoiser_f")
    reference = type(denoiser.unet)(**PRESET.image_unet)
    assert denoiser.unet.state_dict().keys() == reference.state_dict().keys()
