"""Image to image: a picture, or a report, that is noised and made anew under other conditions."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import schedulers
from codixr.model.generation import encoded
from codixr.model.grid import Grid
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import DiffusionConfig, EnvironmentConfig
from codixr.model.sampling import Condition, Flow, sample
from codixr.model.schedulers import make_scheduler

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "large left pleural effusion."}
FRONT, SIDE = (np.random.default_rng(k).random((1, 64, 64), dtype=np.float32) for k in (0, 1))
CALL: dict[str, Any] = {"num_inference_steps": 10, "seed": 3, "output_type": "latent"}
UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 8,
}


@pytest.mark.parametrize("strength", [0.35, 0.8, 1.0])
def test_it_equals_diffusers_own_image_to_image_pipeline(strength: float) -> None:
    torch.manual_seed(0)
    small = EnvironmentConfig(8, 8, (1,), 2, norm_groups=4)
    denoiser = XrayDenoiser(UNET, small).eval()
    unet = UNet2DConditionModel(**UNET).eval()
    unet.load_state_dict(denoiser.unet.state_dict())
    scheduler = make_scheduler(DiffusionConfig(), 10, "DDIM")
    assert isinstance(scheduler, DDIMScheduler)
    theirs = StableDiffusionImg2ImgPipeline(
        None, None, None, unet, scheduler, None, None, requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    clean, condition, null = torch.randn(2, 4, 8, 8), torch.randn(2, 16), torch.randn(2, 16)
    generators = [torch.Generator().manual_seed(k) for k in (5, 6)]
    noise = torch.stack([torch.randn(4, 8, 8, generator=g) for g in generators])
    expected = theirs(
        prompt_embeds=condition[:, None],
        negative_prompt_embeds=null[:, None],
        image=clean,
        strength=strength,
        num_inference_steps=10,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(k) for k in (5, 6)],
        output_type="latent",
    ).images
    flow = Flow(denoiser, noise, Condition(condition, null, 3.0), generators, clean=clean)
    ours = sample({F: flow}, scheduler, Grid(10, strength=strength))[F]
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


class Sees(torch.nn.Module):
    """Keeps what it is first shown, and predicts no noise."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.shown = torch.nn.Parameter(torch.zeros(1)), []

    def same_condition(self) -> Any:
        return torch.no_grad()

    def forward(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        self.shown.append((x, float(t[0])))
        return torch.zeros_like(x)


@pytest.mark.parametrize("name", schedulers.names())
def test_every_scheduler_begins_with_the_picture_noised_to_its_first_step(name: str) -> None:
    clean, noise = torch.full((2, 3), 2.0), torch.tensor([[1.0, -1, 0.5], [0, 2, 1]])
    seen = Sees()
    told = Condition(torch.zeros(2, 1), torch.zeros(2, 1))
    generators = [torch.Generator().manual_seed(k) for k in (0, 1)]
    scheduler = make_scheduler(DiffusionConfig(), 10, name)
    sample({F: Flow(seen, noise, told, generators, clean=clean)}, scheduler, Grid(10, strength=0.4))
    shown, t = seen.shown[0]
    abar = schedulers.abar_at(scheduler, t)
    assert 200 < t < 500
    assert len({at for _, at in seen.shown}) >= 4
    wanted = abar**0.5 * clean + (1 - abar) ** 0.5 * noise
    torch.testing.assert_close(shown, wanted, atol=2e-3, rtol=2e-3)


def test_a_weaker_edit_stays_nearer_to_the_picture(pipe: CoDiXRPipeline) -> None:
    own = encoded(pipe, F, [FRONT])[0]
    distances = [
        float((pipe({"L": SIDE}, "F", image=FRONT, strength=s, **CALL).images[F][0] - own).norm())
        for s in (0.1, 0.5, 1.0)
    ]
    assert distances[0] < distances[1] < distances[2]
    usual = pipe({"L": SIDE}, "F", image=FRONT, **CALL).images[F]
    assert torch.equal(usual, pipe({"L": SIDE}, "F", image=FRONT, strength=0.8, **CALL).images[F])


def test_its_steps_are_the_last_ones(pipe: CoDiXRPipeline) -> None:
    seen: list[float] = []

    def note(_p: Any, _s: int, timestep: Any, _t: Any) -> dict[str, Any]:
        seen.append(float(timestep))
        return {}

    pipe(TEXT, "F", image=FRONT, strength=0.35, callback_on_step_end=note, **CALL)
    grid = make_scheduler(pipe.preset.diffusion, 10).timesteps
    assert seen == [float(t) for t in grid[-3:]]
    own = [900, 600, 300, 100]
    seen.clear()
    call = CALL | {"num_inference_steps": None, "timesteps": own}
    pipe(TEXT, "F", image=FRONT, strength=0.5, callback_on_step_end=note, **call)
    assert seen == own[-2:]


def test_joint_outputs_and_reports_are_edited_too(pipe: CoDiXRPipeline) -> None:
    both = pipe({}, "F+R", image={"F": FRONT, "R": "the lungs are clear."}, strength=0.1, **CALL)
    report = encoded(pipe, T, ["the lungs are clear."])
    anew = pipe({}, "F+R", **CALL)
    assert (both.reports - report).norm() < (anew.reports - report).norm()
    assert (both.images[F] - anew.images[F]).abs().max() > 1e-3


def test_pictures_and_prompts_are_paired_or_one_is_for_all(pipe: CoDiXRPipeline) -> None:
    grey = Image.new("L", (80, 60), 90)
    several = pipe(TEXT, "F", image=[grey, FRONT], num_images=2, **CALL).images[F]
    assert several.shape[0] == 4
    second = pipe(TEXT, "F", image=FRONT, num_images=1, **(CALL | {"seed": 5})).images[F]
    torch.testing.assert_close(several[2:3], second, atol=1e-4, rtol=1e-4)
    two = pipe({"T": [TEXT["T"], "the lungs are clear."]}, "F", image=FRONT, **CALL).images[F]
    assert two.shape[0] == 2
    vectors = pipe.encode_prompts([{T: TEXT["T"]}])[0]
    again = pipe(prompt_embeds=vectors, outputs="F", image=[FRONT, SIDE], **CALL).images[F]
    assert again.shape[0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": 0.5}, "strength: it is how far image= is changed"),
        ({"image": FRONT, "strength": 1.5}, "strength 1.5: give a number from 0 to 1"),
        ({"image": FRONT, "strength": float("nan")}, "strength nan: give a number from 0 to 1"),
        ({"image": FRONT, "strength": "half"}, "strength 'half': give a number"),
        ({"image": FRONT, "strength": 0.05}, "strength 0.05 of 10 steps leaves none: give at"),
        ({"image": {"L": SIDE}}, "image: it is of L, and the outputs are F"),
        ({"image": FRONT * 300}, r"image: F: values must lie in \[0, 1\]"),
        ({"image": "front.png"}, "image: F: a str is not a picture"),
        ({"image": [FRONT] * 3, "inputs": {"T": ["clear."] * 2}}, "image: 3 for 2 prompts"),
        ({"image": FRONT, "outputs": "F+L"}, r"image: give a mapping with each of F\+L"),
        ({"image": {"F": FRONT}, "outputs": "F+L"}, r"image: it is of F, and the outputs are F\+L"),
    ],
    ids=lambda x: "+".join(x) if isinstance(x, dict) else "",
)
def test_what_cannot_be_edited_is_refused_in_words(
    pipe: CoDiXRPipeline, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(**({"inputs": TEXT, "outputs": "F"} | CALL | change))
