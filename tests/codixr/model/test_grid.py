"""A caller's own timesteps and sigmas, beside diffusers' loop over the same scheduler."""

import inspect
from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import schedulers
from codixr.model.grid import Grid
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.presets import DiffusionConfig
from codixr.model.schedulers import make_scheduler

F = Modality.F
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"seed": 3, "output_type": "latent"}


def seen(pipe: CoDiXRPipeline, **options: Any) -> list[float]:
    """The timesteps that a call goes through."""
    found: list[float] = []

    def note(_pipe: Any, _step: int, timestep: Any, _tensors: Any) -> dict[str, Any]:
        found.append(float(timestep))
        return {}

    pipe(TEXT, "F", callback_on_step_end=note, **CALL, **options)
    return found


def test_own_timesteps_are_walked_and_the_schedulers_own_change_nothing(
    pipe: CoDiXRPipeline,
) -> None:
    assert seen(pipe, timesteps=[900, 500, 499, 20]) == [900, 500, 499, 20]
    fresh = make_scheduler(pipe.preset.diffusion, 4)
    same = [int(t) for t in fresh.timesteps]
    by_number = pipe(TEXT, "F", num_inference_steps=4, **CALL).images[F]
    by_list = pipe(TEXT, "F", timesteps=same, **CALL).images[F]
    by_tensor = pipe(TEXT, "F", timesteps=fresh.timesteps, **CALL).images[F]
    torch.testing.assert_close(by_list, by_number, atol=1e-5, rtol=1e-5)
    assert torch.equal(by_list, by_tensor)


def test_own_sigmas_are_those_of_the_steps(pipe: CoDiXRPipeline) -> None:
    usual = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    usual.set_timesteps(4)
    by_sigmas = pipe(TEXT, "F", sigmas=usual.sigmas, scheduler="Euler", **CALL).images[F]
    by_number = pipe(TEXT, "F", num_inference_steps=4, scheduler="Euler", **CALL).images[F]
    torch.testing.assert_close(by_sigmas, by_number, atol=1e-3, rtol=1e-3)
    few = seen(pipe, sigmas=[10.0, 2, 0.5, 0], scheduler="Euler")
    assert len(few) == 3
    assert few[0] > few[1] > few[2] > 0


@pytest.mark.parametrize("name", schedulers.names())
def test_every_scheduler_takes_own_steps_or_says_which_do(name: str) -> None:
    scheduler = make_scheduler(DiffusionConfig(), 5, name)
    known = inspect.signature(scheduler.set_timesteps).parameters
    for key, own in (
        ("timesteps", Grid(5, timesteps=[800, 400, 100])),
        ("sigmas", Grid(5, sigmas=[9.0, 3, 1, 0])),
    ):
        if key not in known or (key, name) == ("sigmas", "UniPCMultistepScheduler"):
            with pytest.raises(InputError, match=r"these do: .*EulerDiscrete|refuses them"):
                own.on(scheduler)
            continue
        ours, timesteps = own.on(scheduler)
        assert len(timesteps) == 3 * ours.order - (ours.order - 1)
        assert ours is not scheduler


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": [900, 500], "num_inference_steps": 2}, "give one of num_inference_steps"),
        ({"timesteps": [900, 500], "sigmas": [3.0, 0]}, "give one of num_inference_steps"),
        ({"timesteps": []}, "give a list of numbers"),
        ({"timesteps": "900"}, "give a list of numbers"),
        ({"timesteps": 900}, "give a list of numbers"),
        ({"timesteps": [500, 900]}, "each has to be below the one before"),
        ({"timesteps": [900, 900]}, "each has to be below the one before"),
        ({"timesteps": [900.5, 3]}, "900.5 is not a whole number"),
        ({"timesteps": [900, -1]}, "-1 is not a whole number"),
        ({"timesteps": [1000, 3]}, "timesteps: 1000 is over the model's 999"),
        ({"sigmas": [float("nan"), 0]}, "nan is not a number of 0 or more"),
        ({"sigmas": ["much", 0]}, "'much' is not a number of 0 or more"),
        ({"sigmas": [3.0, 0]}, "DPMSolverMultistepScheduler takes no sigmas of yours; these do"),
        ({"timesteps": [900], "scheduler": "DDIM"}, "DDIMScheduler takes no timesteps of yours"),
    ],
    ids=str,
)
def test_steps_that_are_none_are_refused_in_words(
    pipe: CoDiXRPipeline, change: dict[str, Any], message: str
) -> None:
    assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)
    with pytest.raises(InputError, match=message):
        pipe(TEXT, "F", **CALL, **change)
