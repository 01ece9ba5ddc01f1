"""Fréchet distances in DINOv2 features: the class token of ViT-S, B or L, as torch-fidelity has it.

Weights are the published ``dinov2_vit*14_pretrain.pth``; the network is transformers'
``Dinov2Model`` with their tensors under its names. Input as torch-fidelity's extractor: grey
repeated to three channels, TensorFlow 1.x' resize to 224, ImageNet's mean and deviation. The
position embedding is brought from 37 x 37 to 16 x 16 once, by the original's own rule (bicubic,
scale (16 + 0.1) / 37).
"""

import re
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from codixr.errors import InputError
from codixr_bench.backbones.backbone import Features, Images, eight_bits
from codixr_bench.backbones.inception import resize_like_tensorflow1
from codixr_bench.backbones.pass_cache import SeenBatches
from codixr_bench.backbones.placement import device, in_passes, placed
from codixr_bench.backbones.weights import LoadedWeights

SIDE = 224
_PATCH = 14
_BATCH = 16
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_HEAD = 64
"""Channels of an attention head."""
_SAME = ("norm1", "norm2", "mlp.fc1", "mlp.fc2")
_ATTENTION = (
    ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"),
    (
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ),
)
"""Query, key, value and output, as transformers 5 calls them, and as 4 does."""


class DinoBackbone:
    """Turns grey pictures into DINOv2's class token, after the last norm.

    Args:
        weights: the published file, loaded.
        name: ends the scores' names, e.g. ``dinov2_s``.
    """

    keeps = True
    least_n = 2048

    def __init__(self, weights: LoadedWeights, name: str) -> None:
        self.name = name
        self.network = dinov2(weights.state)
        self.signature = (
            f"{name.replace('_', '-vit-')}14|weights:{weights.mark}|resize:tf1|in:gray-8bit"
        )
        self._seen: SeenBatches[Features] = SeenBatches()

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> float32 [B, d]; InputError for another range."""
        return self._seen.get(images, self._forward)

    def _forward(self, images: Images) -> Features:
        return np.concatenate(in_passes(eight_bits(images, self.name)[:, 0], self._pass, _BATCH))

    def _pass(self, levels: np.ndarray) -> Features:
        mean, deviation = (torch.tensor(v)[:, None, None] * 255 for v in (_MEAN, _DEVIATION))
        grey = resize_like_tensorflow1(torch.from_numpy(levels), SIDE)
        x = (grey[:, None].expand(-1, 3, -1, -1) - mean) / deviation
        found = placed(self.network)(x.to(device())).last_hidden_state[:, 0]
        features: Features = found.cpu().numpy()
        return features


def dinov2(state: Mapping[str, Tensor]) -> Dinov2Model:
    """The network at 224 x 224 from the published tensors; InputError for another file."""
    try:
        width = state["cls_token"].shape[-1]
        depth = 1 + max(
            int(found[1]) for name in state if (found := re.match(r"blocks\.(\d+)\.norm1", name))
        )
        config = Dinov2Config(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=width // _HEAD,
            image_size=SIDE,
            patch_size=_PATCH,
            layer_norm_eps=1e-6,
            attn_implementation="sdpa",
        )
        model = Dinov2Model(config).eval()
        wanted = model.state_dict()
        attention = next(names for names in _ATTENTION if _layer(0, names[0]) in wanted)
        tensors = _renamed(state, depth, attention)
    except (KeyError, ValueError) as error:
        raise InputError(f"these are not the weights of DINOv2: {error} is missing") from error
    model.load_state_dict(tensors)
    return model


def _layer(i: int, name: str, kind: str = "weight") -> str:
    return f"encoder.layer.{i}.{name}.{kind}"


def _renamed(
    state: Mapping[str, Tensor], depth: int, attention: tuple[str, ...]
) -> dict[str, Tensor]:
    tensors = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.mask_token": state["mask_token"],
        "embeddings.position_embeddings": _positions(state["pos_embed"], SIDE // _PATCH),
        "embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": state["patch_embed.proj.bias"],
        "layernorm.weight": state["norm.weight"],
        "layernorm.bias": state["norm.bias"],
    }
    for i in range(depth):
        block = f"blocks.{i}"
        for kind in ("weight", "bias"):
            for name in _SAME:
                tensors[_layer(i, name, kind)] = state[f"{block}.{name}.{kind}"]
            parts = state[f"{block}.attn.qkv.{kind}"].chunk(3)
            for name, tensor in zip(attention, parts, strict=False):
                tensors[_layer(i, name, kind)] = tensor
            tensors[_layer(i, attention[3], kind)] = state[f"{block}.attn.proj.{kind}"]
        for scale in (1, 2):
            tensors[_layer(i, f"layer_scale{scale}", "lambda1")] = state[f"{block}.ls{scale}.gamma"]
    return tensors


def _positions(embedding: Tensor, side: int) -> Tensor:
    """[1, 1 + N, d] of the square training grid -> [1, 1 + side², d]."""
    patches = embedding[:, 1:]
    trained = round(patches.shape[1] ** 0.5)
    if trained == side:
        return embedding
    grid = patches.reshape(1, trained, trained, -1).permute(0, 3, 1, 2).float()
    scale = (side + 0.1) / trained
    grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat([embedding[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
