"""Sizes of the model: one dataclass a component, and the presets that fill them in.

Notable: presets differ in numbers only. A number that is neutral in the paper's setting (a stem
without layers, a context scale of 1) is how ``tiny`` buys quality on two CPU cores.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

StemNormKind = Literal["batch", "group"]
Pooling = Literal["class", "mean"]
PredictionType = Literal["epsilon", "v_prediction"]
ConditionFusion = Literal["mean", "tokens"]


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


def tiny(vocab_size: int) -> Preset:
    """The embedded default: 64x64 pictures, under 10 M parameters, trained on two CPU cores."""
    hidden, embed, latent = 128, 256, 128
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return Preset(
        name="tiny",
        image_size=64,
        latent_size=8,
        prompt=PromptConfig(
            embed_dim=embed,
            stem_widths=(16, 32, 96, 128),
            stem_norm="batch",
            pooling="mean",
            image_mean=(0.5,),
            image_std=(0.5,),
            text={
                "vocab_size": vocab_size,
                "hidden_size": hidden,
                "intermediate_size": 4 * hidden,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 77,
                "projection_dim": embed,
                **special,
            },
            vision={
                "hidden_size": 128,
                "intermediate_size": 256,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "image_size": 64,
                "patch_size": 16,
                "num_channels": 1,
                "projection_dim": embed,
            },
        ),
        image_vae=ImageVAEConfig(
            pixel_unshuffle=2,
            channels=1,
            dct_scale=4.0,
            autoencoder={
                "in_channels": 4,
                "out_channels": 4,
                "down_block_types": ["DownEncoderBlock2D"] * 3,
                "up_block_types": ["UpDecoderBlock2D"] * 3,
                "block_out_channels": [32, 48, 56],
                "layers_per_block": 1,
                "latent_channels": 12,
                "norm_num_groups": 8,
                "sample_size": 32,
                "mid_block_add_attention": False,
            },
        ),
        image_unet={
            "sample_size": 8,
            "in_channels": 12,
            "out_channels": 12,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "block_out_channels": [64, 80],
            "layers_per_block": 1,
            "cross_attention_dim": embed,
            "attention_head_dim": 4,
            "norm_num_groups": 16,
        },
        image_environment=EnvironmentConfig(
            embed_dim=64,
            channels=16,
            channel_mult=(1, 2),
            heads=4,
            norm_groups=8,
            feed_forward_mult=0.5,
            norm_eps=1e-5,
            own_time_channels=16,
            after_upsampling=False,
        ),
        report_vae=ReportVAEConfig(
            latent_dim=latent,
            sinusoidal_start=True,
            bert={
                "vocab_size": vocab_size,
                "hidden_size": hidden,
                "intermediate_size": 3 * hidden,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 80,
                "initializer_range": 0.08,
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
                "pad_token_id": 0,
            },
            gpt2={
                "vocab_size": vocab_size,
                "n_embd": hidden,
                "n_layer": 2,
                "n_head": 4,
                "n_inner": 3 * hidden,
                "n_positions": 80,
                "initializer_range": 0.08,
                "resid_pdrop": 0.0,
                "embd_pdrop": 0.0,
                "attn_pdrop": 0.0,
                **special,
            },
        ),
        report_unet=ReportUNetConfig(
            latent_dim=latent,
            channels=56,
            channel_mult=(1,),
            positions=4,
            blocks_per_level=2,
            attention_levels=(0,),
            heads=4,
            context_dim=embed,
            norm_groups=8,
            feed_forward_mult=0.5,
            norm_eps=1e-5,
            shared_out_norm=False,
        ),
        report_environment=EnvironmentConfig(
            embed_dim=64,
            channels=16,
            channel_mult=(1, 2),
            heads=4,
            norm_groups=8,
            feed_forward_mult=0.5,
            norm_eps=1e-5,
            blocks_per_level=0,
            own_time_channels=16,
            after_upsampling=False,
        ),
        diffusion=DiffusionConfig(
            prediction_type="v_prediction",
            scheduler="DPMSolverMultistepScheduler",
            steps=6,
            guidance=2.0,
            report_clip=4.0,
            context_scale=embed**0.5,
        ),
    )


def with_prompt_tokens(preset: Preset, vocab_size: int) -> Preset:
    """``preset`` with a text tower and a tokenizer of its own for prompts as people write them.

    Three narrow layers for two: negation lists need depth more than width. 128 places, so that
    99 % of real impressions fit though their rare words come in pieces.
    """
    text = preset.prompt.text | {
        "vocab_size": vocab_size,
        "num_hidden_layers": 3,
        "intermediate_size": 192,
        "max_position_embeddings": 128,
    }
    return replace(
        preset,
        prompt=replace(preset.prompt, text=text, max_tokens=128),
        tokenizers=replace(preset.tokenizers, prompt="prompt_tokenizer"),
    )


def paper() -> Preset:
    """The paper's model: 256x256 pictures, 5.2 billion parameters without CoDi's video layers.

    CLIP ViT-L/14, Stable Diffusion 1.5's autoencoder and UNet, Optimus on BERT-base and GPT-2
    small, and CoDi's report UNet and environment parts.
    """
    text, vision = 768, 1024
    return Preset(
        name="paper",
        image_size=256,
        latent_size=32,
        prompt=PromptConfig(
            embed_dim=768,
            text={
                "vocab_size": 49408,
                "hidden_size": text,
                "intermediate_size": 4 * text,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "max_position_embeddings": 77,
                "projection_dim": 768,
                "pad_token_id": 1,
                "bos_token_id": 49406,
                "eos_token_id": 49407,
            },
            vision={
                "hidden_size": vision,
                "intermediate_size": 4 * vision,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "image_size": 224,
                "patch_size": 14,
                "num_channels": 3,
                "projection_dim": 768,
            },
        ),
        image_vae=ImageVAEConfig(
            autoencoder={
                "in_channels": 3,
                "out_channels": 3,
                "down_block_types": ["DownEncoderBlock2D"] * 4,
                "up_block_types": ["UpDecoderBlock2D"] * 4,
                "block_out_channels": [128, 256, 512, 512],
                "layers_per_block": 2,
                "latent_channels": 4,
                "norm_num_groups": 32,
                "sample_size": 256,
                "scaling_factor": 0.18215,
            },
        ),
        image_unet={
            "sample_size": 32,
            "in_channels": 4,
            "out_channels": 4,
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "block_out_channels": [320, 640, 1280, 1280],
            "layers_per_block": 2,
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
            "norm_num_groups": 32,
        },
        image_environment=_PAPER_ENVIRONMENT,
        report_vae=ReportVAEConfig(
            latent_dim=768,
            bert={
                "vocab_size": 28996,
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "max_position_embeddings": 512,
                "pad_token_id": 0,
            },
            gpt2={
                "vocab_size": 50260,
                "n_embd": 768,
                "n_layer": 12,
                "n_head": 12,
                "n_positions": 1024,
                "pad_token_id": 50257,
                "bos_token_id": 50258,
                "eos_token_id": 50259,
            },
        ),
        report_unet=ReportUNetConfig(
            latent_dim=768,
            channels=320,
            channel_mult=(1, 2, 4, 4),
            positions=4,
            blocks_per_level=2,
            attention_levels=(0, 1, 2),
            heads=8,
            context_dim=768,
        ),
        report_environment=_PAPER_ENVIRONMENT,
        tokenizers=TokenizerConfig(
            report_encoder="report_encoder_tokenizer",
            report_decoder="report_decoder_tokenizer",
            lower_case=True,
        ),
    )


_PAPER_ENVIRONMENT = EnvironmentConfig(
    embed_dim=1280, channels=160, channel_mult=(1, 2, 4), heads=8
)
