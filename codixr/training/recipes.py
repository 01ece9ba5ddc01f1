"""What each stage is trained with, by preset, and what a user may change of it."""

import math
import types
import typing
from dataclasses import fields, replace
from typing import Any, Literal

from codixr.errors import InputError
from codixr.training.stage_config import (
    AlignmentTraining,
    DenoiserTraining,
    ImageVAETraining,
    PromptTraining,
    ReportVAETraining,
    StageConfig,
    WordingTraining,
)

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

_SHARED: dict[str, Any] = {"beta2": 0.99, "warmup": 0.1, "final_rate": 0.02, "weight_decay": 1e-4}
_CONTRAST: dict[str, Any] = {
    "batch": 128,
    "ema": 0.99,
    "weight_tf": 0.5,
    "weight_tl": 0.5,
    "label_weight": 1.0,
    "noise": 0.04,
    "shift": 2,
}

TINY: dict[str, StageConfig] = {
    "image-vae": ImageVAETraining(
        steps=2500,
        batch=64,
        learning_rate=1.5e-3,
        ema=0.995,
        kl_weight=5e-7,
        whitening=0.5,
        **_SHARED,
    ),
    "prompt-encoders": PromptTraining(steps=1300, learning_rate=1.2e-3, **_CONTRAST, **_SHARED),
    "prompt-wording": WordingTraining(
        steps=3600,
        batch=125,
        learning_rate=1.6e-3,
        refine_steps=900,
        refine_learning_rate=1e-3,
        ema=0.995,
        **_SHARED,
    ),
    "prompt-details": PromptTraining(
        steps=900,
        learning_rate=6e-4,
        frozen_text=True,
        near_misses=6,
        **_CONTRAST,
        **_SHARED,
    ),
    "report-vae": ReportVAETraining(
        steps=3500,
        batch=64,
        learning_rate=1.5e-3,
        ema=0.995,
        beta=0.006,
        beta_zero=0.0,
        beta_rise=0.5,
        word_drop=0.3,
        word_drop_late=0.2,
        refine_steps=4500,
        refine_learning_rate=1.2e-3,
        refine_beta=0.004,
        refine_word_drop=0.2,
        variants=8,
        **_SHARED,
    ),
    "image-ldm-F": DenoiserTraining(
        steps=24000,
        batch=128,
        learning_rate=1e-3,
        refine_steps=9000,
        refine_learning_rate=7e-4,
        ema=0.999,
        condition_mix="all-subsets",
        wordings=8,
        low_noise=0.5,
        **_SHARED,
    ),
    "image-ldm-L": DenoiserTraining(
        steps=24000,
        batch=128,
        learning_rate=1e-3,
        refine_steps=9000,
        refine_learning_rate=7e-4,
        ema=0.999,
        seed=1,
        condition_mix="all-subsets",
        wordings=8,
        low_noise=0.5,
        **_SHARED,
    ),
    "report-ldm": DenoiserTraining(
        steps=9600,
        batch=256,
        learning_rate=1e-3,
        refine_steps=9600,
        refine_learning_rate=1e-3,
        ema=0.998,
        condition_mix="all-subsets",
        spread=0.5,
        looks=8,
        rewritings=8,
        **_SHARED,
    ),
    "alignment-F+L": AlignmentTraining(
        steps=800, batch=64, learning_rate=1e-3, ema=0.98, contrast_weight=0.05, **_SHARED
    ),
    "alignment-F+T": AlignmentTraining(
        steps=400,
        batch=64,
        learning_rate=1e-3,
        ema=0.98,
        contrast_weight=0.05,
        report_spread=0.5,
        **_SHARED,
    ),
    "prompt-lexicon": WordingTraining(
        steps=19200,
        batch=125,
        learning_rate=1e-3,
        seed=1,
        odd=0.2,
        lexicon="wide",
        pieces=20,
        ema=0.995,
        **_SHARED,
    ),
}
"""The embedded checkpoint's recipe: 64x64 pictures, two CPU cores, the phantom's 8,000 studies."""

_CARD: dict[str, Any] = {
    "weight_decay": 1e-4,
    "warmup": 0.05,
    "precision": "bf16",
    "draws": "study",
}
_PIXELS: dict[str, Any] = {**_CARD, "channels_last": True}

SMALL: dict[str, StageConfig] = {
    "image-vae": ImageVAETraining(
        epochs=12,
        batch=16,
        learning_rate=4e-4,
        ema=0.999,
        kl_weight=1e-6,
        whitening=0.5,
        **_PIXELS,
    ),
    "prompt-encoders": PromptTraining(
        epochs=30,
        batch=128,
        learning_rate=5e-4,
        ema=0.999,
        weight_tf=0.5,
        weight_tl=0.5,
        label_weight=1.0,
        noise=0.02,
        shift=8,
        **_CARD,
    ),
    "report-vae": ReportVAETraining(
        epochs=40,
        batch=128,
        learning_rate=5e-4,
        ema=0.999,
        beta=0.006,
        beta_zero=0.0,
        beta_rise=0.5,
        word_drop=0.3,
        word_drop_late=0.2,
        **_CARD,
    ),
    "image-ldm-F": DenoiserTraining(
        epochs=250,
        batch=128,
        learning_rate=3e-4,
        ema=0.9999,
        condition_mix="all-subsets",
        **_PIXELS,
    ),
    "image-ldm-L": DenoiserTraining(
        epochs=250,
        batch=128,
        learning_rate=3e-4,
        ema=0.9999,
        seed=1,
        condition_mix="all-subsets",
        **_PIXELS,
    ),
    "report-ldm": DenoiserTraining(
        epochs=250,
        batch=512,
        learning_rate=5e-4,
        ema=0.9999,
        condition_mix="all-subsets",
        spread=0.5,
        **_CARD,
    ),
    "alignment-F+L": AlignmentTraining(
        epochs=20, batch=64, learning_rate=3e-4, ema=0.999, contrast_weight=0.05, **_PIXELS
    ),
    "alignment-F+T": AlignmentTraining(
        epochs=10,
        batch=64,
        learning_rate=3e-4,
        ema=0.999,
        contrast_weight=0.05,
        report_spread=0.5,
        **_CARD,
    ),
}
"""For 70,000 studies at 256x256 and one 24 GB card, two days by its plan (docs/training.md).

``tiny``'s recipe with what a larger model and real pictures ask for: epochs in place of steps,
lower rates, longer averages, bf16. No stage was trained to its end: these are starting points.
"""

_XGEM: dict[str, Any] = {
    "weight_decay": 1e-4,
    "warmup": 0.2,
    "clip": 1.0,
    "precision": "bf16",
    "draws": "study",
}
_LDM: dict[str, Any] = {"epochs": 100, "ema": 0.9999, **_XGEM}

PAPER: dict[str, StageConfig] = {
    # XGeM's released code: 30 epochs, batch 512, 5e-5, 1e-4. One batch of both views: the paper,
    # section III-A.
    "prompt-encoders": PromptTraining(
        epochs=30, batch=512, learning_rate=5e-5, views="together", **_XGEM
    ),
    # XGeM: 100 epochs, batch 256, one beta cycle (half 0, a quarter rising to 1, a quarter at 1),
    # free bits once beta > 0, clip 1.0. Its rate is that of its report LDM;
    # the number of free bits is Optimus' usual one.
    "report-vae": ReportVAETraining(
        epochs=100, batch=256, learning_rate=5e-5, free_bits=0.5, **_XGEM
    ),
    # The paper, section III-B: batch 512, 5e-5, 1e-4, 100 epochs, AdamW; T is the condition.
    "image-ldm-F": DenoiserTraining(batch=512, learning_rate=5e-5, **_LDM),
    "image-ldm-L": DenoiserTraining(batch=512, learning_rate=5e-5, seed=1, **_LDM),
    # The paper, section III-B: batch 1024, 1e-5 (XGeM: 5e-5), 1e-4, 100 epochs; F, L or both.
    # CoDi's report latent is the posterior's mean.
    "report-ldm": DenoiserTraining(
        batch=1024, learning_rate=1e-5, condition_mix="all-subsets", spread=0.0, **_LDM
    ),
    # XGeM: 50 epochs, batch 128, only the environment parts. The loss' sum is the paper's, eq. 3-5.
    "alignment-F+L": AlignmentTraining(epochs=50, batch=128, learning_rate=5e-5, **_XGEM),
    "alignment-F+T": AlignmentTraining(epochs=50, batch=128, learning_rate=5e-5, **_XGEM),
}
"""The paper's numbers, and XGeM's (the authors' later code) where the paper is silent.

Everywhere: cosine with 20 % warm-up (XGeM). Ours, where both are silent: bf16 autocast, the average
of the LDMs' weights (0.9999, Stable Diffusion's), the condition dropped at 10 %.
"""

RECIPES: dict[str, dict[str, StageConfig]] = {"tiny": TINY, "small": SMALL, "paper": PAPER}
STAGES: tuple[str, ...] = tuple(TINY)
"""Every stage, in the order that ``train all`` runs them."""


def recipe(preset: str) -> dict[str, StageConfig]:
    """The stages of a preset, in order; InputError for an unknown one."""
    if preset not in RECIPES:
        raise InputError(f"--preset {preset}: unknown; use one of {', '.join(RECIPES)}")
    return RECIPES[preset]


def for_other_data(config: StageConfig) -> StageConfig:
    """The config for data that aren't the phantom's: the recipe says no other texts there.

    Only the phantom's reports have other wordings, and variants of an archive's would fill memory.
    """
    if isinstance(config, DenoiserTraining):
        return replace(config, wordings=0, rewritings=0)
    return replace(config, variants=0) if isinstance(config, ReportVAETraining) else config


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
