"""A recipe with a command's ``--set KEY=VALUE``s applied, and the steps that it comes to."""

import math
import types
import typing
from dataclasses import fields, replace
from typing import Any, Literal

from codixr.errors import InputError
from codixr.training.stage_config import StageConfig

_SHARES = (
    "beta_rise",
    "beta_zero",
    "drop",
    "final_rate",
    "low_noise",
    "refine_word_drop",
    "warmup",
    "whitening",
    "word_drop",
    "word_drop_late",
    "own_share",
    "odd",
)
"""Fields that are a part of a whole, of any stage."""


def override(
    configs: dict[str, StageConfig], settings: dict[str, str], model_fields: frozenset[str]
) -> tuple[dict[str, StageConfig], dict[str, str]]:
    """The configs with ``settings`` ("steps" or "image-ldm.steps" -> text) applied.

    A bare name changes every stage that has it; a prefix names a stage, or the first part of one
    ("image-ldm", "alignment"). A stage's second phase is shortened or lengthened with its
    ``steps``, unless ``refine_steps`` is given too. What is left belongs to the model: names after
    "model.", and those of ``model_fields`` that no stage has. InputError for a name that nothing
    has, and for a value of the wrong kind.
    """
    changed, model = dict(configs), {}
    given: set[tuple[str, str]] = set()
    for key, text in settings.items():
        prefix, _, name = key.rpartition(".")
        found = False
        for stage, config in configs.items():
            if prefix and stage != prefix and not stage.startswith(f"{prefix}-"):
                continue
            hints = typing.get_type_hints(type(config))
            if name not in {f.name for f in fields(config)}:
                continue
            found = True
            changed[stage] = replace(changed[stage], **{name: parse(key, text, hints[name])})
            given.add((stage, name))
        if not found and prefix in ("", "model") and name in model_fields:
            model[name] = text
        elif not found:
            known = sorted({f.name for c in configs.values() for f in fields(c)})
            raise InputError(
                f"--set {key}={text}: no stage that is to be trained has '{key}'; use one of "
                f"{', '.join(known)}, or for the model: {', '.join(sorted(model_fields))}"
            )
    for stage, config in changed.items():
        _check(stage, config)
        if (stage, "refine_steps") not in given:
            phase = second_phase(configs[stage], config.steps)
            changed[stage] = replace(config, refine_steps=phase)
    return changed, model


def second_phase(usual: StageConfig, steps: int | None) -> int:
    """The ``refine_steps`` that go with ``steps`` of the first phase: as the recipe's with its own.

    None, steps that are to be worked out from ``epochs``, has no second phase.
    """
    if usual.steps in (None, steps):
        return usual.refine_steps
    return 0 if steps is None else round(usual.refine_steps * steps / usual.steps)


def parse(key: str, text: str, kind: Any) -> Any:
    """``text`` as a value of ``kind`` (int, float, bool, str, Literal, or one of them or None)."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        if text.lower() in ("none", ""):
            return None
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is Literal:
        if text not in typing.get_args(kind):
            raise InputError(f"--set {key}={text}: use {' or '.join(typing.get_args(kind))}")
        return text
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        try:
            pairs = zip(text.split(","), kinds, strict=True)
            return tuple(parse(key, part, own) for part, own in pairs)
        except (ValueError, InputError):
            wanted = f"{len(kinds)} numbers, e.g. 0.2,0.8"
            raise InputError(f"--set {key}={text}: give {wanted}") from None
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        value = kind(text)
    except (ValueError, KeyError):
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise InputError(f"--set {key}={text}: give {wanted}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"--set {key}={text}: give a finite number")
    return value


def _check(stage: str, config: StageConfig) -> None:
    """InputError for numbers that no run can have."""
    above_zero = ("batch", "learning_rate", "accumulate", "clip", "meanings", "vocabulary_texts")
    for name in above_zero:
        if not getattr(config, name, 1) > 0:
            raise InputError(f"{stage}: {name} is {getattr(config, name)}; it must be above 0")
    if (config.steps is None or config.steps < 1) and not (config.epochs and config.epochs > 0):
        raise InputError(f"{stage}: give steps or epochs, above 0")
    for f in fields(config):
        value = getattr(config, f.name)
        if isinstance(value, int | float) and value < 0:
            raise InputError(f"{stage}: {f.name} is {value}; it must be 0 or above")
    for name in _SHARES:
        if getattr(config, name, 0.0) > 1:
            raise InputError(f"{stage}: {name} is {getattr(config, name)}; a share is from 0 to 1")
    versions = [n for n in ("wordings", "looks", "rewritings") if getattr(config, n, 0)]
    if versions and not config.cache:
        none = ", ".join(f"{name}=0" for name in versions)
        raise InputError(f"{stage}: versions are encoded once: give cache=true, or {none}")
    if not config.ema < 1:
        raise InputError(f"{stage}: ema is {config.ema}; it must be below 1")
    if config.refine_steps and not config.refine_learning_rate:
        raise InputError(f"{stage}: refine_steps needs a refine_learning_rate above 0")
    if config.accumulate > 1 and not config.accumulates:
        raise InputError(
            f"{stage}: accumulate is {config.accumulate}, but this stage contrasts all studies of "
            "a batch: cut, it would lose negatives; use more processes, checkpoint_gradients=true, "
            "or a smaller batch"
        )


def resolved(config: StageConfig, studies: int) -> StageConfig:
    """The config with ``steps`` worked out from ``epochs`` for so many studies."""
    if config.steps is not None:
        return config
    assert config.epochs is not None
    return replace(config, steps=max(1, math.ceil(config.epochs * studies / config.batch)))
