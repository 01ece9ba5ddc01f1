"""How large a model is, part by part, beside the paper's figures; built without its weights.

The paper's figures are CoDi's released modules, which hold layers that run on videos only. A still
picture skips them, so we leave them out: the same function with 1.6 billion parameters less. What
they would add is computed here from their structure (i-Code-V3, ``modules_video.py``).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from codixr.model import components, presets
from codixr.model.presets import Preset
from codixr.model.pretrained import EMBEDDED

_FRAMES = 30
"""Learned positions of frames, and of frame rates, in each temporal attention."""


@dataclass(frozen=True)
class Row:
    """One component, or a part of one."""

    name: str
    parameters: int
    """Ours."""
    video: int = 0
    """Of the video layers that we leave out."""
    paper: int | None = None
    """The paper's figure."""
    parts: tuple["Row", ...] = ()

    @property
    def difference(self) -> float | None:
        """Ours with the video layers against the paper's figure, in %."""
        if self.paper is None:
            return None
        return 100 * ((self.parameters + self.video) / self.paper - 1)


@dataclass(frozen=True)
class Sizes:
    """The table of one preset."""

    preset: str
    rows: tuple[Row, ...]
    total: Row

    def as_json(self) -> str:
        """The table as JSON, in single parameters."""
        return json.dumps(
            {
                "preset": self.preset,
                "components": [_plain(row) for row in self.rows],
                "total": _plain(self.total),
            },
            indent=2,
        )

    def as_table(self) -> str:
        """The table for the terminal, in millions."""
        lines = [
            f"preset {self.preset}: millions of parameters",
            f"{'component':32}{'ours':>10}{'video':>10}{'together':>10}{'paper':>10}{'diff':>8}",
        ]
        for row in (*self.rows, self.total):
            lines.append(_line(row, row.name))
            lines += [_line(part, f"  {part.name}") for part in row.parts]
        if self.preset == "paper":
            lines += [
                "",
                "video: layers of CoDi's modules that still pictures skip; the paper counts them.",
                "total: the paper counts the image VAE twice, once a view; here it is one.",
            ]
        return "\n".join(lines)


def named_preset(name: str) -> Preset:
    """A preset by name, ``tiny`` as it is embedded; InputError for an unknown one."""
    return components.load_preset(EMBEDDED) if name == "tiny" else presets.named(name)


def sizes(preset: Preset) -> Sizes:
    """Count every part of ``preset``; no memory is taken for weights (torch's meta device)."""
    with torch.device("meta"):
        built = {
            name: build(preset)
            for name, build in components.BUILDERS.items()
            if name != "denoiser_l"  # the same as F's
        }
    paper = preset.name == "paper"
    xray = _count(built["denoiser_f"])
    xray_video = _unet_video(preset) if paper else 0
    xray_parts = _denoiser_parts(built["denoiser_f"])
    rows = (
        Row(
            "prompt encoders",
            _count(built["prompt_encoder"]),
            _clip_video(preset) if paper else 0,
            737_000_000 if paper else None,
            parts=_children(built["prompt_encoder"]),
        ),
        Row(
            "image VAE, of both views",
            _count(built["image_vae"]),
            _vae_video(preset) if paper else 0,
            101_000_000 if paper else None,
        ),
        Row("denoiser of F", xray, xray_video, 1_770_000_000 if paper else None, parts=xray_parts),
        Row("denoiser of L", xray, xray_video, 1_770_000_000 if paper else None, parts=xray_parts),
        Row(
            "report VAE",
            _count(built["report_vae"]),
            0,
            241_000_000 if paper else None,
            parts=_children(built["report_vae"]),
        ),
        Row(
            "denoiser of T",
            _count(built["denoiser_t"]),
            0,
            2_040_000_000 if paper else None,
            parts=_denoiser_parts(built["denoiser_t"]),
        ),
    )
    ours, video = sum(row.parameters for row in rows), sum(row.video for row in rows)
    total = Row("total", ours, video)
    if paper:
        again = rows[1].parameters + rows[1].video  # the second image VAE that the paper counts
        total = Row("total, as the paper counts", ours, video + again, 6_770_000_000)
    return Sizes(preset.name, rows, total)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _children(module: nn.Module) -> tuple[Row, ...]:
    return tuple(Row(name, _count(child)) for name, child in module.named_children())


def _denoiser_parts(denoiser: nn.Module) -> tuple[Row, ...]:
    environment = denoiser.get_submodule("environment")
    return (
        Row("UNet", _count(denoiser.get_submodule("unet"))),
        Row("environment encoder V", _count(environment.get_submodule("encoder"))),
        Row("cross-modal transformers", _count(environment.get_submodule("cross"))),
    )


def _temporal(dim: int, inner: int, heads: int) -> int:
    """Attention over frames with its relative bias, and a gated feed-forward."""
    attention = dim + 4 * dim * inner + 2 * _FRAMES * dim
    half = dim // 2
    bias = 2 * half + (half * half + half) + (half * heads + heads)
    hidden = int(dim * 4 * 2 / 3)
    feed_forward = 2 * dim * hidden + hidden + hidden * dim
    return attention + bias + feed_forward


def _frame_shift(dim: int) -> int:
    """A group norm and a 3x3 convolution, whose output is shifted over frames."""
    return 2 * dim + 9 * dim * dim + dim


def _clip_video(preset: Preset) -> int:
    vision = preset.prompt.vision
    dim, heads = vision["hidden_size"], vision["num_attention_heads"]
    return int(vision["num_hidden_layers"]) * _temporal(dim, dim, heads)


def _unet_video(preset: Preset) -> int:
    """One temporal block after each residual block of the UNet and of V; heads of width dim / 4."""
    widths: Sequence[int] = preset.image_unet["block_out_channels"]
    per_level: int = preset.image_unet["layers_per_block"]
    after = [width for width in widths for _ in range(2 * per_level + 1)]
    after += [widths[-1]] * 2  # the middle
    after += [
        2 * preset.image_environment.channels * m for m in preset.image_environment.channel_mult
    ]
    return sum(_temporal(dim, 8 * (dim // 4), 8) + _frame_shift(dim) for dim in after)


def _vae_video(preset: Preset) -> int:
    """A frame shift in the decoder's middle, and after its blocks but those of the finest level."""
    widths: Sequence[int] = preset.image_vae.autoencoder["block_out_channels"]
    per_level: int = preset.image_vae.autoencoder["layers_per_block"] + 1
    after = [width for width in widths[1:] for _ in range(per_level)] + [widths[-1]]
    return sum(_frame_shift(dim) for dim in after)


def _plain(row: Row) -> dict[str, object]:
    plain = {key: value for key, value in asdict(row).items() if key != "parts"}
    plain["difference_percent"] = None if row.difference is None else round(row.difference, 2)
    if row.parts:
        plain["parts"] = {part.name: part.parameters for part in row.parts}
    return plain


def _line(row: Row, name: str) -> str:
    video = f"{row.video / 1e6:,.1f}" if row.video else ""
    together = f"{(row.parameters + row.video) / 1e6:,.1f}" if row.paper else ""
    paper = f"{row.paper / 1e6:,.0f}" if row.paper else ""
    difference = "" if row.difference is None else f"{row.difference:+.2f} %"
    ours = f"{row.parameters / 1e6:,.2f}"
    return f"{name:32}{ours:>10}{video:>10}{together:>10}{paper:>10}{difference:>8}".rstrip()
