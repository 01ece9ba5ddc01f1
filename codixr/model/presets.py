"""Sizes of the model: one dataclass a component, and the presets that fill them in.

Notable: presets differ in numbers only. A number that is neutral in the paper's setting (a stem
without layers, a context scale of 1) is how ``tiny`` buys quality on two CPU cores.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PromptConfig:
    """CLIP's two towers (paper, section III-A), as keyword arguments of transformers' configs."""

    embed_dim: int
    text: dict[str, Any]
    vision: dict[str, Any]
    stem_widths: tuple[int, ...] = ()
    """Stride-2 stages of a convolutional stem in place of the patch projection; () is CLIP's."""
    max_tokens: int = 77


@dataclass(frozen=True)
class ImageVAEConfig:
    """Keyword arguments of diffusers' AutoencoderKL, and what stands before it."""

    autoencoder: dict[str, Any]
    pixel_unshuffle: int = 1
    """Space-to-depth factor before the encoder and after the decoder; 1 is none."""
    channels: int = 3
    """Channels a grey picture is repeated to."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """The environment encoder V and the cross-modal transformers (paper, eq. 3-5)."""

    embed_dim: int
    channels: int
    channel_mult: tuple[int, ...]
    heads: int
    norm_groups: int = 32
    feed_forward_mult: float = 4.0


@dataclass(frozen=True)
class ReportVAEConfig:
    """Optimus: keyword arguments of transformers' BertConfig and GPT2Config."""

    latent_dim: int
    bert: dict[str, Any]
    gpt2: dict[str, Any]
    max_tokens: int = 77


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


@dataclass(frozen=True)
class TokenizerConfig:
    """The sub-folders of the model's tokenizers; equal names are one tokenizer."""

    prompt: str = "tokenizer"
    report_encoder: str = "tokenizer"
    report_decoder: str = "tokenizer"

    def folders(self) -> tuple[str, str, str]:
        """The three, in this order."""
        return self.prompt, self.report_encoder, self.report_decoder


@dataclass(frozen=True)
class DiffusionConfig:
    """The noise schedule and how a sample is drawn."""

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    scheduler: str = "DDIMScheduler"
    """Any of diffusers' schedulers, by class name."""
    steps: int = 50
    guidance: float = 7.5
    report_clip: float | None = None
    """Bound on the predicted clean report latent, in standard deviations; None is none."""
    context_scale: float = 1.0
    """Factor on the unit-norm condition vectors before the UNets see them."""
    condition_fusion: str = "mean"
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
            autoencoder={
                "in_channels": 4,
                "out_channels": 4,
                "down_block_types": ["DownEncoderBlock2D"] * 3,
                "up_block_types": ["UpDecoderBlock2D"] * 3,
                "block_out_channels": [32, 48, 64],
                "layers_per_block": 1,
                "latent_channels": 4,
                "norm_num_groups": 8,
                "sample_size": 32,
                "mid_block_add_attention": False,
            },
        ),
        image_unet={
            "sample_size": 8,
            "in_channels": 4,
            "out_channels": 4,
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
        ),
        report_vae=ReportVAEConfig(
            latent_dim=latent,
            bert={
                "vocab_size": vocab_size,
                "hidden_size": hidden,
                "intermediate_size": 3 * hidden,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "max_position_embeddings": 80,
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
        ),
        report_environment=EnvironmentConfig(
            embed_dim=64,
            channels=16,
            channel_mult=(1, 2),
            heads=4,
            norm_groups=8,
            feed_forward_mult=0.5,
        ),
        diffusion=DiffusionConfig(
            scheduler="DPMSolverMultistepScheduler",
            steps=12,
            guidance=2.0,
            report_clip=4.0,
            context_scale=embed**0.5,
        ),
    )
