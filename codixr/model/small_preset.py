"""The preset between ``tiny`` and ``paper``: 256x256 pictures on one 24 GB card.

Notable: its latents are 4 x 32 x 32, Stable Diffusion's, so that Stable Diffusion's autoencoder can
stand in its own one's place (``codixr init --preset small --vae ...``). Its own works on pixels
folded 2 x 2, with a block's lowest cosine patterns given, as ``tiny``'s does.
"""

from codixr.model.configs import (
    DiffusionConfig,
    EnvironmentConfig,
    ImageVAEConfig,
    Preset,
    PromptConfig,
    ReportUNetConfig,
    ReportVAEConfig,
    TokenizerConfig,
)

SIDE, EMBED, HIDDEN, LATENT = 256, 512, 384, 512
"""A picture's side, a condition vector, a transformer's width, a report's latent."""
_ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def small(vocab_size: int) -> Preset:
    """256x256 pictures; one 24 GB card trains it on 70,000 studies in two days, by its plan."""
    return Preset(
        name="small",
        image_size=SIDE,
        latent_size=SIDE // 8,
        prompt=_prompt(vocab_size),
        image_vae=_IMAGE_VAE,
        image_unet=_IMAGE_UNET,
        image_environment=_environment(48),
        report_vae=_report_vae(vocab_size),
        report_unet=ReportUNetConfig(
            latent_dim=LATENT,
            channels=64,
            channel_mult=(1, 2),
            positions=4,
            blocks_per_level=2,
            attention_levels=(0, 1),
            heads=8,
            context_dim=EMBED,
            feed_forward_mult=2.0,
            norm_eps=1e-5,
            shared_out_norm=False,
        ),
        report_environment=_environment(48),
        diffusion=DiffusionConfig(
            prediction_type="v_prediction",
            scheduler="DPMSolverMultistepScheduler",
            steps=20,
            guidance=3.0,
            report_clip=4.0,
            context_scale=EMBED**0.5,
            joint="in-turn",
        ),
        tokenizers=TokenizerConfig(lower_case=True),
    )


def _prompt(vocab_size: int) -> PromptConfig:
    tower = {"hidden_size": HIDDEN, "num_attention_heads": 6, "projection_dim": EMBED}
    return PromptConfig(
        embed_dim=EMBED,
        stem_widths=(32, 64, 128, 256),
        stem_norm="batch",
        pooling="mean",
        image_mean=(0.5,),
        image_std=(0.5,),
        max_tokens=128,
        text={
            "vocab_size": vocab_size,
            "intermediate_size": 3 * HIDDEN,
            "num_hidden_layers": 4,
            "max_position_embeddings": 128,
            **tower,
            **_ENDS,
        },
        vision={
            "intermediate_size": 3 * HIDDEN,
            "num_hidden_layers": 6,
            "image_size": SIDE,
            "patch_size": 16,
            "num_channels": 1,
            **tower,
        },
    )


_IMAGE_VAE = ImageVAEConfig(
    pixel_unshuffle=2,
    channels=1,
    dct_scale=4.0,
    autoencoder={
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        "block_out_channels": [64, 128, 256],
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "sample_size": SIDE // 2,
        "mid_block_add_attention": False,
    },
)

_IMAGE_UNET = {
    "sample_size": SIDE // 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [128, 192, 256],
    "layers_per_block": 1,
    "cross_attention_dim": EMBED,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}


def _environment(channels: int) -> EnvironmentConfig:
    return EnvironmentConfig(
        embed_dim=256,
        channels=channels,
        channel_mult=(1, 2),
        heads=8,
        feed_forward_mult=0.5,
        norm_eps=1e-5,
        own_time_channels=64,
        after_upsampling=False,
    )


def _report_vae(vocab_size: int) -> ReportVAEConfig:
    return ReportVAEConfig(
        latent_dim=LATENT,
        max_tokens=128,
        sinusoidal_start=True,
        bert={
            "vocab_size": vocab_size,
            "hidden_size": HIDDEN,
            "intermediate_size": 3 * HIDDEN,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "max_position_embeddings": 128,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "pad_token_id": 0,
        },
        gpt2={
            "vocab_size": vocab_size,
            "n_embd": HIDDEN,
            "n_layer": 4,
            "n_head": 6,
            "n_inner": 3 * HIDDEN,
            "n_positions": 129,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attn_pdrop": 0.0,
            **_ENDS,
        },
    )
