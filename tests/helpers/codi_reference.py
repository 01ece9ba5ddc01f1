"""CoDi's modules once more, as small as they can be: its names of weights, its arithmetic.

Written for the converters' tests from a reading of i-Code-V3; nothing of ours is used.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def embed(t: Tensor, width: int) -> Tensor:
    half = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half) / half)
    angles = t[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


class Temporal(nn.Module):
    """Stands for the video layers: it has weights, and a still picture never meets them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.temporal_attn = nn.Linear(width, width)


class Res(nn.Module):
    """in_layers, emb_layers, out_layers, skip_connection; a picture's convolutions or 1x1 ones."""

    def __init__(self, a: int, b: int, time: int, size: int = 3) -> None:
        super().__init__()
        conv = lambda c, d: nn.Conv2d(c, d, size, padding=size // 2)  # noqa: E731
        self.in_layers = nn.Sequential(nn.GroupNorm(32, a), nn.SiLU(), conv(a, b))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, b))
        self.out_layers = nn.Sequential(nn.GroupNorm(32, b), nn.SiLU(), nn.Dropout(0), conv(b, b))
        self.skip_connection = nn.Identity() if a == b else nn.Conv2d(a, b, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class FC(Res):
    """A residual block over channels x positions, flattened."""

    def __init__(self, a: int, b: int, time: int) -> None:
        super().__init__(4 * a, 4 * b, time, size=1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        return super().forward(x.reshape(len(x), -1, 1, 1), emb).reshape(len(x), -1, 4, 1)


class Attn(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        parts = (self.to_q(x), self.to_k(context), self.to_v(context))
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class Block(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.attn1, self.attn2 = Attn(width, width, heads), Attn(width, context, heads)
        self.ff = nn.Module()
        self.ff.net = nn.Sequential(Gate(width), nn.Dropout(0), nn.Linear(4 * width, width))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff.net(self.norm3(x))


class Spatial(nn.Module):
    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([Block(width, context, heads)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.proj_in(self.norm(x))
        tokens = self.transformer_blocks[0](h.flatten(2).transpose(1, 2), context)
        return x + self.proj_out(tokens.transpose(1, 2).reshape(h.shape))


class Multi(nn.Linear):
    """A linear map of channels x positions."""

    def __init__(self, a: int, b: int, pa: int = 4, pb: int = 4) -> None:
        super().__init__(a * pa, b * pb)
        self.pb = pb

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(len(x), -1)).reshape(len(x), -1, self.pb, 1)


class Down(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Up(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3))


def pair(block: nn.Module, width: int, video: bool) -> nn.Module:
    return nn.ModuleList([block, Temporal(width)]) if video else block


class UNet(nn.Module):
    """CoDi's UNet with its connectors: of pictures, or (``flat``) of a report's latent."""

    def __init__(
        self,
        latent: int,
        width: int,
        mults: tuple[int, ...],
        attend: tuple[bool, ...],
        context: int,
        env: int,
        v_mults: tuple[int, ...],
        heads: int,
        flat: bool,
        video: bool,
    ) -> None:
        super().__init__()
        self.width, self.flat = width, flat
        time, video = 4 * width, video and not flat
        res = FC if flat else Res
        stem = lambda b: Multi(latent, b, 1) if flat else nn.Conv2d(latent, b, 3, padding=1)  # noqa: E731
        down = (lambda c: Multi(c, c)) if flat else Down
        up = (lambda c: Multi(c, c)) if flat else Up
        block = lambda a, b: pair(res(a, b, time), b, video)  # noqa: E731
        seq = lambda *m: nn.Sequential(*m)  # noqa: E731
        self.time_embed = seq(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        v, c = [seq(stem(width // 2))], width // 2
        for i, m in enumerate(v_mults):
            v.append(seq(block(c, m * width)))
            c = m * width
            if i < len(v_mults) - 1:
                v.append(seq(down(c)))
        end = Multi(c, env, 4, 1) if flat else nn.Conv2d(c, env, 3, padding=1)
        v.append(seq(nn.GroupNorm(32, c), nn.SiLU(), end))
        self.connecters_out = nn.ModuleList(v)
        c, skips = width, [width]
        ins, into = [seq(stem(c))], [None]
        for i, m in enumerate(mults):
            for _ in range(2):
                layers = [block(c, m * width)]
                c = m * width
                layers += [Spatial(c, context, heads)] if attend[i] else []
                ins.append(seq(*layers))
                into.append(seq(Spatial(c, env, heads)) if attend[i] else None)
                skips.append(c)
            if i < len(mults) - 1:
                ins.append(seq(down(c)))
                into.append(None)
                skips.append(c)
        self.input_blocks = nn.ModuleList(ins)
        self.input_block_connecters_in = nn.ModuleList(into)
        self.middle_block = seq(block(c, c), Spatial(c, context, heads), block(c, c))
        outs, into = [], []
        for i, m in reversed(list(enumerate(mults))):
            for j in range(3):
                layers = [block(c + skips.pop(), m * width)]
                c = m * width
                layers += [Spatial(c, context, heads)] if attend[i] else []
                layers += [up(c)] if i > 0 and j == 2 else []
                outs.append(seq(*layers))
                into.append(seq(Spatial(c, env, heads)) if attend[i] else None)
        self.output_blocks = nn.ModuleList(outs)
        self.output_block_connecters_in = nn.ModuleList(into)
        last = Multi(c, latent, 4, 1) if flat else nn.Conv2d(c, latent, 3, padding=1)
        self.out = seq(nn.GroupNorm(32, c), nn.SiLU(), last)

    def _run(self, layers: nn.Module, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        for layer in layers:
            if isinstance(layer, nn.ModuleList):
                x = layer[0](x, emb)
            elif isinstance(layer, Res):
                x = layer(x, emb)
            elif isinstance(layer, Spatial):
                x = layer(x, context)
            else:
                x = layer(x)
        return x

    def _time(self, t: Tensor) -> Tensor:
        return self.time_embed(embed(t, self.width))

    def vector(self, x: Tensor, t: Tensor) -> Tensor:
        h = x[:, :, None, None] if self.flat else x
        for layers in self.connecters_out:
            h = self._run(layers, h, self._time(t), h)
        return F.normalize(h.mean((2, 3)), dim=-1)

    def forward(self, x: Tensor, t: Tensor, c: Tensor, vector: Tensor | None = None) -> Tensor:
        emb, context = self._time(t), c[:, None]
        h, skips = (x[:, :, None, None] if self.flat else x), []
        for layers, connecter in zip(
            self.input_blocks, self.input_block_connecters_in, strict=True
        ):
            h = self._run(layers, h, emb, context)
            if connecter is not None and vector is not None:
                h = connecter[0](h, vector[:, None])
            skips.append(h)
        h = self._run(self.middle_block, h, emb, context)
        for layers, connecter in zip(
            self.output_blocks, self.output_block_connecters_in, strict=True
        ):
            h = self._run(layers, torch.cat([h, skips.pop()], 1), emb, context)
            if connecter is not None and vector is not None:
                h = connecter[0](h, vector[:, None])
        h = self.out(h)
        return h.flatten(1) if self.flat else h


class VAEBlock(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.GroupNorm(32, c, eps=1e-6) for c in (a, b))
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
        if a != b:
            self.nin_shortcut = nn.Conv2d(a, b, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class VAEAttn(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, c, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (f(h).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1)
        return x + self.proj_out((weights @ v).transpose(1, 2).reshape(x.shape))


class VAEHalf(nn.Module):
    """The encoder, or the decoder with its video layers."""

    def __init__(self, inside: int, outside: int, widths: tuple[int, ...], decoder: bool) -> None:
        super().__init__()
        self.decoder, top = decoder, widths[-1]
        c = top if decoder else widths[0]
        self.conv_in = nn.Conv2d(inside, c, 3, padding=1)
        self.mid = nn.Module()
        self.mid.block_1, self.mid.attn_1 = VAEBlock(top, top), VAEAttn(top)
        self.mid.block_2 = VAEBlock(top, top)
        levels: dict[int, nn.Module] = {}
        order = list(enumerate(widths))
        for i, w in reversed(order) if decoder else order:
            level = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(3 if decoder else 2):
                level.block.append(VAEBlock(c, w))
                c = w
            if decoder and i > 0:
                level.video_attn = nn.ModuleList([Temporal(w) for _ in range(3)])
                level.upsample = Up(w)
            elif not decoder and i < len(widths) - 1:
                level.downsample = nn.Module()
                level.downsample.conv = nn.Conv2d(w, w, 3, 2)
            levels[i] = level
        ordered = nn.ModuleList([levels[i] for i in range(len(widths))])
        if decoder:
            self.up = ordered
            self.mid.video_att = Temporal(top)
        else:
            self.down = ordered
        self.norm_out = nn.GroupNorm(32, c, eps=1e-6)
        self.conv_out = nn.Conv2d(c, outside, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        middle = (self.mid.block_1, self.mid.attn_1, self.mid.block_2)
        if self.decoder:
            for m in middle:
                h = m(h)
        for level in reversed(self.up) if self.decoder else self.down:
            for block in level.block:
                h = block(h)
            if hasattr(level, "upsample"):
                h = level.upsample(h)
            if hasattr(level, "downsample"):
                h = level.downsample.conv(F.pad(h, (0, 1, 0, 1)))
        if not self.decoder:
            for m in middle:
                h = m(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class VAE(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder, self.decoder = VAEHalf(3, 8, widths, False), VAEHalf(4, 3, widths, True)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(8, 8, 1), nn.Conv2d(4, 4, 1)

    def mean(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))[:, :4]

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(self.post_quant_conv(z))
