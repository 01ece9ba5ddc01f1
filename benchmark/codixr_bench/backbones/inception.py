"""``fid_inception``'s backbone: the Inception v3 of the first FID, 2048 features, folded for speed.

The network, its TensorFlow 1.x resize and its weights are torch-fidelity's
``FeatureExtractorInceptionV3``; features agree with it to rounding (a test). What is faster here:

- a grey picture stays one channel, and the first convolution's weights are summed over colours;
- batch normalisation is folded into the convolutions, which run in channels-last memory;
- 1x1 convolutions and poolings are those of ``channels_last.py``; pooling goes before ReLU;
- the 1x1 convolutions that read the same input are one convolution; the average pooling of a branch
  follows its 1x1 convolution instead of going before it (both are linear), on fewer channels.
"""

from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codixr.errors import InputError
from codixr_bench.backbones.backbone import Features, Images, eight_bits
from codixr_bench.backbones.channels_last import pointwise, pool_by_two
from codixr_bench.backbones.pass_cache import SeenBatches
from codixr_bench.backbones.placement import device, in_passes, placed
from codixr_bench.backbones.weights import LoadedWeights

SIDE = 299
_EPS = 1e-3
_CONVOLUTIONS = 94
_BATCH = 4
"""Pictures at a time on the CPU: what they become stays in its caches (16 take 18 % longer)."""

State = Mapping[str, Tensor]


class InceptionBackbone:
    """Turns grey pictures into the 2048 features of the last pooling layer.

    Args:
        weights: torch-fidelity's file, loaded (``codixr_bench.backbones.weights.load_weights``).
    """

    name = "inception"
    keeps = True
    least_n = 2048

    def __init__(self, weights: LoadedWeights) -> None:
        self.network = InceptionV3(weights.state)
        self.signature = f"inception-v3-compat|weights:{weights.mark}|resize:tf1|in:gray-8bit"
        self._seen: SeenBatches[Features] = SeenBatches()

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> float32 [B, 2048]; InputError for another range."""
        return self._seen.get(images, self._forward)

    def _forward(self, images: Images) -> Features:
        levels = eight_bits(images, self.name)[:, 0]
        network = placed(self.network)
        return np.concatenate(
            in_passes(
                levels,
                lambda some: network(torch.from_numpy(some).to(device())).cpu().numpy(),
                _BATCH,
            )
        )


class InceptionV3:
    """The folded network: uint8 [B, H, W] -> float32 [B, 2048].

    Args:
        state: a state dict with torch-fidelity's keys. InputError for one that lacks some.
    """

    def __init__(self, state: State) -> None:
        count = sum(key.endswith(".conv.weight") for key in state)
        if count != _CONVOLUTIONS:
            raise InputError(
                "these are not the weights of torch-fidelity's Inception v3: "
                f"{count} convolutions of {_CONVOLUTIONS}"
            )
        self._convolutions = self._fold(state)

    def tensors(self) -> list[Tensor]:
        """All weights."""
        return [one for layer in self._convolutions.values() for one in layer]

    def to(self, device: torch.device) -> Self:
        """Bring all weights to a device."""
        if self.tensors()[0].device != device:
            self._convolutions = {
                name: (weight.to(device), bias.to(device))
                for name, (weight, bias) in self._convolutions.items()
            }
        return self

    @torch.inference_mode()
    def __call__(self, levels: Tensor) -> Tensor:
        """Features of grey pictures of any size, uint8 [B, H, W]."""
        x = (resize_like_tensorflow1(levels, SIDE) - 128) / 128
        x = self._run("Conv2d_1a_3x3", x[:, None], stride=2)
        x = self._run("Conv2d_2a_3x3", x)
        x = self._run_and_pool("Conv2d_2b_3x3", x, padding=1)
        x = self._run("Conv2d_3b_1x1", x)
        x = self._run_and_pool("Conv2d_4a_3x3", x)
        for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._block_a(block, x)
        x = self._block_b("Mixed_6a", x)
        for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._block_c(block, x)
        x = self._block_d("Mixed_7a", x)
        x = self._block_e("Mixed_7b", x, average=True)
        x = self._block_e("Mixed_7c", x, average=False)
        return x.mean(dim=(2, 3))

    def _run(
        self,
        name: str,
        x: Tensor,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> Tensor:
        weight, bias = self._convolutions[name]
        if weight.shape[2:] == (1, 1):
            return F.relu_(pointwise(x, weight, bias))
        return F.relu_(F.conv2d(x, weight, bias, stride, padding))

    def _run_and_pool(self, name: str, x: Tensor, padding: int = 0) -> Tensor:
        """A convolution, then the maximum of 3x3: of a quarter as many pixels, ReLU is the same."""
        return F.relu_(pool_by_two(F.conv2d(x, *self._convolutions[name], padding=padding)))

    def _shared(self, block: str, x: Tensor) -> tuple[Tensor, ...]:
        """The 1x1 convolutions on a block's input, before ReLU, in the order of ``_SHARED``."""
        weight, bias = self._convolutions[block]
        return torch.split(pointwise(x, weight, bias), self._widths[block], dim=1)

    def _block_a(self, block: str, x: Tensor) -> Tensor:
        one, five, double, pool = self._shared(block, x)
        five = self._run(f"{block}.branch5x5_2", F.relu(five), padding=2)
        double = self._run(f"{block}.branch3x3dbl_2", F.relu(double), padding=1)
        double = self._run(f"{block}.branch3x3dbl_3", double, padding=1)
        return torch.cat([F.relu(one), five, double, _average(pool)], dim=1)

    def _block_b(self, block: str, x: Tensor) -> Tensor:
        three = self._run(f"{block}.branch3x3", x, stride=2)
        double = self._run(f"{block}.branch3x3dbl_1", x)
        double = self._run(f"{block}.branch3x3dbl_2", double, padding=1)
        double = self._run(f"{block}.branch3x3dbl_3", double, stride=2)
        return torch.cat([three, double, pool_by_two(x)], dim=1)

    def _block_c(self, block: str, x: Tensor) -> Tensor:
        one, seven, double, pool = self._shared(block, x)
        seven = self._run(f"{block}.branch7x7_2", F.relu(seven), padding=(0, 3))
        seven = self._run(f"{block}.branch7x7_3", seven, padding=(3, 0))
        double = F.relu(double)
        for step, padding in enumerate([(3, 0), (0, 3), (3, 0), (0, 3)], start=2):
            double = self._run(f"{block}.branch7x7dbl_{step}", double, padding=padding)
        return torch.cat([F.relu(one), seven, double, _average(pool)], dim=1)

    def _block_d(self, block: str, x: Tensor) -> Tensor:
        three, seven = (F.relu(part) for part in self._shared(block, x))
        three = self._run(f"{block}.branch3x3_2", three, stride=2)
        seven = self._run(f"{block}.branch7x7x3_2", seven, padding=(0, 3))
        seven = self._run(f"{block}.branch7x7x3_3", seven, padding=(3, 0))
        seven = self._run(f"{block}.branch7x7x3_4", seven, stride=2)
        return torch.cat([three, seven, pool_by_two(x)], dim=1)

    def _block_e(self, block: str, x: Tensor, *, average: bool) -> Tensor:
        if average:
            one, three, double, pool = self._shared(block, x)
            pool = _average(pool)
        else:
            one, three, double = self._shared(block, x)
            # The TensorFlow graph pools by the maximum here; it does not commute.
            pool = self._run(f"{block}.branch_pool", F.max_pool2d(x, 3, stride=1, padding=1))
        three, double = F.relu(three), F.relu(double)
        double = self._run(f"{block}.branch3x3dbl_2", double, padding=1)
        split = []
        for branch, part in (("branch3x3_2", three), ("branch3x3dbl_3", double)):
            split.append(self._run(f"{block}.{branch}a", part, padding=(0, 1)))
            split.append(self._run(f"{block}.{branch}b", part, padding=(1, 0)))
        return torch.cat([F.relu(one), *split, pool], dim=1)

    def _fold(self, state: State) -> dict[str, tuple[Tensor, Tensor]]:
        """Convolution and batch normalisation of every layer -> (weight, bias)."""
        layers = {}
        for key in state:
            if key.endswith(".conv.weight"):
                layers[key.removesuffix(".conv.weight")] = _folded(
                    state, key[: -len(".conv.weight")]
                )
        weight, bias = layers["Conv2d_1a_3x3"]
        layers["Conv2d_1a_3x3"] = (weight.sum(dim=1, keepdim=True), bias)
        self._widths: dict[str, list[int]] = {}
        for block, branches in _SHARED.items():
            parts = [layers.pop(f"{block}.{branch}") for branch in branches]
            self._widths[block] = [len(bias) for _, bias in parts]
            weight = torch.cat([weight for weight, _ in parts])
            layers[block] = (weight, torch.cat([bias for _, bias in parts]))
        return {
            name: (weight.float().contiguous(memory_format=torch.channels_last), bias.float())
            for name, (weight, bias) in layers.items()
        }


def resize_like_tensorflow1(levels: Tensor, side: int) -> Tensor:
    """TensorFlow 1.x' bilinear resize: uint8 [B, H, W] -> float32 [B, side, side].

    Output pixel i reads at i * (H / side), with no half-pixel offset and no antialiasing, as in
    ``torch_fidelity.interpolate_compat_tensorflow``, whose order of operations is kept.
    """
    x = levels.float()
    (top, bottom, down), (left, right, across) = (
        _taps(size, side, x.device) for size in x.shape[1:]
    )
    rows = x[:, :, left]
    rows = rows + (x[:, :, right] - rows) * across
    upper = rows[:, top]
    return upper + (rows[:, bottom] - upper) * down[:, None]


def _taps(size: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    at = torch.arange(side, dtype=torch.float32) * torch.tensor(size / side, dtype=torch.float32)
    low = at.long()
    found = (low, (low + 1).clamp_max(size - 1), at - low.float())
    return found[0].to(device), found[1].to(device), found[2].to(device)


def _average(x: Tensor) -> Tensor:
    return F.relu_(F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False))


def _folded(state: State, layer: str) -> tuple[Tensor, Tensor]:
    weight = state[f"{layer}.conv.weight"].double()
    scale = state[f"{layer}.bn.weight"].double()
    scale = scale / (state[f"{layer}.bn.running_var"].double() + _EPS).sqrt()
    bias = state[f"{layer}.bn.bias"].double() - state[f"{layer}.bn.running_mean"].double() * scale
    return weight * scale[:, None, None, None], bias


_A = ("branch1x1", "branch5x5_1", "branch3x3dbl_1", "branch_pool")
_C = ("branch1x1", "branch7x7_1", "branch7x7dbl_1", "branch_pool")
_SHARED = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _A),
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _C),
    "Mixed_7a": ("branch3x3_1", "branch7x7x3_1"),
    "Mixed_7b": ("branch1x1", "branch3x3_1", "branch3x3dbl_1", "branch_pool"),
    "Mixed_7c": ("branch1x1", "branch3x3_1", "branch3x3dbl_1"),
}
"""Block -> the branches that begin with a 1x1 convolution of the block's input."""
