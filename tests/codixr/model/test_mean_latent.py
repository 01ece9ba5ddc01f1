"""Sampling begins with the noised mean of the training latents, or every picture is too dark."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components, schedulers
from codixr.model.mean_latent import FILE
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import DiffusionConfig
from codixr.model.sampling import Condition, Flow, sample
from codixr.model.schedulers import make_scheduler

F, L = Modality.F, Modality.L
MEAN, COUNT = 3.0, 2000


class OfNormalData(nn.Module):
    """The best denoiser of latents that are normal, of mean 3 and spread 1."""

    def __init__(self, scheduler: object) -> None:
        super().__init__()
        self.scheduler, self.weight = scheduler, nn.Parameter(torch.zeros(1))

    def same_condition(self):
        return nullcontext()

    def forward(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        abar = schedulers.abar_at(self.scheduler, float(t[0]))
        clean = abar**0.5 * x + (1 - abar) * MEAN
        return (x - abar**0.5 * clean) / (1 - abar) ** 0.5


@pytest.mark.parametrize("name", schedulers.names())
def test_of_normal_latents_the_mean_comes_out_and_from_pure_noise_it_does_not(name: str) -> None:
    scheduler = make_scheduler(DiffusionConfig(), 24, name)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(COUNT, 4, generator=generator)
    noise -= noise.mean()
    told = Condition(torch.zeros(COUNT, 1), torch.zeros(COUNT, 1))

    def end(mean: Tensor | None) -> float:
        generators = [torch.Generator().manual_seed(seed) for seed in range(COUNT)]
        denoiser = OfNormalData(scheduler)
        flow = Flow(denoiser, noise, told, generators, mean=mean)
        return float(sample({F: flow}, scheduler, 24)[F].mean())

    begun = end(torch.full((4,), MEAN))
    assert begun == pytest.approx(MEAN, abs=0.06)
    if name not in DRAWS_NOISE:
        assert end(None) < begun - 0.03


DRAWS_NOISE = frozenset(
    name
    for name in schedulers.names()
    if any(word in name for word in ("DDPM", "Ancestral", "SDE", "LCM", "TCD"))
)
"""Their steps forget how they began."""


def _with_mean(checkpoint: Path, folder: Path) -> Tensor:
    """A copy of a checkpoint whose F begins with a mean."""
    shutil.copytree(checkpoint, folder)
    preset = components.load_preset(folder)
    denoiser = components.load_component(preset, "denoiser_f", folder)
    assert denoiser.mean_latent is None
    mean = torch.randn(preset.latent_shape, generator=torch.Generator().manual_seed(1)).half()
    denoiser.mean_latent = mean.float()
    components.save_component(denoiser, folder / "denoiser_f", torch.float16)
    return mean.float()


def test_it_lies_in_the_denoiser_s_folder_and_goes_with_it(checkpoint, pipe, tmp_path) -> None:
    mean = _with_mean(checkpoint, tmp_path / "one")
    one = CoDiXRPipeline.from_pretrained(tmp_path / "one")
    assert torch.equal(one.denoiser_f.mean_latent, mean)
    assert one.denoiser_l.mean_latent is None
    one.save_pretrained(tmp_path / "two", torch_dtype="float16")
    two = CoDiXRPipeline.from_pretrained(tmp_path / "two")
    assert torch.equal(two.denoiser_f.mean_latent, mean)
    assert not (tmp_path / "two" / "denoiser_l" / FILE).exists()
    UNet2DConditionModel.from_pretrained(tmp_path / "two" / "denoiser_f")
    pipes = pipe, one, two
    made = [p({}, "F", seed=0, num_inference_steps=2, output_type="pt").images["F"] for p in pipes]
    assert torch.equal(made[1], made[2])
    assert not torch.equal(made[0], made[1])


def test_it_is_the_denoiser_s_whatever_autoencoder_stands_beside_it(checkpoint, tmp_path) -> None:
    mean = _with_mean(checkpoint, tmp_path / "one")
    own = CoDiXRPipeline.from_pretrained(tmp_path / "one")
    for other in (own.image_vae, None):
        pipe = CoDiXRPipeline.from_pretrained(tmp_path / "one", image_vae=other)
        assert torch.equal(pipe.denoiser_f.mean_latent, mean)
    parts = {"denoiser_f": tmp_path / "one" / "denoiser_f"}
    taken = CoDiXRPipeline.from_pretrained(checkpoint, components=parts)
    assert torch.equal(taken.denoiser_f.mean_latent, mean)


def test_a_variant_leaves_that_of_the_others_there(checkpoint, pipe, tmp_path) -> None:
    mean = _with_mean(checkpoint, tmp_path / "one")
    pipe.save_pretrained(tmp_path / "one", variant="ema")
    assert torch.equal(
        CoDiXRPipeline.from_pretrained(tmp_path / "one").denoiser_f.mean_latent, mean
    )


def test_a_saved_denoiser_without_one_takes_the_older_file_away(checkpoint, tmp_path) -> None:
    _with_mean(checkpoint, tmp_path / "one")
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    pipe.save_pretrained(tmp_path / "one")
    assert not (tmp_path / "one" / "denoiser_f" / FILE).exists()


def test_a_damaged_or_foreign_one_is_refused(checkpoint, tmp_path) -> None:
    _with_mean(checkpoint, tmp_path / "one")
    path = tmp_path / "one" / "denoiser_f" / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="damaged or cut short"):
        CoDiXRPipeline.from_pretrained(tmp_path / "one")
    from safetensors.torch import save_file

    for wrong in (torch.zeros(4, 4), torch.full((12, 8, 8), float("nan"))):
        save_file({"mean": wrong}, path)
        with pytest.raises(InputError, match=r"finite numbers.*of another model"):
            CoDiXRPipeline.from_pretrained(tmp_path / "one")
    save_file({"other": torch.zeros(12, 8, 8)}, path)
    with pytest.raises(InputError, match="damaged"):
        CoDiXRPipeline.from_pretrained(tmp_path / "one")


def test_the_embedded_model_s_pictures_are_as_bright_as_real_ones() -> None:
    """Of 100 test studies; from pure noise they are darker by .029 in both views."""
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    data = PhantomDataset("test")
    prompts = {"T": data.reports()[:100]}
    for view in (F, L):
        real = torch.from_numpy(data.images(view)[:100].copy()).float() / 255
        made = pipe(prompts, str(view), seed=0, output_type="pt", batch_size=50).images[view]
        assert float(made.mean()) == pytest.approx(float(real.mean()), abs=0.015)
