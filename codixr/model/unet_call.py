"""One call of diffusers' UNet while sampling: what the whole batch shares is computed once.

Notable: it drives the UNet's own modules, in the order of its ``forward``, and adds none. All is
exact but for rounding: the rows of one step have one timestep, so its embedding is one row; until
the first cross-attention both halves of a guidance batch are the same pictures, so one half is
enough; and a convolution of a picture with every pixel doubled is four of half the area.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.activations import GEGLU
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

_PLAIN = {
    "act_fn": "silu",
    "addition_embed_type": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "encoder_hid_dim_type": None,
    "num_class_embeds": None,
    "resnet_time_scale_shift": "default",
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
}
"""Settings under which the condition reaches the UNet through cross-attention alone."""
_BLOCKS = {
    "DownBlock2D",
    "CrossAttnDownBlock2D",
    "UNetMidBlock2DCrossAttn",
    "UpBlock2D",
    "CrossAttnUpBlock2D",
}


def sharable(unet: UNet2DConditionModel, latents: Tensor, timestep: Tensor) -> bool:
    """Whether ``predict`` may take this call: a plain UNet, one timestep, sides that halve well.

    Not one that ``unet.compile()`` has changed: that is called whole.
    """
    config = unet.config
    blocks = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)
    return (
        not torch.is_grad_enabled()
        and not compiled(unet)
        and all(config.get(name) == value for name, value in _PLAIN.items())
        and all(type(block).__name__ in _BLOCKS for block in blocks)
        and (timestep.ndim == 0 or timestep.stride(0) == 0 or len(timestep) == 1)
        and all(side % 2**unet.num_upsamplers == 0 for side in latents.shape[-2:])
    )


def compiled(module: nn.Module) -> bool:
    """Whether torch compiles its calls (``Module.compile``), which no public attribute says."""
    return getattr(module, "_compiled_call_impl", None) is not None


def predict(
    unet: UNet2DConditionModel, latents: Tensor, timestep: Tensor, context: Tensor
) -> Tensor:
    """``unet(latents, timestep, context)`` [B, c, h, w] for a call that is ``sharable``.

    ``timestep`` is the same in all rows; ``context`` [B, K, D].
    """
    half = len(latents) // 2
    twice = 2 * half == len(latents) > 0 and torch.equal(latents[:half], latents[half:])
    x = latents[:half] if twice else latents
    sinusoid = unet.get_time_embed(sample=x[:1], timestep=timestep.reshape(-1)[:1])
    time = unet.time_embedding(sinusoid)  # one row, added to all

    def both(features: Tensor) -> Tensor:
        return torch.cat([features, features]) if twice else features

    x = unet.conv_in(x)
    skips, asked = [x], False
    for block in unet.down_blocks:
        if not hasattr(block, "attentions"):
            x, more = block(x, time)
            skips += more
            continue
        for resnet, attention in zip(block.resnets, block.attentions, strict=True):
            x = resnet(x, time)
            if not asked:
                asked, skips, x = True, [both(skip) for skip in skips], both(x)
            x = attention(x, encoder_hidden_states=context, return_dict=False)[0]
            skips.append(x)
        for downsampler in block.downsamplers or ():
            x = downsampler(x)
            skips.append(x)
    if not asked:
        skips, x = [both(skip) for skip in skips], both(x)
    x = unet.mid_block(x, time, encoder_hidden_states=context)
    for block in unet.up_blocks:
        depth = len(block.resnets)
        skips, used = skips[:-depth], tuple(skips[-depth:])
        attends = {"encoder_hidden_states": context} if hasattr(block, "attentions") else {}
        x = block(x, used, time, **attends)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))


@contextmanager
def lean(unet: UNet2DConditionModel) -> Iterator[None]:
    """Within it the weights must not change: some modules compute the same with less work.

    In float32 on a CPU, where it was measured; elsewhere nothing changes.
    """
    kinds: dict[type, Any] = {Upsample2D: _FoldedUpsampling, GEGLU: _geglu}
    changed = [m for m in unet.modules() if type(m) in kinds and _fits(m)]
    for module in changed:
        module.forward = kinds[type(module)](module)  # hooks stay; a submodule would be a new name
    try:
        yield
    finally:
        for module in changed:
            del module.forward  # the class's own again


def _fits(module: Upsample2D | GEGLU) -> bool:
    if isinstance(module, GEGLU):
        return _on_cpu(module.proj)
    conv = getattr(module, "conv", None)
    return (
        isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        and _on_cpu(conv)
        and module.norm is None
        and module.interpolate
    )


def _on_cpu(layer: nn.Linear | nn.Conv2d) -> bool:
    if type(layer) not in (nn.Linear, nn.Conv2d):  # an adapter's has a weight, and does more
        return False
    return layer.weight.dtype is torch.float32 and layer.weight.device.type == "cpu"


def _geglu(module: GEGLU) -> Callable[[Tensor], Tensor]:
    """GEGLU's two halves apart and in place: fresh memory costs more than the arithmetic."""
    value, gate = module.proj.weight.chunk(2)
    no_bias = (None, None)
    value_bias, gate_bias = no_bias if module.proj.bias is None else module.proj.bias.chunk(2)

    def forward(x: Tensor) -> Tensor:
        opened = torch.ops.aten.gelu_(F.linear(x, gate, gate_bias))
        return opened.mul_(F.linear(x, value, value_bias))

    return forward


class _FoldedUpsampling:
    """Doubling every pixel, then a 3x3 convolution: of the nine taps, four pixels are different.

    Output row 2i sees the rows i-1, i, i and row 2i+1 sees i, i, i+1; columns likewise.
    """

    def __init__(self, module: Upsample2D) -> None:
        self.bias = module.conv.bias
        with torch.no_grad():
            weight = module.conv.weight
            self.kernels = [
                [_fold(rows, -1, column) for column in (0, 1)]
                for rows in (_fold(weight, -2, 0), _fold(weight, -2, 1))
            ]

    def __call__(self, x: Tensor, output_size: None = None) -> Tensor:
        b, _, h, w = x.shape
        padded = F.pad(x, (1, 1, 1, 1))
        out = x.new_empty(b, len(self.kernels[0][0]), 2 * h, 2 * w)
        for i in (0, 1):
            for j in (0, 1):
                seen = padded[:, :, i : i + h + 1, j : j + w + 1]
                out[:, :, i::2, j::2] = F.conv2d(seen, self.kernels[i][j], self.bias)
        return out


def _fold(weight: Tensor, dim: int, odd: int) -> Tensor:
    """Three taps along ``dim`` as the two of an even or an odd output."""
    a, b, c = weight.unbind(dim)
    return torch.stack([a + b, c] if odd else [a, b + c], dim)
