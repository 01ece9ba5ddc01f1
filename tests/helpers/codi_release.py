"""CoDi's and XGeM's releases with random weights, narrow, under the sources' names."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from codixr.cli import main
from codixr.model import convert, presets
from codixr.model.presets import Preset, paper
from codixr.model.tokenizer import Tokenizers, word_tokenizer
from helpers import codi_reference as codi

WORDS = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(8)]


def small() -> Preset:
    """The paper's model, narrow: every layer is there."""
    full = paper()
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    }
    tokens = {"vocab_size": 68, "bos_token_id": 66, "eos_token_id": 67, "pad_token_id": 1}
    bert = {"vocab_size": 68, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    gpt2 = {"vocab_size": 68, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}
    return replace(
        full,
        image_size=64,
        latent_size=8,
        prompt=replace(
            full.prompt,
            embed_dim=32,
            text={**tower, **tokens, "max_position_embeddings": 77},
            vision={**tower, "image_size": 32, "patch_size": 8, "num_channels": 3},
        ),
        image_vae=replace(
            full.image_vae,
            autoencoder={
                **full.image_vae.autoencoder,
                "block_out_channels": [32, 64, 64, 64],
                "sample_size": 64,
            },
        ),
        image_unet={
            **full.image_unet,
            "block_out_channels": [64, 128, 128, 128],
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "sample_size": 8,
        },
        image_environment=replace(
            full.image_environment, embed_dim=48, channels=32, channel_mult=(1, 2, 2), heads=4
        ),
        report_environment=replace(
            full.report_environment, embed_dim=48, channels=32, channel_mult=(1, 2, 2), heads=4
        ),
        report_unet=replace(
            full.report_unet,
            latent_dim=32,
            channels=64,
            channel_mult=(1, 2, 2, 2),
            heads=4,
            context_dim=32,
        ),
        report_vae=replace(
            full.report_vae,
            latent_dim=32,
            max_tokens=12,
            bert={**bert, "num_attention_heads": 4, "max_position_embeddings": 80},
            gpt2={**gpt2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        ),
    )


def image_unet(width: int = 64, **changes: Any) -> nn.Module:
    wide = width == 320
    options = {
        "mults": (1, 2, 4, 4) if wide else (1, 2, 2, 2),
        "attend": (True, True, True, False),
        "context": 768 if wide else 32,
        "env": 1280 if wide else 48,
        "v_mults": (1, 2, 4) if wide else (1, 2, 2),
        "heads": 8 if wide else 4,
        "flat": False,
        "video": True,
    }
    return codi.UNet(changes.pop("latent", 4), width, **(options | changes))


def report_unet(width: int = 64) -> nn.Module:
    return image_unet(width, latent=768 if width == 320 else 32, flat=True)


def with_weights(module: nn.Module) -> nn.Module:
    """Weights and biases everywhere: what starts at zero or one would hide a wrong name."""
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.5 / max(1, weight[0].numel()) ** 0.5 if weight.ndim else 0.1)
    return module.eval()


class Decoder(nn.Module):
    """Optimus's GPT-2: a latent as one position before the words, and in their embeddings."""

    def __init__(self) -> None:
        super().__init__()
        d, names = 32, nn.Module()
        names.wte, names.wpe = nn.Embedding(68, d), nn.Embedding(80, d)
        names.linear = nn.Linear(d, 2 * d, bias=False)
        names.linear_emb = nn.Linear(d, d, bias=False)
        names.h = nn.ModuleList()
        for _ in range(2):
            h = nn.Module()
            h.ln_1, h.ln_2, h.attn, h.mlp = (
                nn.LayerNorm(d),
                nn.LayerNorm(d),
                nn.Module(),
                nn.Module(),
            )
            for place, name, a, b in (
                (h.attn, "c_attn", d, 3 * d),
                (h.attn, "c_proj", d, d),
                (h.mlp, "c_fc", d, 4 * d),
                (h.mlp, "c_proj", 4 * d, d),
            ):
                layer = nn.Module()
                layer.weight, layer.bias = (
                    nn.Parameter(torch.zeros(a, b)),
                    nn.Parameter(torch.zeros(b)),
                )
                setattr(place, name, layer)
            h.attn.register_buffer("bias", torch.ones(1, 1, 80, 80).tril())
            names.h.append(h)
        names.ln_f = nn.LayerNorm(d)
        self.transformer = names
        self.lm_head = nn.Linear(d, 68, bias=False)
        self.lm_head.weight = names.wte.weight

    def forward(self, latent: Tensor, ids: Tensor) -> Tensor:
        t, n = self.transformer, ids.shape[1]
        x = t.wte(ids) + t.wpe(torch.arange(1, n + 1)) + t.linear_emb(latent)[:, None]
        split = lambda y: y.unflatten(-1, (4, 8)).transpose(1, 2)  # noqa: E731
        for h, memory in zip(t.h, t.linear(latent).split(32, 1), strict=True):
            a = h.ln_1(x) @ h.attn.c_attn.weight + h.attn.c_attn.bias
            q, k, v = a.split(32, 2)
            k, v = (split(torch.cat([memory[:, None], y], 1)) for y in (k, v))
            scores = split(q) @ k.transpose(-1, -2) / 8**0.5
            seen = torch.ones(n, n + 1, dtype=torch.bool).tril(1)
            mixed = scores.masked_fill(~seen, -1e9).softmax(-1) @ v
            x = x + mixed.transpose(1, 2).flatten(2) @ h.attn.c_proj.weight + h.attn.c_proj.bias
            m = F.gelu(h.ln_2(x) @ h.mlp.c_fc.weight + h.mlp.c_fc.bias, approximate="tanh")
            x = x + m @ h.mlp.c_proj.weight + h.mlp.c_proj.bias
        return self.lm_head(t.ln_f(x))


class Released:
    """Randomly initialised modules, and their weights under the source's names."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        preset = small()
        text, vision = preset.prompt.text, preset.prompt.vision
        config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
        self.clip = with_weights(CLIPModel(config))
        self.vae = with_weights(codi.VAE((32, 64, 64, 64)))
        self.bert = with_weights(BertModel(BertConfig(**preset.report_vae.bert)))
        self.posterior = with_weights(nn.Linear(32, 64, bias=False))
        self.decoder = with_weights(Decoder())
        views = ("image",) if kind == "codi" else ("frontal", "lateral")
        self.views = {view: with_weights(image_unet()) for view in views}
        self.report = with_weights(report_unet())
        named = {
            "clip.model.": self.clip,
            "autokl.": self.vae,
            "optimus.encoder.": self.bert,
            "optimus.encoder.linear.": self.posterior,
            "optimus.decoder.": self.decoder,
            "model.diffusion_model.unet_text.": self.report,
        }
        named |= {f"model.diffusion_model.unet_{v}.": unet for v, unet in self.views.items()}
        self.tensors = {p + n: t for p, m in named.items() for n, t in m.state_dict().items()}
        layer = "clip.model.vision_model.encoder.layers.0.temporal_self_attn.temporal_attn.to_q"
        self.tensors[f"{layer}.weight"] = torch.zeros(32, 32)
        self.tensors["clip.model.text_model.embeddings.position_ids"] = torch.arange(77)[None]
        self.tensors["clap.model.logit_scale_a"] = torch.zeros(())
        self.tensors["betas"] = torch.zeros(1000)

    def write(self, folder: Path) -> list[Path]:
        files: dict[str, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            unet = name.removeprefix("model.diffusion_model.").split(".")[0]
            files.setdefault(unet if unet.startswith("unet_") else "encoders", {})[name] = tensor
        for name, tensors in files.items():
            torch.save(tensors, folder / f"{name}.pth")
        return [folder / f"{name}.pth" for name in files]


def tokenizers() -> Tokenizers:
    return Tokenizers.one_for_all(word_tokenizer([" ".join(WORDS)]))


def write_vocabularies(folder: Path, words: Sequence[str]) -> dict[str, Path]:
    """Folders for the three ``--*-tokenizer`` options: at the sizes of ``small()``, 64 words each.

    The last is as GPT-2's own: no padding, one token that begins, ends and is unknown.
    """
    places = {name: folder / name for name in ("clip", "bert", "gpt2")}
    for name in ("clip", "bert"):
        word_tokenizer([" ".join(words)]).save_pretrained(places[name])
    end = "<|endoftext|>"
    vocabulary = {word: i for i, word in enumerate([*words, end])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=end))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=end, eos_token=end, unk_token=end
    ).save_pretrained(places["gpt2"])
    return places


def convert_by_command(folder: Path, words: Sequence[str]) -> Path:
    """The folder that ``codixr convert`` makes of CoDi's narrow release.

    The command's preset is the paper's, of 20 GB: here it is ``small()``.
    """
    files = Released("codi").write(folder)
    places = write_vocabularies(folder, words)
    options = [part for name, path in places.items() for part in (f"--{name}-tokenizer", str(path))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "paper", small)
        patch.setattr(convert, "paper", small)
        assert main(["convert", *map(str, files), "--to", str(folder / "out"), *options]) == 0
    return folder / "out"
