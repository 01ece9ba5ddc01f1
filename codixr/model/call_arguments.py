"""The arguments of the pipeline's call: each of a wrong kind or range is refused in words."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, get_args

import torch
from torch import Tensor

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.configs import MOST_GUIDANCE, JointOutputs, interval
from codixr.model.generation import OutputType, Settings
from codixr.model.prompts import modalities, modality
from codixr.model.sampling import AttendTo

USUAL_STRENGTH = 0.8
"""Of an edited picture, as diffusers' image-to-image pipelines have it."""


_ELSEWHERE = {
    "prompt": "give inputs, by modality: inputs={'T': 'No effusion.'}, outputs='F'",
    "height": "a checkpoint makes pictures of one size (pipe.size)",
    "width": "a checkpoint makes pictures of one size (pipe.size)",
    "num_samples": "give num_images",
    "callback": "give callback_on_step_end",
    "callback_steps": "callback_on_step_end is called after every step",
    "cross_attention_kwargs": "pipe.set_adapters(name, weight) says how much a LoRA does",
}
"""Arguments of other pipelines -> what stands for them here."""


def no_others(others: Mapping[str, Any]) -> None:
    """InputError for an argument that the call does not have, with what stands for it."""
    for name in others:
        cure = _ELSEWHERE.get(name, "this pipeline's call has no such argument")
        raise InputError(f"{name}: {cure}")


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of ``least`` or more; InputError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} {value!r}: give a whole number")
    if value < least:
        raise InputError(f"{name} {value}: give {least} or more")
    return int(value)


def each_of(num_images: Any, num_images_per_prompt: Any) -> int:
    """Samples a prompt, by our name or diffusers'; InputError where they say different things."""
    if num_images_per_prompt is None:
        return whole("num_images", num_images)
    if num_images not in (1, num_images_per_prompt):
        raise InputError("give num_images or num_images_per_prompt, not both")
    return whole("num_images_per_prompt", num_images_per_prompt)


def flag(name: str, value: Any) -> None:
    """InputError unless True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{name} {value!r}: give True or False")


def changed_latents(
    answer: Any, latents: Mapping[Modality, Tensor]
) -> dict[Modality, Tensor] | None:
    """The latents that a callback gives back, by modality; None where it changes none.

    Raises InputError for anything but tensors of the shapes that it got.
    """
    if answer is None:
        return None
    if not isinstance(answer, Mapping):
        kind = type(answer).__name__
        raise InputError(
            f"callback_on_step_end gave a {kind}: give a mapping back, {{}} for no change"
        )
    changed = answer.get("latents")
    if changed is None:
        return None
    if isinstance(changed, Tensor) and len(latents) == 1:
        changed = dict.fromkeys(latents, changed)
    if not isinstance(changed, Mapping) or {modality(m) for m in changed} != set(latents):
        raise InputError(f"callback_on_step_end: give latents of {'+'.join(latents)} back")
    found = {modality(m): z for m, z in changed.items()}
    for m, z in latents.items():
        if not isinstance(found[m], Tensor) or found[m].shape != z.shape:
            raise InputError(f"callback_on_step_end: latents of {m} have to be {tuple(z.shape)}")
    return found


def guidance_set(value: Any) -> float | None:
    """What a callback put into ``pipe._guidance_scale``; InputError for what is no guidance."""
    between("_guidance_scale", value, 0, MOST_GUIDANCE)
    return None if value is None else float(value)


def between(name: str, value: Any, low: float, high: float) -> None:
    """InputError unless a number from ``low`` to ``high``, or None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} {value!r}: give a number")
    if not math.isfinite(value) or not low <= float(value) <= high:
        raise InputError(f"{name} {value}: give a number from {low:g} to {high:g}")


def check_settings(settings: Settings) -> Settings:
    """The same; InputError for a number of a wrong kind or range."""
    if settings.steps is not None:
        whole("num_inference_steps", settings.steps)
    own = {"timesteps": settings.timesteps, "sigmas": settings.sigmas}
    given = [name for name, values in own.items() if values is not None]
    if len(given + ["num_inference_steps"] * (settings.steps is not None)) > 1:
        raise InputError("give one of num_inference_steps, timesteps and sigmas")
    for name in given:
        descending(name, own[name])
    between("guidance_scale", settings.guidance, 0, MOST_GUIDANCE)
    if settings.guidance_interval is not None:
        interval(settings.guidance_interval)
    between("eta", settings.eta, 0, 1)
    if settings.attend_to not in (None, *get_args(AttendTo)):
        raise InputError(f"attend_to {settings.attend_to!r}: 'others' or 'own'")
    if settings.joint not in (None, *get_args(JointOutputs)):
        raise InputError(f"joint {settings.joint!r}: 'together' or 'in-turn'")
    if settings.attend_to and settings.joint == "in-turn":
        raise InputError("attend_to is for outputs made together, and joint is 'in-turn': give one")
    flag("strict_length", settings.strict_length)
    if not isinstance(settings.weights, Mapping | None):
        raise InputError("weights: give a mapping of inputs to numbers, e.g. {'T': 2, 'L': 1}")
    return settings


def share_of(strength: Any, image: Any) -> float:
    """How much of its steps a call takes: all of them where it edits nothing."""
    if image is None:
        if strength is not None:
            raise InputError("strength: it is how far image= is changed; give one, or leave it out")
        return 1.0
    between("strength", strength, 0, 1)
    return USUAL_STRENGTH if strength is None else float(strength)


def descending(name: str, values: Any) -> None:
    """InputError unless numbers of which each is below the one before: timesteps, or sigmas."""
    whole_ones = name == "timesteps"
    kinds = int if whole_ones else int | float
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise InputError(f"{name} {str(values)[:40]}: give a list of numbers, e.g. the scheduler's")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < math.inf:
            a = "a whole number" if whole_ones else "a number"
            raise InputError(f"{name}: {value!r} is not {a} of 0 or more")
    if any(b >= a for a, b in pairwise(values)):
        raise InputError(f"{name}: each has to be below the one before")


def outputs_of(
    outputs: Any, output_type: Any, callback: Any, tensor_inputs: Sequence[str]
) -> list[Modality]:
    """The outputs that are asked for; InputError for forms that there are not."""
    wanted = modalities(outputs)
    if output_type not in get_args(OutputType):
        raise InputError(f"output_type {output_type!r}: one of {', '.join(get_args(OutputType))}")
    if callback is not None and not callable(callback):
        raise InputError("callback_on_step_end: give a function")
    if isinstance(tensor_inputs, str) or not isinstance(tensor_inputs, Sequence):
        raise InputError('callback_on_step_end_tensor_inputs: give a list, e.g. ["latents"]')
    if unknown := set(tensor_inputs) - {"latents"}:
        raise InputError(f"callback_on_step_end_tensor_inputs: no {', '.join(unknown)} here")
    return wanted


def check_seed(generator: Any, seed: Any) -> None:
    """InputError for a seed or a generator that is not one."""
    if seed is not None:
        whole("seed", seed, least=0)
    each = list(generator) if isinstance(generator, Sequence) else [generator]
    if generator is not None and not all(isinstance(g, torch.Generator) for g in each):
        raise InputError("generator: give a torch.Generator, or a list of them, one a sample")
