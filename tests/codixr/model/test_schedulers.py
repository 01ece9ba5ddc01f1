"""Every scheduler of diffusers either samples rightly, or says why it cannot."""

import inspect
from contextlib import nullcontext

import diffusers
import pytest
import torch
from torch import Tensor, nn

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import schedulers
from codixr.model.presets import DiffusionConfig
from codixr.model.sampling import Condition, Flow, sample
from codixr.model.schedulers import make_scheduler

CONFIG = DiffusionConfig()
CLEAN = torch.tensor([0.5, -1.0, 2.0])
F, L = Modality.F, Modality.L
RESIDUE = 0.08
"""What the first step's noise (sigma 0.029) leaves in schedulers that do not end at sigma 0."""


class NeverWrong(nn.Module):
    """Knows the clean latent, and therefore the noise at every timestep."""

    def __init__(self, scheduler: object, kind: str = "epsilon") -> None:
        super().__init__()
        self.scheduler, self.weight = scheduler, nn.Parameter(torch.zeros(1))
        self.kind = kind
        self.calls = 0

    def same_condition(self):
        return nullcontext()

    def encode_environment(self, x: Tensor, t: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        self.calls += 1
        abar = torch.tensor([[schedulers.abar_at(self.scheduler, float(s))] for s in t])
        eps = (x - abar.sqrt() * CLEAN) / (1 - abar).sqrt()
        if self.kind == "epsilon":
            return eps
        return abar.sqrt() * eps - (1 - abar).sqrt() * CLEAN


def draw(
    scheduler: object,
    steps: int,
    seeds: list[int],
    clip: float | None = None,
    kind: str = "epsilon",
) -> Tensor:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    noise = torch.stack([torch.randn(3, generator=g) for g in generators])
    told = Condition(torch.zeros(len(seeds), 1), torch.zeros(len(seeds), 1))
    flow = Flow(NeverWrong(scheduler, kind), noise, told, generators, clip, kind)
    return sample({F: flow}, scheduler, steps)[F]


@pytest.mark.parametrize("name", schedulers.names())
def test_with_a_denoiser_that_is_never_wrong_it_ends_at_the_clean_latent(name: str) -> None:
    scheduler = make_scheduler(CONFIG, 8, name)
    made = draw(scheduler, 8, [0, 1])
    torch.testing.assert_close(made, CLEAN.expand(2, 3), atol=RESIDUE, rtol=0)


@pytest.mark.parametrize("name", schedulers.names())
def test_a_clipped_latent_ends_at_its_bound(name: str) -> None:
    made = draw(make_scheduler(CONFIG, 8, name), 8, [0, 1], clip=1.5)
    torch.testing.assert_close(made, CLEAN.clamp(-1.5, 1.5).expand(2, 3), atol=RESIDUE, rtol=0)


@pytest.mark.parametrize("name", schedulers.names())
@pytest.mark.parametrize("clip", [None, 1.5])
def test_a_denoiser_that_predicts_v_ends_where_one_of_the_noise_does(
    name: str, clip: float | None
) -> None:
    scheduler = make_scheduler(CONFIG, 8, name)
    ends = [draw(scheduler, 8, [0, 1], clip, kind) for kind in ("epsilon", "v_prediction")]
    torch.testing.assert_close(*ends, atol=1e-4, rtol=1e-4)


class Slope(NeverWrong):
    """Wrong in a smooth way, so that noise and order of the steps show in the end."""

    def forward(self, x: Tensor, t: Tensor, *_: object) -> Tensor:
        return torch.tanh(x) * (0.5 + t.view(-1, 1) / 2000)


@pytest.mark.parametrize("name", schedulers.names())
def test_a_sample_does_not_depend_on_its_batch_even_where_steps_draw_noise(name: str) -> None:
    scheduler = make_scheduler(CONFIG, 5, name)

    def end(seeds: list[int]) -> Tensor:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        noise = torch.stack([torch.randn(3, generator=g) for g in generators])
        told = Condition(torch.zeros(len(seeds), 1), torch.zeros(len(seeds), 1))
        return sample({F: Flow(Slope(scheduler), noise, told, generators)}, scheduler, 5)[F]

    batch = end([3, 4, 5])
    torch.testing.assert_close(batch[1:2], end([4]), atol=1e-5, rtol=1e-5)
    assert (batch[0] - batch[1]).abs().max() > 1e-3


REFUSED = {
    "FlowMatchEulerDiscreteScheduler": "predict noise",
    "EDMEulerScheduler": "predict noise",
    "DDIMInverseScheduler": "from pictures to noise",
    "LCMScheduler": "distilled",
    "CogVideoXDDIMScheduler": "video",
    "UNet2DConditionModel": "not a scheduler",
    "Nonsense": "not a scheduler",
}


@pytest.mark.parametrize("name", REFUSED)
def test_one_that_cannot_work_says_why(name: str) -> None:
    with pytest.raises(InputError, match=REFUSED[name]):
        make_scheduler(CONFIG, 5, name)


def test_all_of_diffusers_schedulers_are_decided() -> None:
    """None may end in another exception than ours, installed or not."""
    found = [n for n in dir(diffusers) if n.endswith("Scheduler")]
    assert {"DDIMScheduler", "UniPCMultistepScheduler"} <= set(schedulers.names()) < set(found)
    for name in set(found) - set(schedulers.names()):
        with pytest.raises(InputError, match="does not fit this model"):
            make_scheduler(CONFIG, 5, name)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("DDIM", "DDIMScheduler"),
        ("UniPC", "UniPCMultistepScheduler"),
        ("Euler", "EulerDiscreteScheduler"),
        ("EulerAncestral", "EulerAncestralDiscreteScheduler"),
        ("DPMSolverMultistep", "DPMSolverMultistepScheduler"),
    ],
)
def test_a_short_name_is_enough(short: str, full: str) -> None:
    assert type(make_scheduler(CONFIG, 5, short)).__name__ == full


def test_heun_calls_the_denoiser_twice_a_step() -> None:
    scheduler = make_scheduler(CONFIG, 6, "Heun")
    flow = Flow(
        NeverWrong(scheduler),
        torch.randn(1, 3),
        Condition(torch.zeros(1, 1), torch.zeros(1, 1)),
        [torch.Generator()],
    )
    steps = []
    sample({F: flow}, scheduler, 6, callback=lambda index, t, latents: steps.append(index))
    assert flow.denoiser.calls == len(steps) == 2 * 6 - 1


def test_eta_is_ddim_s_and_makes_its_steps_random() -> None:
    scheduler = make_scheduler(CONFIG, 5, "DDIM")

    def end(eta: float | None, seed: int) -> Tensor:
        told = Condition(torch.zeros(1, 1), torch.zeros(1, 1))
        generators = [torch.Generator().manual_seed(seed)]
        flow = Flow(Slope(scheduler), torch.ones(1, 3), told, generators)
        return sample({F: flow}, scheduler, 5, eta=eta)[F]

    assert torch.equal(end(None, 1), end(0.0, 2))
    assert (end(1.0, 1) - end(1.0, 2)).abs().max() > 1e-2
    assert torch.equal(end(1.0, 1), end(1.0, 1))
    euler = make_scheduler(CONFIG, 5, "Euler")
    assert "eta" not in inspect.signature(euler.step).parameters
    told = Condition(torch.zeros(1, 1), torch.zeros(1, 1))
    flow = Flow(Slope(euler), torch.ones(1, 3), told, [torch.Generator()])
    with pytest.raises(InputError, match="has no eta"):
        sample({F: flow}, euler, 5, eta=0.5)


@pytest.mark.parametrize("steps", [1, 3, 20])
@pytest.mark.parametrize("name", schedulers.names())
def test_a_swap_by_from_config_equals_the_scheduler_by_name(name: str, steps: int) -> None:
    """``pipe.scheduler = X.from_config(pipe.scheduler.config)``, from whichever was there."""
    by_name = draw(make_scheduler(CONFIG, steps, name), steps, [0, 1])
    for first in ("DPMSolverMultistep", "DDIM", "PNDM"):
        own = make_scheduler(CONFIG, 6, first)
        swapped = getattr(diffusers, name).from_config(own.config)
        assert torch.equal(draw(schedulers.check(CONFIG, swapped), steps, [0, 1]), by_name)


@pytest.mark.parametrize(("offset", "first"), [(1, [1, 21, 41]), (0, [0, 20, 40])])
def test_a_release_has_its_own_grid(offset: int, first: list[int]) -> None:
    """CoDi's DDIM begins at 1, XGeM's at 0."""
    scheduler = make_scheduler(DiffusionConfig(steps_offset=offset), 50, "DDIM")
    assert scheduler.timesteps.flip(0)[:3].tolist() == first
    assert len(scheduler.timesteps) == 50


class OwnInverse(diffusers.DDIMInverseScheduler):
    """A user's own class is judged by what it is made of."""


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [
        (diffusers.DDIMScheduler(), "beta_start=0.0001, and this model needs 0.00085"),
        (diffusers.DDIMInverseScheduler(), "it runs from pictures to noise"),
        (OwnInverse(), "it runs from pictures to noise"),
        (diffusers.LCMScheduler(), "distilled"),
        (diffusers.TCDScheduler(), "distilled"),
        (diffusers.FlowMatchEulerDiscreteScheduler(), "not for models that predict noise"),
        (diffusers.EDMEulerScheduler(), "not for models that predict noise"),
        (diffusers.IPNDMScheduler(), "not for models that predict noise"),
        (nn.Identity(), "it has no steps to take"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_scheduler_object_passes_the_check_of_names(scheduler: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        schedulers.check(CONFIG, scheduler)


@pytest.mark.parametrize(
    "change",
    [
        {"prediction_type": "v_prediction"},
        {"clip_sample": True},
        {"thresholding": True},
        {"rescale_betas_zero_snr": True},
        {"beta_schedule": "linear"},
        {"num_train_timesteps": 500},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_scheduler_object_whose_numbers_make_noise_is_refused(change: dict[str, object]) -> None:
    own = make_scheduler(CONFIG, 5, "DDIM").config
    other = diffusers.DDIMScheduler.from_config(own, **change)
    key, value = next(iter(change.items()))
    with pytest.raises(InputError, match=f"DDIMScheduler has {key}={value}, and this model needs"):
        schedulers.check(CONFIG, other)


def test_guidance_pushes_away_from_the_unconditional_noise() -> None:
    told = Condition(torch.tensor([[3.0]]), torch.tensor([[1.0]]), guidance=2.0)
    assert told.mix(told.context(torch.zeros(1))).item() == 1 + 2 * (3 - 1)
    alone = Condition(told.given, told.null)
    assert alone.context(torch.zeros(1)).shape == (1, 1)
    assert alone.mix(torch.ones(1)).item() == 1


class Listens(NeverWrong):
    """Answers with the vector it is given."""

    def encode_environment(self, x: Tensor, t: Tensor) -> Tensor:
        return self.weight.expand(len(x), 1)

    def forward(self, x, t, context, vector, weights):
        self.heard = vector
        return torch.zeros_like(x)


@pytest.mark.parametrize(("attend_to", "heard"), [("others", (2.0, 1.0)), ("own", (1.0, 2.0))])
def test_joint_outputs_hear_the_other_flow_or_by_a_flag_their_own(attend_to, heard) -> None:
    scheduler = make_scheduler(CONFIG, 2, "DDIM")
    told = Condition(torch.zeros(1, 1), torch.zeros(1, 1))
    flows = {
        m: Flow(Listens(scheduler), torch.ones(1, 3), told, [torch.Generator()]) for m in (F, L)
    }
    for number, flow in enumerate(flows.values(), start=1):
        flow.denoiser.weight.data.fill_(number)
    sample(flows, scheduler, 2, attend_to=attend_to)
    assert tuple(flow.denoiser.heard.item() for flow in flows.values()) == heard


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler", "PNDMScheduler"])
def test_steps_behind_the_models_last_are_refused(name: str) -> None:
    assert make_scheduler(CONFIG, 250, name) is not None
    with pytest.raises(InputError, match=r"1000 sampling steps of .* begin behind the last"):
        make_scheduler(CONFIG, 1000, name)
