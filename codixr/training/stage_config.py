"""The numbers that a training stage has, by kind of stage.

Notable: a field that changes *what* is learnt must stay as it is from one sitting to the next; a
field marked ``HOW`` (precision, accumulation, when to save) may change when a run goes on.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Literal

HOW: dict[str, Any] = {"how": True}
ConditionMix = Literal["text-only", "all-subsets"]
Views = Literal["apart", "together"]
Precision = Literal["no", "bf16", "fp16"]
Draws = Literal["step", "study"]


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What every stage has. Give ``steps`` or ``epochs``."""

    batch: int
    """Studies a step, over all processes."""
    learning_rate: float
    steps: int | None = None
    epochs: float | None = None
    """Passes over the training studies; ``steps`` wins where both stand. ``--set epochs=`` alone
    leaves out the recipe's steps."""
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
    draws: Draws = "step"
    """Noise for a step's whole batch on the CPU, or on the device for each study and epoch."""
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
    tf32: bool = field(default=True, metadata=HOW)
    """On NVIDIA's GPUs, multiply float32 matrices with TensorFloat-32's 10 bits of fraction."""
    compile: bool = field(default=False, metadata=HOW)
    """Have torch.compile make one kernel of a block's many; the first step takes minutes."""
    workers: int | None = field(default=None, metadata=HOW)
    """Threads that read batches ahead; None: 2 beside a GPU, 0 on CPUs."""
    cache: bool = field(default=True, metadata=HOW)
    """Run frozen encoders once and keep what they give; false runs them at every step."""
    save_every: float | None = field(default=None, metadata=HOW)
    """Seconds between checkpoints; None: 120, and 1800 for one of more than 2 GB."""
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
    views: Views = "apart"
    """"together": F and L are one batch of X-rays, against their reports twice (the paper, section
    III-A). "apart", a deviation of ours: each view against the reports by itself, so that a
    report's negatives are pictures of one view."""
    label_weight: float = 0.0
    """Factor of the cross-entropy of the reports' labels, which one linear layer that is not kept
    reads off the vectors of F, L and T; at 0, the paper's, no label is seen."""
    temperature: float = 0.07
    """Where the learned temperature starts."""
    frozen_text: bool = False
    """The text tower stays as it is: X-rays learn to meet it, and what was trained on its vectors
    stays fit. For a folder that was begun with ``--init``."""
    near_misses: int = 0
    """So many further negatives of a picture: its own report with one side, zone or severity
    exchanged. A batch has few reports that differ in nothing else. A lateral view can't tell sides.
    Needs ``frozen_text``: their vectors are computed once."""
    noise: float = 0.0
    shift: int = 0
    """Augmentation of pictures: noise up to this std, shifts up to so many pixels."""

    accumulates: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class WordingTraining(StageConfig):
    """Stage 1b and the last one, ``tiny`` with the phantom only."""

    meanings: int = 24_000
    """Different things that texts say; each is said in new words at every step."""
    own_share: float = 0.16
    """Share of the texts that are the studies' own reports."""
    odd: float = 0.1
    """Share of the other texts with abbreviations or typos."""
    vocabulary_texts: int = 16_000
    """Texts whose words make the tokenizer's vocabulary."""
    lexicon: Literal["plain", "wide"] = "plain"
    """The words of the texts: the phantom's own, or more."""
    pieces: int = 200
    """Pieces of words that the tokenizer learns, for words that it doesn't know."""


@dataclass(frozen=True, kw_only=True)
class DenoiserTraining(StageConfig):
    """Stages 2a and 2b: a latent diffusion model of one modality."""

    condition_mix: ConditionMix = "text-only"
    """"text-only", or "all-subsets": every non-empty subset of the other modalities."""
    drop: float = 0.1
    """How often the condition is dropped, for guidance without a classifier."""
    spread: float = 1.0
    """Factor on the posterior's std when a latent is drawn; 0 trains on its mean."""
    low_noise: float = 0.0
    """Share of the steps' timesteps that are drawn from the first quarter alone, where fine texture
    is decided; at 0, the paper's, all are as likely."""
    wordings: int = 0
    """So many other wordings of each report stand beside it as its prompt, one drawn at a step: the
    phantom's data only (0 for any other), and with ``cache``."""
    looks: int = 0
    """So many other looks of each picture, noisy and shifted, stand beside it as its prompt, one
    drawn at a step; with ``cache``."""
    rewritings: int = 0
    """So many other reports of each study stand beside its own to be learnt: the phantom's data
    only (0 for any other), and with ``cache``."""
    lora_rank: int = 0
    """Above 0: only LoRA matrices of that rank are trained, beside the weights of ``--init``."""


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
    variants: int = 0
    """Of each training report, that are learnt beside it: sentences in another order or left out,
    sides exchanged (``report_variants.py``)."""


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


def value_then(saved: Mapping[str, Any], config: StageConfig, f: Field[Any]) -> Any:
    """A saved config's value of a field; one that is younger had its default value then."""
    return saved.get(f.name, getattr(config, f.name) if f.default is MISSING else f.default)


@dataclass(frozen=True)
class Contradiction:
    """A field that must not have changed, its value then and now, and what takes all back."""

    name: str
    before: Any
    now: Any
    cure: str
    """Every ``--set`` that a command needs to go on."""


def contradiction(
    stage: str, saved: Mapping[str, Any], config: StageConfig
) -> Contradiction | None:
    """Where a command says other numbers than ``saved``, a config of before; None if nowhere."""
    changed = {
        f.name: (before, now)
        for f in fields(config)
        if not f.metadata.get("how")
        and (before := value_then(saved, config, f)) != (now := getattr(config, f.name))
    }
    if not changed:
        return None
    name = "epochs" if "epochs" in changed else next(iter(changed))  # steps may follow from them
    before, now = changed[name]
    old = {key: both[0] for key, both in changed.items()}
    if "steps" in old:  # else those of the second phase would follow
        old["refine_steps"] = saved.get("refine_steps", 0)
    cure = " ".join(f"--set {stage}.{key}={as_text(value)}" for key, value in old.items())
    return Contradiction(name, before, now, cure)


def as_text(value: Any) -> str:
    """A setting's value as ``--set`` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
