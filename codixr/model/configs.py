"""What a model is made of, in numbers: one dataclass a component.

Notable: a number that is neutral in the paper's setting (a stem without layers, a context scale of
1) is how ``tiny`` buys quality on two CPU cores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal, get_args

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.ranges import Range

StemNormKind = Literal["batch", "group"]
Pooling = Literal["class", "mean"]
PredictionType = Literal["epsilon", "v_prediction"]
ConditionFusion = Literal["mean", "tokens"]
JointOutputs = Literal["together", "in-turn"]
MOST_GUIDANCE = 1000.0
"""The largest guidance of any output that a model may have."""

DIFFUSION_RANGES: Mapping[str, Range] = {
    "train_steps": Range(2, 100_000, whole=True),
    "beta_start": Range(0, 1, above=True, below=True),
    "beta_end": Range(0, 1, above=True, below=True),
    "steps": Range(1, 100_000, whole=True),
    "guidance": Range(0, MOST_GUIDANCE),
    "lateral_guidance": Range(0, MOST_GUIDANCE, none=True),
    "report_guidance": Range(0, MOST_GUIDANCE, none=True),
    "steps_offset": Range(0, 100_000, whole=True),
    "report_temperature": Range(0, 100),
    "report_tokens": Range(1, 100_000, whole=True, none=True),
    "report_clip": Range(0, 1000, above=True, none=True),
    "context_scale": Range(0, 10_000, above=True),
}
"""What each number of ``DiffusionConfig`` may be."""
DIFFUSION_WORDS: Mapping[str, tuple[str, ...]] = {
    "prediction_type": get_args(PredictionType),
    "condition_fusion": get_args(ConditionFusion),
    "joint": get_args(JointOutputs),
}
"""Likewise each word; ``scheduler`` is any that ``codixr.model.schedulers`` knows."""


@dataclass(frozen=True)
class PromptConfig:
    """CLIP's two towers (paper, section III-A), as keyword arguments of transformers' configs."""

    embed_dim: int
    text: dict[str, Any]
    vision: dict[str, Any]
    stem_widths: tuple[int, ...] = ()
    """Stride-2 stages of a convolutional stem in place of the patch projection; () is CLIP's."""
    stem_norm: StemNormKind = "group"
    """"batch", or "group" as in the first checkpoints."""
    pooling: Pooling = "class"
    """The vision tower's vector: of its "class" token (CLIP's), or the "mean" of all tokens."""
    image_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    """Of each channel, subtracted before the vision tower; CLIP's by default."""
    image_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    max_tokens: int = 77


@dataclass(frozen=True)
class ImageVAEConfig:
    """Keyword arguments of diffusers' AutoencoderKL, and what stands before it."""

    autoencoder: dict[str, Any]
    pixel_unshuffle: int = 1
    """Space-to-depth factor before the encoder and after the decoder; 1 is none."""
    channels: int = 3
    """Channels a grey picture is repeated to."""
    dct_scale: float = 0.0
    """Above 0: the latent's channels begin as the lowest DCT coefficients of a block, divided by
    this, and the autoencoder learns the rest (JPEG's basis); 0 is none."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """The environment encoder V and the cross-modal transformers (paper, eq. 3-5)."""

    embed_dim: int
    channels: int
    channel_mult: tuple[int, ...]
    heads: int
    norm_groups: int = 32
    feed_forward_mult: float = 4.0
    norm_eps: float = 1e-6
    """Of the cross-modal transformers' group norms."""
    blocks_per_level: int = 1
    """Residual blocks a level of V; 0, for a report: two linear layers instead."""
    own_time_channels: int = 0
    """Width of V's own timestep embedding; 0: V reads its UNet's."""
    after_upsampling: bool = True
    """The last cross-modal transformer of an up level comes after its upsampling, as in CoDi."""


@dataclass(frozen=True)
class ReportVAEConfig:
    """Optimus: keyword arguments of transformers' BertConfig and GPT2Config."""

    latent_dim: int
    bert: dict[str, Any]
    gpt2: dict[str, Any]
    max_tokens: int = 77
    sinusoidal_start: bool = False
    """New position embeddings are sinusoids, not noise: a small model that starts from nothing
    learns sooner which word stands beside which."""


@dataclass(frozen=True)
class ReportUNetConfig:
    """The FC-ResBlock UNet over a report's latent vector (paper, section III-B)."""

    latent_dim: int
    channels: int
    channel_mult: tuple[int, ...]
    positions: int
    blocks_per_level: int
    attention_levels: tuple[int, ...]
    heads: int
    context_dim: int
    norm_groups: int = 32
    feed_forward_mult: float = 4.0
    norm_eps: float = 1e-6
    """Of the attention blocks' group norms."""
    shared_out_norm: bool = True
    """The last norm has one scale a channel; else one a channel and position."""


@dataclass(frozen=True)
class TokenizerConfig:
    """The sub-folders of the model's tokenizers; equal names are one tokenizer."""

    prompt: str = "tokenizer"
    report_encoder: str = "tokenizer"
    report_decoder: str = "tokenizer"
    lower_case: bool = False
    """Reports are lower-cased first, in training and as prompts (XGeM's code, for every stage)."""

    def folders(self) -> tuple[str, str, str]:
        """The three, in this order."""
        return self.prompt, self.report_encoder, self.report_decoder


@dataclass(frozen=True)
class DiffusionConfig:
    """The noise schedule and how a sample is drawn."""

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    prediction_type: PredictionType = "epsilon"
    """What a denoiser gives, by diffusers' names: the noise ("epsilon", the paper's), or
    "v_prediction" (Salimans and Ho, 2022), which learns a picture's large shapes sooner."""
    scheduler: str = "DDIMScheduler"
    """Any of diffusers' schedulers, by class name."""
    steps: int = 50
    guidance: float = 7.5
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Between which noises guidance acts, as shares of the timesteps: 0 is clean, 1 pure noise. At
    the others its scale is at most 1 (Kynkäänniemi et al., 2024). All of them, as in CoDi."""
    lateral_guidance: float | None = None
    """Of laterals, in the same interval; None is ``guidance``, as of frontals."""
    report_guidance: float | None = None
    """Of reports, at every noise; None is the pictures', in the pictures' interval."""
    steps_offset: int = 1
    """Where DDIM's grid begins: 1, 21, ... as CoDi's, or 0, 20, ... as XGeM's."""
    report_temperature: float = 0.0
    """Of the words of a report; 0 takes the likeliest each time. Both releases draw them at 1."""
    report_tokens: int | None = None
    """Words of a report at most; None is the VAE's ``max_tokens``. Both releases stop at 30."""
    report_clip: float | None = None
    """Bound on the predicted clean report latent, in standard deviations; None is none."""
    context_scale: float = 1.0
    """Factor on the unit-norm condition vectors before the UNets see them."""
    condition_fusion: ConditionFusion = "mean"
    """Several conditions: their weighted "mean" (the paper's), or one of the "tokens" each."""
    joint: JointOutputs = "together"
    """Several outputs: "together", each attending to the others' environment vectors (the paper's),
    or "in-turn", each a prompt for those after it."""

    def __post_init__(self) -> None:
        """InputError for a number or a word that no model can have."""
        for name, numbers in DIFFUSION_RANGES.items():
            if (value := getattr(self, name)) not in numbers:
                raise InputError(f"{name} {value!r}: give {numbers}")
        for name, words in DIFFUSION_WORDS.items():
            if (value := getattr(self, name)) not in words:
                raise InputError(f"{name} {value!r}: give {' or '.join(words)}")
        if not isinstance(self.scheduler, str) or not self.scheduler:
            raise InputError(f"scheduler {self.scheduler!r}: give the name of one of diffusers'")
        if self.beta_start > self.beta_end:
            raise InputError(
                f"beta_start {self.beta_start} is above beta_end {self.beta_end}: noise grows with "
                "the timestep; give the smaller one first"
            )
        object.__setattr__(self, "guidance_interval", interval(self.guidance_interval))

    def guidance_of(
        self,
        output: Modality,
        *,
        scale: float | None = None,
        within: tuple[float, float] | None = None,
    ) -> tuple[float, tuple[float, float]]:
        """Scale and interval of an output's guidance; what was asked for wins."""
        usual = self.guidance_interval
        if scale is None and output is Modality.L:
            scale = self.lateral_guidance
        if output is Modality.T and self.report_guidance is not None:
            scale, usual = self.report_guidance if scale is None else scale, (0.0, 1.0)
        return self.guidance if scale is None else scale, usual if within is None else within


def interval(value: Any) -> tuple[float, float]:
    """A guidance interval, of a pair or an array of two; InputError for any other.

    Two numbers from 0 to 1, the lower one first.
    """
    pair = value.tolist() if hasattr(value, "tolist") else value
    numbers = isinstance(pair, list | tuple) and len(pair) == 2
    if not numbers or any(isinstance(x, bool) or not isinstance(x, Real) for x in pair):
        raise InputError(f"guidance_interval {value!r}: give two numbers, e.g. (0.2, 0.8)")
    if not 0 <= pair[0] <= pair[1] <= 1:
        raise InputError(f"guidance_interval {value!r}: give 0 to 1, the lower one first")
    return float(pair[0]), float(pair[1])


def scale_at(noise: float, guidance: float, within: tuple[float, float]) -> float:
    """Guidance's scale at a noise in [0, 1]: at most 1, the condition alone, outside ``within``."""
    return guidance if within[0] <= noise <= within[1] else min(guidance, 1.0)


@dataclass(frozen=True)
class Preset:
    """Every number of the model."""

    name: str
    image_size: int
    latent_size: int
    prompt: PromptConfig
    image_vae: ImageVAEConfig
    image_unet: dict[str, Any]
    image_environment: EnvironmentConfig
    report_vae: ReportVAEConfig
    report_unet: ReportUNetConfig
    report_environment: EnvironmentConfig
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    tokenizers: TokenizerConfig = field(default_factory=TokenizerConfig)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Of a picture's latent: channels, height, width."""
        return self.image_unet["in_channels"], self.latent_size, self.latent_size
