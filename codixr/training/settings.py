"""A recipe with a command's ``--set KEY=VALUE``s applied, and the steps that it comes to."""

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

from codixr.errors import InputError
from codixr.training.setting_ranges import check_together, out_of_range
from codixr.training.stage_config import StageConfig

_LONGEST = 60
"""Characters of the longest value that a message repeats."""


def override(
    configs: dict[str, StageConfig], settings: dict[str, str], model_fields: frozenset[str]
) -> tuple[dict[str, StageConfig], dict[str, str]]:
    """The configs with ``settings`` ("steps" or "image-ldm.steps" -> text) applied.

    A bare name changes every stage that has it; a prefix names a stage, or the first part of one
    ("image-ldm", "alignment"). Of two settings that a stage gets, the one with the longer prefix
    decides, in whatever order they come. Epochs stand in place of the recipe's steps, unless steps
    are given with as long a prefix. A stage's second phase is shortened or lengthened with its
    ``steps``, unless ``refine_steps`` is given too.

    What is left belongs to the model, key -> text as given: names after "model.", and those of
    ``model_fields`` that no stage has. InputError for a name that nothing has, and for a value of
    the wrong kind or range.
    """
    changed = dict(configs)
    model: dict[str, str] = {}
    given: dict[str, dict[str, str]] = {stage: {} for stage in configs}
    for key in sorted(settings, key=_prefix_length):
        prefix, dot, name = key.rpartition(".")
        if not name or (dot and not prefix):
            raise InputError(
                f"{said(key, settings[key])}: write KEY=VALUE for every stage, or STAGE.KEY=VALUE "
                "for one, e.g. image-ldm.steps=1000"
            )
        stages = [s for s in configs if not prefix or s == prefix or s.startswith(f"{prefix}-")]
        having = [s for s in stages if name in {f.name for f in fields(configs[s])}]
        for stage in having:
            kind = typing.get_type_hints(type(configs[stage]))[name]
            value = parse(key, settings[key], kind)
            changed[stage] = replace(changed[stage], **{name: value})
            given[stage][name] = key
        if not having and prefix in ("", "model") and name in model_fields:
            model[name] = key
        elif not having:
            known = sorted({f.name for c in configs.values() for f in fields(c)})
            raise InputError(
                f"{said(key, settings[key])}: no stage that is to be trained has '{key}'; use one "
                f"of {', '.join(known)}, or for the model: {', '.join(sorted(model_fields))}"
            )
    for stage, config in changed.items():
        if _epochs_decide(config, given[stage]):
            config = replace(config, steps=None)
        if "refine_steps" not in given[stage]:
            phase = second_phase(configs[stage], config.steps)
            config = replace(config, refine_steps=phase)
        _check(stage, config, {name: (key, settings[key]) for name, key in given[stage].items()})
        changed[stage] = config
    return changed, {key: settings[key] for key in model.values()}


def _prefix_length(key: str) -> int:
    return len(key.rpartition(".")[0])


def _epochs_decide(config: StageConfig, given: Mapping[str, str]) -> bool:
    """Whether a stage's epochs were given, and no steps with a prefix as long (name -> key)."""
    if config.epochs is None or "epochs" not in given:
        return False
    return "steps" not in given or _prefix_length(given["steps"]) < _prefix_length(given["epochs"])


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
            raise InputError(f"{said(key, text)}: use {' or '.join(typing.get_args(kind))}")
        return text
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        try:
            pairs = zip(text.split(","), kinds, strict=True)
            return tuple(parse(key, part, own) for part, own in pairs)
        except (ValueError, InputError):
            wanted = f"{len(kinds)} numbers, e.g. 0.2,0.8"
            raise InputError(f"{said(key, text)}: give {wanted}") from None
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        value = kind(text)
    except (ValueError, KeyError):
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise InputError(f"{said(key, text)}: give {wanted}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{said(key, text)}: give a finite number")
    return value


def said(key: str, text: str) -> str:
    """A setting as a message repeats it; a long value is counted, as it may be a report."""
    return f"--set {key}={text if len(text) <= _LONGEST else f'… ({len(text)} characters)'}"


def _check(stage: str, config: StageConfig, given: Mapping[str, tuple[str, str]]) -> None:
    """InputError for numbers that no run can have; ``given``: name -> ``--set``'s two halves."""
    if (found := out_of_range(config)) is not None:
        name, numbers = found
        if name in given:
            raise InputError(f"{said(*given[name])}: give {numbers}")
        raise InputError(f"{stage}: {name} is {getattr(config, name)}; give {numbers}")
    check_together(stage, config)
    if "tracker" in given:
        _check_tracker(config.tracker, said(*given["tracker"]))


def _check_tracker(name: str, setting: str) -> None:
    """InputError for a tracker that Accelerate does not know."""
    if name == "none":
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    known = {"all", *map(str, LOGGER_TYPE_TO_CLASS)}
    if name not in known:
        raise InputError(f"{setting}: give one of {', '.join(sorted(known))}, or none")


def check_tracker_installed(stages: Mapping[str, StageConfig]) -> None:
    """InputError for a tracker that this machine lacks; a plan for another one needs none."""
    from accelerate.tracking import get_available_trackers

    here = {"all", "none", *map(str, get_available_trackers())}
    for stage, config in stages.items():
        if (name := config.tracker) not in here:
            raise InputError(
                f"{stage}: tracker {name} is not installed: `pip install {name}`, or "
                "--set tracker=none"
            )


def resolved(config: StageConfig, studies: int) -> StageConfig:
    """The config with ``steps`` worked out from ``epochs`` for so many studies."""
    if config.steps is not None:
        return config
    assert config.epochs is not None
    return replace(config, steps=max(1, math.ceil(config.epochs * studies / config.batch)))
