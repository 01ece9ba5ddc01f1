"""The presets: the numbers of a whole model, and nothing else.

Notable: presets differ in numbers only; what each number means stands in ``configs.py``.
"""

from collections.abc import Callable
from dataclasses import replace

from codixr.errors import InputError
from codixr.model.configs import (
    ConditionFusion,
    DiffusionConfig,
    EnvironmentConfig,
    ImageVAEConfig,
    Pooling,
    PredictionType,
    Preset,
    PromptConfig,
    ReportUNetConfig,
    ReportVAEConfig,
    StemNormKind,
    TokenizerConfig,
)
from codixr.model.small_preset import small

__all__ = [
    "FROM_NOTHING",
    "NAMES",
    "ConditionFusion",
    "DiffusionConfig",
    "EnvironmentConfig",
    "ImageVAEConfig",
    "Pooling",
    "PredictionType",
    "Preset",
    "PromptConfig",
    "ReportUNetConfig",
    "ReportVAEConfig",
    "StemNormKind",
    "TokenizerConfig",
    "at_size",
    "named",
    "paper",
    "small",
    "tiny",
    "with_prompt_tokens",
]


_TINY_HIDDEN = 128
_TINY_SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_TINY_ENVIRONMENT = EnvironmentConfig(
    embed_dim=64,
    channels=16,
    channel_mult=(1, 2),
    heads=4,
    norm_groups=8,
    feed_forward_mult=0.5,
    norm_eps=1e-5,
    own_time_channels=16,
    after_upsampling=False,
)


def _tiny_prompt(vocab_size: int, embed: int) -> PromptConfig:
    return PromptConfig(
        embed_dim=embed,
        stem_widths=(16, 32, 96, 128),
        stem_norm="batch",
        pooling="mean",
        image_mean=(0.5,),
        image_std=(0.5,),
        text={
            "vocab_size": vocab_size,
            "hidden_size": _TINY_HIDDEN,
            "intermediate_size": 4 * _TINY_HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 77,
            "projection_dim": embed,
            **_TINY_SPECIAL,
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
    )


def _tiny_report_vae(vocab_size: int, latent: int) -> ReportVAEConfig:
    return ReportVAEConfig(
        latent_dim=latent,
        sinusoidal_start=True,
        bert={
            "vocab_size": vocab_size,
            "hidden_size": _TINY_HIDDEN,
            "intermediate_size": 3 * _TINY_HIDDEN,
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
            "n_embd": _TINY_HIDDEN,
            "n_layer": 2,
            "n_head": 4,
            "n_inner": 3 * _TINY_HIDDEN,
            "n_positions": 80,
            "initializer_range": 0.08,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            **_TINY_SPECIAL,
        },
    )


def tiny(vocab_size: int) -> Preset:
    """The embedded default: 64x64 pictures, under 10 M parameters, trained on two CPU cores."""
    embed, latent = 256, 128
    return Preset(
        name="tiny",
        image_size=64,
        latent_size=8,
        prompt=_tiny_prompt(vocab_size, embed),
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
        image_environment=_TINY_ENVIRONMENT,
        report_vae=_tiny_report_vae(vocab_size, latent),
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
        report_environment=replace(_TINY_ENVIRONMENT, blocks_per_level=0),
        diffusion=DiffusionConfig(
            prediction_type="v_prediction",
            scheduler="DPMSolverMultistepScheduler",
            steps=24,
            guidance=6.0,
            guidance_interval=(0.05, 0.7),
            lateral_guidance=3.0,
            report_guidance=3.0,
            report_clip=4.0,
            context_scale=embed**0.5,
            joint="in-turn",
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


def _paper_prompt() -> PromptConfig:
    """CLIP ViT-L/14."""
    text, vision = 768, 1024
    return PromptConfig(
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
    )


def paper() -> Preset:
    """The paper's model: 256x256 pictures, 5.2 billion parameters without CoDi's video layers.

    CLIP ViT-L/14, Stable Diffusion 1.5's autoencoder and UNet, Optimus on BERT-base and GPT-2
    small, and CoDi's report UNet and environment parts.
    """
    return Preset(
        name="paper",
        image_size=256,
        latent_size=32,
        prompt=_paper_prompt(),
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

FROM_NOTHING: dict[str, Callable[[int], Preset]] = {"tiny": tiny, "small": small}
"""The presets that need no pretrained part: their tokenizer is made from the training reports."""
NAMES = (*FROM_NOTHING, "paper")
VOCABULARIES = {"tiny": 300, "small": 8192}
"""Tokens to count with before there are reports: the phantom's words, and the most there can be."""


def named(name: str) -> Preset:
    """A preset by its name, one from nothing with its usual vocabulary; InputError otherwise."""
    if name == "paper":
        return paper()
    if name not in FROM_NOTHING:
        raise InputError(f"--preset {name}: give one of {', '.join(NAMES)}")
    return FROM_NOTHING[name](VOCABULARIES[name])


def at_size(preset: Preset, image_size: int) -> Preset:
    """``preset`` for pictures of ``image_size``: the same networks on a larger or smaller grid.

    A vision tower that sees whole pictures goes on to do so; one with a size of its own keeps it.
    InputError for a size that the networks cannot halve often enough.
    """
    if image_size == preset.image_size:
        return preset
    vae, vision = preset.image_vae, preset.prompt.vision
    fold = vae.pixel_unshuffle * 2 ** (len(vae.autoencoder["block_out_channels"]) - 1)
    step = fold * 2 ** (len(preset.image_unet["block_out_channels"]) - 1)
    if image_size < 1 or image_size % step:
        above = max(1, -(-image_size // step)) * step
        raise InputError(
            f"--image-size {image_size}: preset {preset.name} halves a picture until {step} pixels "
            f"are one: give a multiple of {step}, e.g. {above}"
        )
    if vision["image_size"] == preset.image_size:
        vision = vision | {"image_size": image_size}
    autoencoder = vae.autoencoder | {"sample_size": image_size // vae.pixel_unshuffle}
    return replace(
        preset,
        image_size=image_size,
        latent_size=image_size // fold,
        prompt=replace(preset.prompt, vision=vision),
        image_vae=replace(vae, autoencoder=autoencoder),
        image_unet=preset.image_unet | {"sample_size": image_size // fold},
    )
