"""The arguments of the pipeline's call: each of a wrong kind or range is refused in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.generation import OutputType, Settings
from codixr.model.prompts import Prompt, modality
from codixr.model.sampling import AttendTo

MOST_GUIDANCE = 1000.0


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of ``least`` or more; InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} {value!r}: give a whole number")
    if value < least:
        raise InputError(f"{name} {value}: give {least} or more")
    return value


def between(name: str, value: Any, low: float, high: float) -> None:
    """InputError unless a number from ``low`` to ``high``, or None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} {value!r}: give a number")
    if not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"{name} {value}: give a number from {low:g} to {high:g}")


def check_settings(settings: Settings) -> Settings:
    """The same; InputError for a number of a wrong kind or range."""
    if settings.steps is not None:
        whole("num_inference_steps", settings.steps)
    between("guidance_scale", settings.guidance, 0, MOST_GUIDANCE)
    between("eta", settings.eta, 0, 1)
    if settings.attend_to not in get_args(AttendTo):
        raise InputError(f"attend_to {settings.attend_to!r}: 'others' or 'own'")
    if not isinstance(settings.weights, Mapping | None):
        raise InputError("weights: give a mapping of inputs to numbers, e.g. {'T': 2, 'L': 1}")
    return settings


def check_call(
    prompts: Sequence[Prompt],
    outputs: Sequence[Modality],
    output_type: Any,
    callback: Any,
    tensor_inputs: Sequence[str],
) -> None:
    """InputError for outputs that are inputs, and for forms that there are not."""
    if both := [m for m in outputs if m in prompts[0]]:
        names = ", ".join(both)
        raise InputError(f"{names} cannot be both input and output: choose one side")
    if output_type not in get_args(OutputType):
        raise InputError(f"output_type {output_type!r}: one of {', '.join(get_args(OutputType))}")
    if callback is not None and not callable(callback):
        raise InputError("callback_on_step_end: give a function")
    if unknown := set(tensor_inputs) - {"latents"}:
        raise InputError(f"callback_on_step_end_tensor_inputs: no {', '.join(unknown)} here")


def check_seed(generator: Any, seed: Any) -> None:
    """InputError for a seed or a generator that is not one."""
    if seed is not None:
        whole("seed", seed, least=0)
    each = list(generator) if isinstance(generator, Sequence) else [generator]
    if generator is not None and not all(isinstance(g, torch.Generator) for g in each):
        raise InputError("generator: give a torch.Generator, or a list of them, one a sample")


def starting_noise(
    latents: Any, shapes: Mapping[Modality, tuple[int, ...]], count: int
) -> dict[Modality, Tensor] | None:
    """``latents`` of the call by modality, each [count, ...]; InputError where they do not fit."""
    if latents is None:
        return None
    if isinstance(latents, Tensor) and len(shapes) == 1:
        latents = dict.fromkeys(shapes, latents)
    if not isinstance(latents, Mapping):
        raise InputError("latents: give a tensor for one output, or a mapping by output")
    given = {modality(name): value for name, value in latents.items()}
    if given.keys() != shapes.keys():
        raise InputError(f"latents: give those of {'+'.join(shapes)}")
    for m, shape in shapes.items():
        value = given[m]
        if not isinstance(value, Tensor) or tuple(value.shape) != (count, *shape):
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"latents of {m}: give a tensor {(count, *shape)}, not {found}")
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"latents of {m}: they hold NaN or infinite values")
    return given
