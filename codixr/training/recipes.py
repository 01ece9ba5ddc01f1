"""What each stage is trained with: one frozen dataclass a stage, filled in by the preset's recipe.

Notable: a field that changes *what* is learnt must stay as it is from one sitting to the next; a
field marked ``HOW`` (precision, accumulation, when to save) may change when a run goes on.
"""

import math
import types
import typing
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal

from codixr.errors import InputError

HOW: dict[str, Any] = {"how": True}
ConditionMix = Literal["text-only", "all-subsets"]
Precision = Literal["no", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What every stage has. Give ``steps`` or ``epochs``."""

    batch: int
    """Studies a step, over all processes."""
    learning_rate: float
    steps: int | None = None
    epochs: float | None = None
    """Passes over the training studies; ``steps`` wins where both stand."""
    weight_decay: float = 1e-4
    beta2: float = 0.999
    """AdamW's second beta (the first is 0.9)."""
    warmup: float = 0.2
    """Share of the steps in which the learning rate rises; then it falls as a cosine."""
    final_rate: float = 0.0
    """Where the cosine ends, as a share of ``learning_rate``."""
    clip: float = 1.0
    """Bound on the gradient's norm."""
    ema: float = 0.0
    """Decay of the averaged weights, which are what the stage saves; 0 keeps the last weights."""
    refine_steps: int = 0
    """A second phase: so many steps from the averaged weights, with a schedule of its own."""
    refine_learning_rate: float = 0.0
    seed: int = 0
    start: Literal["init", "scratch"] = "init"
    """Weights to begin with: those of ``--init`` where it has them, or new ones."""
    accumulate: int = field(default=1, metadata=HOW)
    """Parts a step's batch is cut into, one after the other: less memory, the same gradient."""
    precision: Precision = field(default="no", metadata=HOW)
    """Autocast; "no" is float32."""
    checkpoint_gradients: bool = field(default=False, metadata=HOW)
    """Compute activations twice rather than keep them."""
    channels_last: bool = field(default=False, metadata=HOW)
    """Memory order of the convolutions."""
    cache: bool = field(default=True, metadata=HOW)
    """Run frozen encoders once and keep what they give; false runs them at every step."""
    save_every: float = field(default=120.0, metadata=HOW)
    """Seconds between checkpoints."""
    validate_every: int = field(default=200, metadata=HOW)
    """Steps between looks at the validation loss, which chooses ``best.pt``; 0 is never."""
    validate_batches: int = field(default=4, metadata=HOW)
    preview_every: int = field(default=0, metadata=HOW)
    """Steps between samples in OUT/samples; 0 is at the end only."""
    tracker: str = field(default="tensorboard", metadata=HOW)
    """Any tracker of Accelerate by name ("wandb", "mlflow", ...), or "none"."""

    accumulates: ClassVar[bool] = True
    """Whether a batch may be cut: a contrastive loss would lose negatives."""

    @property
    def total_steps(self) -> int:
        """Steps of both phases; ``steps`` must be known."""
        assert self.steps is not None
        return self.steps + self.refine_steps

    def phase(self, step: int) -> tuple[int, int, int]:
        """(phase 0 or 1, step within it, its steps)."""
        assert self.steps is not None
        if step < self.steps:
            return 0, step, self.steps
        return 1, step - self.steps, self.refine_steps

    def rate(self, step: int) -> float:
        """The learning rate at ``step``."""
        phase, at, steps = self.phase(step)
        top = self.refine_learning_rate if phase else self.learning_rate
        rise = max(1, round(steps * self.warmup))
        if at < rise:
            return top * (at + 1) / rise
        fall = (at - rise) / max(1, steps - rise)
        return top * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * fall)) / 2)


@dataclass(frozen=True, kw_only=True)
class ImageVAETraining(StageConfig):
    """Stage 0, ``tiny`` only. ``batch`` counts studies: both views of each are seen."""

    mse_weight: float = 10.0
    kl_weight: float = 2e-6
    whitening: float = 1.0
    """1 gives every channel of a latent unit variance; at less, the large ones stay larger."""


@dataclass(frozen=True, kw_only=True)
class PromptTraining(StageConfig):
    """Stage 1."""

    weight_tf: float = 1.0
    weight_tl: float = 1.0
    weight_fl: float = 0.0
    """Factors of the pairs' losses; the paper contrasts reports and X-rays only."""
    label_weight: float = 0.0
    """Factor of the cross-entropy of the reports' labels, which one linear layer that is not kept
    reads off the vectors of F, L and T; at 0, the paper's, no label is seen."""
    temperature: float = 0.07
    """Where the learned temperature starts."""
    noise: float = 0.0
    shift: int = 0
    """Augmentation of pictures: noise up to this std, shifts up to so many pixels."""

    accumulates: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class WordingTraining(StageConfig):
    """Stage 1b, ``tiny`` with the phantom only."""

    meanings: int = 24_000
    """Different things that texts say; each is said in new words at every step."""
    own_share: float = 0.16
    """Share of the texts that are the studies' own reports."""
    odd: float = 0.1
    """Share of the other texts with abbreviations or typos."""
    vocabulary_texts: int = 16_000
    """Texts whose words make the tokenizer's vocabulary."""


@dataclass(frozen=True, kw_only=True)
class DenoiserTraining(StageConfig):
    """Stages 2a and 2b: a latent diffusion model of one modality."""

    condition_mix: ConditionMix = "text-only"
    """"text-only", or "all-subsets": every non-empty subset of the other modalities."""
    drop: float = 0.1
    """How often the condition is dropped, for guidance without a classifier."""
    spread: float = 1.0
    """Factor on the posterior's std when a latent is drawn; 0 trains on its mean."""


@dataclass(frozen=True, kw_only=True)
class ReportVAETraining(StageConfig):
    """Stage 2b, first half. One beta cycle over the first phase; a lower beta may refine it."""

    beta: float = 1.0
    beta_zero: float = 0.5
    beta_rise: float = 0.25
    """Shares of the steps in which beta is 0, and in which it rises to ``beta``."""
    free_bits: float = 0.0
    """Nats a dimension that cost nothing, once beta is above 0."""
    word_drop: float = 0.0
    word_drop_late: float = 0.0
    """The decoder's dropped words in the first half of the steps, and in the second."""
    refine_beta: float = 0.0
    refine_word_drop: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AlignmentTraining(StageConfig):
    """Stage 3."""

    contrast_weight: float = 1.0
    """Factor of CL(V_1, V_2)."""
    temperature: float = 0.1
    drop: float = 0.1
    report_spread: float = 0.0
    """Factor on the std of the report's latent, as the report LDM's ``spread``."""

    accumulates: ClassVar[bool] = False


_SHARED: dict[str, Any] = {"beta2": 0.99, "warmup": 0.1, "final_rate": 0.02, "weight_decay": 1e-4}

TINY: dict[str, StageConfig] = {
    "image-vae": ImageVAETraining(
        steps=3500,
        batch=64,
        learning_rate=1.5e-3,
        ema=0.995,
        kl_weight=5e-7,
        whitening=0.5,
        **_SHARED,
    ),
    "prompt-encoders": PromptTraining(
        steps=1300,
        batch=128,
        learning_rate=1.2e-3,
        ema=0.99,
        weight_tf=0.5,
        weight_tl=0.5,
        label_weight=1.0,
        noise=0.04,
        shift=2,
        **_SHARED,
    ),
    "prompt-wording": WordingTraining(
        steps=3600,
        batch=125,
        learning_rate=1.6e-3,
        refine_steps=900,
        refine_learning_rate=1e-3,
        ema=0.995,
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
        **_SHARED,
    ),
    "image-ldm-F": DenoiserTraining(
        steps=8000,
        batch=256,
        learning_rate=1e-3,
        ema=0.999,
        condition_mix="all-subsets",
        **_SHARED,
    ),
    "image-ldm-L": DenoiserTraining(
        steps=8000,
        batch=256,
        learning_rate=1e-3,
        ema=0.999,
        seed=1,
        condition_mix="all-subsets",
        **_SHARED,
    ),
    "report-ldm": DenoiserTraining(
        steps=3200,
        batch=256,
        learning_rate=1e-3,
        ema=0.998,
        condition_mix="all-subsets",
        spread=0.5,
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
}
"""The embedded checkpoint's recipe: 64x64 pictures, two CPU cores, the phantom's 8,000 studies."""

_XGEM: dict[str, Any] = {"weight_decay": 1e-4, "warmup": 0.2, "clip": 1.0, "precision": "bf16"}
_LDM: dict[str, Any] = {"epochs": 100, "ema": 0.9999, **_XGEM}

PAPER: dict[str, StageConfig] = {
    # XGeM's released code: 30 epochs, batch 512, 5e-5, 1e-4. Pairs: the paper, section III-A.
    "prompt-encoders": PromptTraining(epochs=30, batch=512, learning_rate=5e-5, **_XGEM),
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

RECIPES: dict[str, dict[str, StageConfig]] = {"tiny": TINY, "paper": PAPER}
STAGES: tuple[str, ...] = tuple(TINY)
"""Every stage, in the order that ``train all`` runs them."""


def recipe(preset: str) -> dict[str, StageConfig]:
    """The stages of a preset, in order; InputError for an unknown one."""
    if preset not in RECIPES:
        raise InputError(f"--preset {preset}: unknown; use one of {', '.join(RECIPES)}")
    return RECIPES[preset]


def override(
    configs: dict[str, StageConfig], settings: dict[str, str], model_fields: frozenset[str]
) -> tuple[dict[str, StageConfig], dict[str, str]]:
    """The configs with ``settings`` ("steps" or "image-ldm.steps" -> text) applied.

    A bare name changes every stage that has it; a prefix names a stage, or the first part of one
    ("image-ldm", "alignment"). What is left belongs to the model: names after "model.", and those
    of ``model_fields`` that no stage has. InputError for a name that nothing has, and for a value
    of the wrong kind.
    """
    changed, model = dict(configs), {}
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
    return changed, model


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
    above_zero = ("batch", "learning_rate", "accumulate", "clip")
    for name in above_zero:
        if not getattr(config, name) > 0:
            raise InputError(f"{stage}: {name} is {getattr(config, name)}; it must be above 0")
    if (config.steps is None or config.steps < 1) and not (config.epochs and config.epochs > 0):
        raise InputError(f"{stage}: give steps or epochs, above 0")
    for f in fields(config):
        value = getattr(config, f.name)
        if isinstance(value, int | float) and value < 0:
            raise InputError(f"{stage}: {f.name} is {value}; it must be 0 or above")
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


def contradiction(saved: dict[str, Any], config: StageConfig) -> tuple[str, Any, Any] | None:
    """(field, saved value, value now) of the first field that must not have changed, or None."""
    for f in fields(config):
        if f.metadata.get("how"):
            continue
        now = getattr(config, f.name)
        if f.name in saved and saved[f.name] != now:
            return f.name, saved[f.name], now
    return None
