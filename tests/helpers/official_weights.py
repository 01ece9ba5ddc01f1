"""Optimus and a vocabulary of GPT-2's kind, narrow and random, as their projects write them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


class Optimus(nn.Module):
    """Its modules under its names: a map beside BERT's, two beside GPT-2's, heads 64 wide.

    Narrow, one layer; ``whole`` is its own size, BERT-base-cased's and GPT-2's.
    """

    def __init__(self, words: int, tokens: int, latent: int = 32, *, whole: bool = False) -> None:
        super().__init__()
        width, layers = (768, 12) if whole else (64, 1)
        sizes: dict[str, Any] = {"num_hidden_layers": layers, "num_attention_heads": width // 64}
        inner, positions = (4 * width, 1024) if whole else (96, 90)
        bert = BertConfig(vocab_size=words, hidden_size=width, intermediate_size=inner, **sizes)
        gpt2 = GPT2Config(
            vocab_size=tokens,
            n_embd=width,
            n_layer=layers,
            n_head=width // 64,
            n_positions=positions,
        )
        self.encoder, self.decoder = BertModel(bert), GPT2LMHeadModel(gpt2)
        self.encoder.linear = nn.Linear(width, 2 * latent, bias=False)
        self.decoder.transformer.linear = nn.Linear(latent, layers * width, bias=False)
        self.decoder.transformer.linear_emb = nn.Linear(latent, width, bias=False)
        with torch.no_grad():
            for weight in self.parameters():
                nn.init.normal_(weight, std=0.1)


VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
"""Stable Diffusion 1.5's ``config.json`` of its ``vae`` and ``unet``."""
CLIP: dict[str, Any] = {
    "model_type": "clip",
    "projection_dim": 768,
    "text_config": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "max_position_embeddings": 77,
        "vocab_size": 49408,
        "hidden_act": "quick_gelu",
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    },
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "image_size": 224,
        "patch_size": 14,
        "hidden_act": "quick_gelu",
    },
}
"""CLIP ViT-L/14's."""


def whole_size_places(folder: Path) -> dict[str, Path]:
    """Folders and a file as the projects publish them, at full width and without any number."""
    for name, config in (("vae", VAE), ("unet", UNET), ("clip", CLIP)):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        optimus = Optimus(28996, 50260, 768, whole=True)
    weights = {f"optimus.{name}": w for name, w in optimus.state_dict().items()}
    torch.save(weights, folder / "CoDi_encoders.pth")
    names = ("vae", "unet", "clip", "CoDi_encoders.pth")
    return {name.split(".")[0]: folder / name for name in names}


def gpt2_tokenizer(folder: Path, reports: Sequence[str]) -> int:
    """Words alone, one token that begins, ends and is unknown, no padding; returns their number."""
    splitter = pre_tokenizers.Whitespace()
    words = {word for text in reports for word, _ in splitter.pre_tokenize_str(text.lower())}
    end = "<|endoftext|>"
    core = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate([*sorted(words), end])}, unk_token=end)
    )
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), splitter
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=end, eos_token=end, unk_token=end
    ).save_pretrained(folder)
    return len(words) + 1
