"""A command's ``--set``s that belong to the model: their values, checked before OUT is made."""

import typing
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codixr.errors import InputError
from codixr.model.configs import DIFFUSION_RANGES, interval
from codixr.model.presets import DiffusionConfig
from codixr.model.schedulers import kind_named, make_scheduler
from codixr.training.denoising import alphas_cumulative
from codixr.training.settings import parse, said

_KINDS = typing.get_type_hints(DiffusionConfig) | {"lower_case": bool}
_LEAST_SIGNAL = 1e-8
"""Of a picture's variance at the last timestep: below it schedulers divide by what is left."""


def model_values(texts: Mapping[str, str], usual: DiffusionConfig) -> dict[str, Any]:
    """Name -> value of ``override``'s ``texts`` ("guidance" or "model.guidance" -> text).

    ``usual`` is the model without them. InputError, which names the ``--set``, for a value that no
    model can have, and for values that contradict each other or the model's own.
    """
    values = {}
    for key, text in texts.items():
        name = key.removeprefix("model.")
        values[name] = value = parse(key, text, _KINDS[name])
        try:
            _check(name, value)
        except InputError as error:
            raise InputError(f"{said(key, text)}: {error}") from None
    try:
        together = replace(usual, **{n: v for n, v in values.items() if n != "lower_case"})
        if values.keys() - {"lower_case"}:
            _check_sampling(together)
    except InputError as error:
        given = " ".join(said(key, text) for key, text in texts.items())
        raise InputError(f"{given}: {error}") from None
    return values


def _check(name: str, value: Any) -> None:
    """InputError for a value that is wrong whatever the others are."""
    if name in DIFFUSION_RANGES and value not in DIFFUSION_RANGES[name]:
        raise InputError(f"give {DIFFUSION_RANGES[name]}")
    if name == "guidance_interval":
        interval(value)
    if name == "scheduler":
        kind_named(value)


def _check_sampling(config: DiffusionConfig) -> None:
    """InputError for numbers with which the scheduler cannot take its steps."""
    if not (left := float(alphas_cumulative(config)[-1])) >= _LEAST_SIGNAL:
        raise InputError(
            f"train_steps {config.train_steps} with betas from {config.beta_start:g} to "
            f"{config.beta_end:g} leave {left:.1g} of a picture: give fewer steps or lower betas"
        )
    try:
        make_scheduler(config, config.steps)
    except (ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        raise InputError(
            f"{config.scheduler} refuses them: {' '.join(str(error).split())}"
        ) from None
