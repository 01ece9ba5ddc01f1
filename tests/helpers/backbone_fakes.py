"""Files of random weights for the published networks, in the peers' own formats.

PyTorch's default initialisation makes Inception's features collapse, so that any two sets are at a
distance of 1e-13: convolutions are Kaiming-normal here, and batch norms near one.
"""

from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give a network weights under which its features spread."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, 0.1)
                module.bias.normal_(0.0, 0.1)
                module.running_mean.normal_(0.0, 0.1)
                module.running_var.uniform_(0.8, 1.0)
    return network.eval()


@cache
def inception_peer() -> Any:
    """torch-fidelity's extractor with random weights."""
    import torch_fidelity.feature_extractor_inceptionv3 as module
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3 as Peer

    with (
        patch.object(module, "load_state_dict_from_url", lambda *_, **__: {}),
        patch.object(Peer, "load_state_dict", lambda *_: None),
    ):
        peer = Peer("inception-v3-compat", ["2048"])
    return randomised(peer)


@cache
def xrv_peer() -> Any:
    """torchxrayvision's DenseNet with random weights."""
    from torchxrayvision.models import DenseNet

    return randomised(DenseNet(num_classes=18))


@cache
def dino_state(width: int = 384, depth: int = 2) -> dict[str, torch.Tensor]:
    """Tensors under the names of the published DINOv2, with fewer blocks."""
    generator = torch.Generator().manual_seed(0)

    def made(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    state = {
        "cls_token": made(1, 1, width),
        "mask_token": made(1, width),
        "pos_embed": made(1, 1 + 37 * 37, width),
        "patch_embed.proj.weight": made(width, 3, 14, 14),
        "patch_embed.proj.bias": made(width),
    }
    for i in range(depth):
        for name, shape in {
            "norm1.weight": (width,),
            "norm2.weight": (width,),
            "attn.qkv.weight": (3 * width, width),
            "attn.proj.weight": (width, width),
            "mlp.fc1.weight": (4 * width, width),
            "mlp.fc2.weight": (width, 4 * width),
        }.items():
            state[f"blocks.{i}.{name}"] = made(*shape) + (1.0 if "norm" in name else 0.0)
            state[f"blocks.{i}.{name.replace('weight', 'bias')}"] = made(shape[0])
        for scale in (1, 2):
            state[f"blocks.{i}.ls{scale}.gamma"] = torch.ones(width)
    return state | {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}


def saved(peer: nn.Module, path: Path) -> Path:
    """Write a peer's weights as its library would read them."""
    torch.save(peer.state_dict(), path)
    return path


def rad_dino_folder(folder: Path, side: int = 518, layers: int = 1, patch: int = 37) -> Path:
    """A folder of transformers of RAD-DINO's layout and width; the published one: 12, 14."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=768,
        num_hidden_layers=layers,
        num_attention_heads=12,
        image_size=side,
        patch_size=patch,
        layerscale_value=1.0,
        initializer_range=0.05,
    )
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessor(
        size={"shortest_edge": side},
        crop_size={"height": side, "width": side},
        image_mean=[0.53] * 3,
        image_std=[0.26] * 3,
    ).save_pretrained(folder)
    return folder
