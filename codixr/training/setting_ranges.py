"""The numbers that a stage's settings may have, by name, and which of them go together."""

from dataclasses import fields
from pathlib import Path

from codixr.errors import InputError
from codixr.ranges import Range
from codixr.training.stage_config import DenoiserTraining, PromptTraining, StageConfig

_SHARE = Range(0, 1)
_FACTOR = Range(0, 1_000_000)
_RATE = Range(0, 10)
_STEPS = Range(0, 1_000_000_000, whole=True)
_VERSIONS = Range(0, 1000, whole=True)
_TEXTS = Range(1, 10_000_000, whole=True)

RANGES: dict[str, Range] = {
    "accumulate": Range(1, 1_000_000, whole=True),
    "batch": Range(1, 1_000_000, whole=True),
    "beta": _FACTOR,
    "beta2": Range(0, 1, below=True),
    "beta_rise": _SHARE,
    "beta_zero": _SHARE,
    "clip": Range(0, 1_000_000_000, above=True),
    "contrast_weight": _FACTOR,
    "drop": _SHARE,
    "ema": Range(0, 1, below=True),
    "epochs": Range(0, 1_000_000, above=True, none=True),
    "final_rate": _SHARE,
    "free_bits": Range(0, 1000),
    "kl_weight": _FACTOR,
    "label_weight": _FACTOR,
    "learning_rate": Range(0, 10, above=True),
    "looks": _VERSIONS,
    "lora_rank": Range(0, 10_000, whole=True),
    "low_noise": _SHARE,
    "meanings": _TEXTS,
    "mse_weight": _FACTOR,
    "near_misses": Range(0, 1000, whole=True),
    "noise": Range(0, 10),
    "odd": _SHARE,
    "own_share": _SHARE,
    "pieces": Range(0, 1_000_000, whole=True),
    "preview_every": _STEPS,
    "refine_beta": _FACTOR,
    "refine_learning_rate": _RATE,
    "refine_steps": _STEPS,
    "refine_word_drop": _SHARE,
    "report_spread": Range(0, 100),
    "rewritings": _VERSIONS,
    "save_every": Range(0, 1_000_000_000, none=True),
    # The seeds of steps are made of it by products, and have to stay below 2**63.
    "seed": Range(0, 100_000_000_000, whole=True),
    "shift": Range(0, 10_000, whole=True),
    "spread": Range(0, 100),
    "steps": Range(1, 1_000_000_000, whole=True, none=True),
    # A hundredth is the least that the contrast's learned one can be.
    "temperature": Range(0.01, 100),
    "validate_batches": Range(0, 1_000_000, whole=True),
    "validate_every": _STEPS,
    "variants": _VERSIONS,
    "vocabulary_texts": _TEXTS,
    "warmup": _SHARE,
    "weight_decay": Range(0, 10),
    "weight_fl": _FACTOR,
    "weight_tf": _FACTOR,
    "weight_tl": _FACTOR,
    "whitening": _SHARE,
    "word_drop": _SHARE,
    "word_drop_late": _SHARE,
    "wordings": _VERSIONS,
    "workers": Range(0, 1000, whole=True, none=True),
}
"""Every number of every stage's config; what is not in here is one of some words, or a switch."""


def out_of_range(config: StageConfig) -> tuple[str, Range] | None:
    """The first field whose number no run can have, and what it may be; None where all are fine."""
    for f in fields(config):
        if f.name in RANGES and getattr(config, f.name) not in RANGES[f.name]:
            return f.name, RANGES[f.name]
    return None


def check_together(stage: str, config: StageConfig) -> None:
    """InputError for settings of a stage that contradict each other."""
    if config.steps is None and config.epochs is None:
        raise InputError(f"{stage}: give steps or epochs, above 0")
    versions = [n for n in ("wordings", "looks", "rewritings") if getattr(config, n, 0)]
    if versions and not config.cache:
        none = ", ".join(f"{name}=0" for name in versions)
        raise InputError(f"{stage}: versions are encoded once: give cache=true, or {none}")
    if config.refine_steps and not config.refine_learning_rate:
        raise InputError(f"{stage}: refine_steps needs a refine_learning_rate above 0")
    if config.accumulate > 1 and not config.accumulates:
        raise InputError(
            f"{stage}: accumulate is {config.accumulate}, but this stage contrasts all studies of "
            "a batch: cut, it would lose negatives; use more processes, checkpoint_gradients=true, "
            "or a smaller batch"
        )
    if isinstance(config, PromptTraining):
        _check_contrast(stage, config)
    mix = isinstance(config, DenoiserTraining) and config.condition_mix
    if stage == "report-ldm" and mix == "text-only":
        raise InputError(
            f"{stage}: condition_mix=text-only, but its conditions are X-rays: use all-subsets"
        )


def check_start(stage: str, config: StageConfig, init: Path | None) -> None:
    """InputError for a LoRA with no weights of ``--init`` to stand beside."""
    rank = config.lora_rank if isinstance(config, DenoiserTraining) else 0
    if rank and (config.start != "init" or init is None):
        raise InputError(
            f"{stage}: lora_rank={rank} trains beside finished weights: give their folder with "
            "--init, and start=init"
        )


def _check_contrast(stage: str, config: PromptTraining) -> None:
    """InputError for pairs that cannot be contrasted."""
    if not any((config.weight_tf, config.weight_tl, config.weight_fl)):
        raise InputError(f"{stage}: weight_tf, weight_tl and weight_fl are all 0: give one above 0")
    together = config.views == "together"
    if together and config.weight_tf != config.weight_tl:
        raise InputError(
            f"{stage}: with views=together there is one loss of reports and X-rays: give weight_tf "
            f"and weight_tl the same value, not {config.weight_tf} and {config.weight_tl}"
        )
    if config.near_misses and not config.frozen_text:
        raise InputError(f"{stage}: near_misses needs --set {stage}.frozen_text=true")
    if config.near_misses and together:
        raise InputError(f"{stage}: near_misses differ by view: they need views=apart")
