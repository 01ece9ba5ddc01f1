"""Diffusers' schedulers by name, for denoisers that predict noise under the preset's betas.

Notable: whatever a scheduler's own space (variance-preserving, or sigmas), what it feeds the
denoiser is ``sqrt(abar) z + sqrt(1 - abar) eps``, with ``abar`` of the timestep it names. That is
what ``abar_at`` is for; the tests hold every scheduler to it with a denoiser that is never wrong.
"""

import inspect
from typing import Any

import diffusers
import numpy as np
import torch

from codixr.errors import InputError
from codixr.model.presets import DiffusionConfig

_NEEDED = {"beta_start", "beta_end", "beta_schedule", "prediction_type"}
_ENDINGS = ("", "Scheduler", "DiscreteScheduler", "MultistepScheduler")
_DECISIVE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "prediction_type",
    "trained_betas",
    "clip_sample",
    "thresholding",
    "rescale_betas_zero_snr",
)
"""Settings with which another value makes noise of every sample."""
_REFUSED = {
    "CogVideoXDDIMScheduler": "it shifts the noise schedule for video models",
    "CogVideoXDPMScheduler": "it shifts the noise schedule for video models",
    "DDIMInverseScheduler": "it runs from pictures to noise",
    "DPMSolverMultistepInverseScheduler": "it runs from pictures to noise",
    "DPMSolverSDEScheduler": "its noise is one path for a whole batch, not one a sample",
    "LCMScheduler": "it needs a model that was distilled for it",
    "TCDScheduler": "it needs a model that was distilled for it",
}


def make_scheduler(config: DiffusionConfig, steps: int, name: str | None = None) -> Any:
    """The scheduler ``name`` (default: the preset's) for the preset's noise, set to ``steps``.

    Raises InputError for an unknown or unfit scheduler, or steps outside 1 .. train_steps.
    """
    return for_steps(
        kind_named(config.scheduler if name is None else name).from_config(_settings(config)), steps
    )


def check(config: DiffusionConfig, scheduler: Any) -> Any:
    """A scheduler object, if it fits as one that is given by name must; InputError otherwise.

    The betas of another model, or clipped samples, would run and give noise.
    """
    if isinstance(scheduler, type):
        raise InputError(f"scheduler {scheduler.__name__}: give its name, or an object of it")
    kind = type(scheduler)
    if (reason := _reason(kind)) is not None:
        raise InputError(f"{kind.__name__} does not fit this model: {reason}")
    own, wanted = dict(scheduler.config), _settings(config)
    for key in _DECISIVE:
        if key in own and own[key] != wanted[key]:
            raise InputError(
                f"{kind.__name__} has {key}={own[key]}, and this model needs {wanted[key]}: build "
                f"it by {kind.__name__}.from_config(pipe.scheduler.config)"
            )
    return scheduler


def _settings(config: DiffusionConfig) -> dict[str, Any]:
    """What any scheduler needs to know of the model.

    ``from_config`` keeps in a scheduler's own config what its class has no name for, so that the
    next class, built from that config, finds it.
    """
    return {
        "num_train_timesteps": config.train_steps,
        "beta_start": config.beta_start,
        "beta_end": config.beta_end,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "trained_betas": None,
        "clip_sample": False,
        "thresholding": False,
        "rescale_betas_zero_snr": False,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": config.steps_offset,
    }


def for_steps(scheduler: Any, steps: int, device: torch.device | str | None = None) -> Any:
    """A fresh scheduler like this one, set to ``steps``: schedulers remember their last steps."""
    most = scheduler.config.num_train_timesteps
    if not 1 <= steps <= most:
        raise InputError(f"{steps} sampling steps: give 1 to {most}")
    fresh = type(scheduler).from_config(scheduler.config)
    fresh.set_timesteps(steps, device=device)
    if float(fresh.timesteps.max()) > most - 1:
        name = type(scheduler).__name__
        raise InputError(
            f"{steps} sampling steps of {name} begin behind the last of the model's {most}: give "
            "fewer, or a smaller steps_offset"
        )
    return fresh


def names() -> list[str]:
    """Every scheduler of the installed diffusers that fits."""
    return [n for n in dir(diffusers) if n.endswith("Scheduler") and _unfit(n) is None]


def step_options(
    scheduler: Any, generators: list[torch.Generator], eta: float | None
) -> dict[str, Any]:
    """What this scheduler's ``step`` takes beside the latents: the samples' generators, and eta.

    Raises InputError for an eta that it has no use for.
    """
    known = inspect.signature(scheduler.step).parameters
    options: dict[str, Any] = {"generator": generators} if "generator" in known else {}
    if eta is not None and "eta" in known:
        options["eta"] = eta
    elif eta:
        raise InputError(f"{type(scheduler).__name__} has no eta; DDIMScheduler has")
    return options


def abar_at(scheduler: Any, timestep: float) -> float:
    """The share of signal in what the denoiser sees at a timestep, whole or in between."""
    abars = scheduler.alphas_cumprod.double().cpu().numpy()
    sigma = np.interp(timestep, np.arange(len(abars)), ((1 - abars) / abars) ** 0.5)
    return float(1 / (1 + sigma**2))


def kind_named(name: str) -> Any:
    """The class of diffusers' scheduler ``name``; InputError for an unknown or unfit one."""
    for ending in _ENDINGS:
        if (name + ending).endswith("Scheduler") and hasattr(diffusers, name + ending):
            if (reason := _unfit(name + ending)) is not None:
                raise InputError(f"{name + ending} does not fit this model: {reason}")
            return getattr(diffusers, name + ending)
    raise InputError(
        f"'{name[:60]}' is not a scheduler of diffusers; use one of {', '.join(names())}"
    )


def _unfit(name: str) -> str | None:
    """Why the scheduler of that name cannot be used; None when it can."""
    return _reason(getattr(diffusers, name))


def _reason(kind: Any) -> str | None:
    """Why a class of schedulers cannot be used, a user's own too; None when it can."""
    for ancestor in kind.__mro__:
        if ancestor.__name__ in _REFUSED:
            return _REFUSED[ancestor.__name__]
    if missing := vars(kind).get("_backends"):  # a stand-in for what is not installed
        return f"it needs {' and '.join(missing)}, not all of which is installed"
    if not hasattr(kind, "set_timesteps") or not hasattr(kind, "step"):
        return "it has no steps to take"
    if not set(inspect.signature(kind.__init__).parameters) >= _NEEDED:
        return "it is not for models that predict noise under a schedule of betas"
    return None
