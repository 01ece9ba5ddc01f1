"""Prompt encoders: CLIP, with one vision tower for both views (paper, section III-A).

Every condition becomes one unit vector of ``embed_dim``; several are interpolated. Built on
transformers' CLIP models, so their checkpoints load.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from codixr.model.across import summed, world_size
from codixr.model.presets import PromptConfig


class StemNorm(nn.BatchNorm2d):
    """Batch norm; in training by the statistics of the batch, all processes' parts together.

    The running statistics are not followed while weights still move: ``measure_statistics`` takes
    them from finished weights, so that a run that went on, and averaged weights, have the same.
    """

    measuring = False

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, H, W]."""
        if not self.training or self.measuring:
            return super().forward(x)
        if world_size() == 1:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        moments = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        mean, square = (summed(moments) / world_size()).unbind()
        scale = self.weight * (square - mean.square() + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class ConvStem(nn.Module):
    """Stride-2 residual stages in place of CLIP's patch projection.

    [B, C, H, W] -> [B, hidden, H/2^k, W/2^k]. Early convolutions, with batch norm, let a small
    vision transformer learn from a few thousand pictures (Xiao et al., 2021). Group norm would hide
    how bright a picture is, which is what many findings are.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], hidden: int, kind: str) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for i, width in enumerate(widths):
            stages += [
                nn.Conv2d(channels, width, 5 if i == 0 else 3, 2, 2 if i == 0 else 1, bias=False),
                _norm(kind, width),
                nn.SiLU(),
            ]
            if i > 0:
                stages.append(_ConvResidual(width, kind))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.out = nn.Conv2d(channels, hidden, 1)

    @property
    def weight(self) -> Tensor:
        """The last weight: CLIP's embeddings ask for its dtype."""
        return self.out.weight

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [B, C, H, W] to a grid of tokens."""
        return self.out(self.stages(pixels))


class _ConvResidual(nn.Module):
    def __init__(self, width: int, kind: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = _norm(kind, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.silu(self.norm(self.conv(x)))


def _norm(kind: str, width: int) -> nn.Module:
    return StemNorm(width) if kind == "batch" else nn.GroupNorm(8, width)


class PromptEncoder(nn.Module):
    """CLIP's two towers, each giving one unit vector a prompt."""

    def __init__(self, config: PromptConfig) -> None:
        super().__init__()
        self.config = config
        self.text = CLIPTextModelWithProjection(CLIPTextConfig(**config.text))
        self.vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**config.vision))
        if config.stem_widths:
            embeddings = self._tower().embeddings
            hidden = config.vision["hidden_size"]
            channels = config.vision["num_channels"]
            embeddings.patch_embedding = ConvStem(
                channels, config.stem_widths, hidden, config.stem_norm
            )

    def _tower(self) -> Any:
        """The vision tower itself: newer transformers have no module around it."""
        return getattr(self.vision, "vision_model", self.vision)

    def stem_norms(self) -> list[StemNorm]:
        """The batch norms of the vision tower's stem; none in CLIP's own."""
        return [m for m in self.vision.modules() if isinstance(m, StemNorm)]

    @torch.no_grad()
    def measure_statistics(self, batches: Iterable[Tensor]) -> None:
        """Set the stem's running statistics: their mean over batches of X-rays [B, 1, H, W]."""
        norms = self.stem_norms()
        if not norms:
            return
        was_training = self.training
        self.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.measuring = True
            norm.train()
        for batch in batches:
            self.encode_image(batch)
        for norm in norms:
            norm.measuring = False
        self.train(was_training)

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask [B, N] -> unit vectors [B, embed_dim].

        Pooled at each report's last token, ``<eos>``. Not by transformers' own rule: for an
        ``eos_token_id`` of 2 that takes the highest id, which is any word of our vocabulary.
        """
        hidden = self.text(input_ids=ids, attention_mask=mask).last_hidden_state
        last = hidden[torch.arange(len(ids), device=ids.device), mask.sum(1) - 1]
        return F.normalize(self.text.text_projection(last), dim=-1)

    def encode_image(self, images: Tensor) -> Tensor:
        """X-rays of either view [B, 1, H, W] in [0, 1] -> unit vectors [B, embed_dim]."""
        side = self.config.vision["image_size"]
        if images.shape[-2:] != (side, side):
            images = F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (
            torch.tensor(values, device=images.device, dtype=images.dtype).view(1, -1, 1, 1)
            for values in (self.config.image_mean, self.config.image_std)
        )
        pixels = (images.expand(-1, self.config.vision["num_channels"], -1, -1) - mean) / std
        seen = self.vision(pixel_values=pixels)
        if self.config.pooling == "class":
            return F.normalize(seen.image_embeds, dim=-1)
        mean = self._tower().post_layernorm(seen.last_hidden_state.mean(1))
        return F.normalize(self.vision.visual_projection(mean), dim=-1)


def interpolate(vectors: list[Tensor], weights: list[float] | None = None) -> Tensor:
    """The weighted mean of condition vectors, each [B, D]; weights are normalised to sum 1.

    Raises ValueError for weights that sum to zero.
    """
    shares = torch.tensor(weights if weights is not None else [1.0] * len(vectors))
    if not float(shares.sum()) > 0:
        raise ValueError(f"condition weights {weights} sum to zero: nothing to interpolate")
    shares = shares / shares.sum()
    return sum((share * v for share, v in zip(shares, vectors, strict=True)), vectors[0] * 0)
