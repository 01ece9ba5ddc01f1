"""What each stage is trained with, by preset."""

from dataclasses import replace
from typing import Any

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
        pieces=8,
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
