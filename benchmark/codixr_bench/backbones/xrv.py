"""``fid_xrv``'s backbone and Table III's judge: torchxrayvision's DenseNet-121, folded for speed.

One pass gives both: 1024 features (``features2``: after the last ReLU, averaged over the picture;
what feeds the classifier) and the probabilities of the paper's ten pathologies, read by their
names. Numbers agree with torchxrayvision's own to rounding (a test). Input is made as its users
make it: ``normalize`` to [-1024, 1024], ``XRayCenterCrop``, ``XRayResizer(224)``; a picture of
another range raises, where torchxrayvision warns once and gives near-constant outputs.

What is faster here: the resize is two small matrix products; each convolution's batch normalisation
is folded into it; a dense block writes into one buffer instead of joining all earlier maps in every
layer; a transition pools before its 1x1 convolution (both are linear); 1x1 convolutions and the
first pooling are those of ``channels_last.py``.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr_bench.backbones.backbone import Features, Images, eight_bits
from codixr_bench.backbones.channels_last import pointwise, pool_by_two
from codixr_bench.backbones.pass_cache import SeenBatches
from codixr_bench.backbones.placement import device, in_passes, placed
from codixr_bench.backbones.weights import LoadedWeights

SIDE = 224
_EPS = 1e-5
_BATCH = 4
"""Pictures at a time on the CPU: what they become stays in its caches (16 take 24 % longer)."""
_BLOCKS = (6, 12, 24, 16)
_THEIR_NAMES = {"Pleural Effusion": "Effusion"}
"""Observation -> torchxrayvision's name, where it is another."""

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class XrvOutputs:
    """What one pass says of a batch."""

    features: Features
    """float32 [B, 1024]."""
    probabilities: NDArray[np.float32]
    """float32 [B, 10], op-normalised: 0.5 is torchxrayvision's operating point."""


class XrvPass:
    """A ``Backbone`` and a ``Classifier``; give the same object to all metrics of a view.

    Args:
        weights: torchxrayvision's file, loaded (``codixr_bench.backbones.weights.load_weights``).
        trained_on: ``all``, ``chex`` or ``mimic_ch``, as in ``densenet121-res224-<trained_on>``.
    """

    classes = PATHOLOGIES
    threshold_policy = "xrv_op50"
    keeps = True
    least_n = 1024

    def __init__(self, weights: LoadedWeights, trained_on: str = "all") -> None:
        self.trained_on = trained_on
        self.name = "xrv" if trained_on == "all" else f"xrv_{trained_on}"
        self.network = DenseNet121(dict(weights.state))
        self._columns, self._points = _outputs_of(trained_on)
        self.signature = (
            f"xrv-densenet121-res224-{trained_on}|weights:{weights.mark}|layer:features2"
            "|resize:xrv-skimage|in:gray-8bit"
        )
        self._seen: SeenBatches[XrvOutputs] = SeenBatches()

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """0.5 for every class: probabilities are op-normalised."""
        return np.full(len(self.classes), 0.5)

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> float32 [B, 1024]; InputError for another range."""
        return self._seen.get(images, self._forward).features

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """float32 [B, 1, H, W] in [0, 1] -> float32 [B, 10]; InputError for another range."""
        return self._seen.get(images, self._forward).probabilities

    def _forward(self, images: Images) -> XrvOutputs:
        found = in_passes(eight_bits(images, self.name), self._pass, _BATCH)
        features, probabilities = zip(*found, strict=True)
        return XrvOutputs(np.concatenate(features), np.concatenate(probabilities))

    def _pass(self, levels: NDArray[np.uint8]) -> tuple[Features, NDArray[np.float32]]:
        network = placed(self.network)
        found = network(xrv_input(levels).to(device()))
        logits = network.logits(found)[:, self._columns].cpu()
        return found.cpu().numpy(), _op_norm(torch.sigmoid(logits), self._points).numpy()


class DenseNet121:
    """The folded network: float32 [B, 1, 224, 224] in [-1024, 1024] -> ``features2``, [B, 1024].

    Args:
        state: a state dict of ``torchxrayvision.models.DenseNet``. InputError for another one.
    """

    def __init__(self, state: State) -> None:
        try:
            self._stem = _folded(state, "features.conv0", "features.norm0")
            self._blocks = [self._fold_block(state, i) for i in range(1, len(_BLOCKS) + 1)]
            self._transitions = [
                (
                    _affine(state, f"features.transition{i}.norm"),
                    _last(state[f"features.transition{i}.conv.weight"]),
                )
                for i in range(1, len(_BLOCKS))
            ]
            self._norm5 = _affine(state, "features.norm5")
            self._head = (state["classifier.weight"].float(), state["classifier.bias"].float())
        except KeyError as error:
            raise InputError(
                f"these are not the weights of torchxrayvision's DenseNet-121: {error} is missing"
            ) from error

    def tensors(self) -> list[Tensor]:
        """All weights."""
        layers = [one for block in self._blocks for layer in block for one in layer.tensors()]
        transitions = [one for affine, weight in self._transitions for one in (*affine, weight)]
        return [*self._stem, *layers, *transitions, *self._norm5, *self._head]

    def to(self, device: torch.device) -> Self:
        """Bring all weights to a device."""
        if self._stem[0].device == device:
            return self

        def moved(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return pair[0].to(device), pair[1].to(device)

        self._stem, self._norm5, self._head = map(moved, (self._stem, self._norm5, self._head))
        self._blocks = [
            [_DenseLayer(moved(x.norm), moved(x.first), x.second.to(device)) for x in block]
            for block in self._blocks
        ]
        self._transitions = [(moved(norm), w.to(device)) for norm, w in self._transitions]
        return self

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """Features of a batch."""
        x = F.conv2d(pictures, *self._stem, stride=2, padding=3)
        # Zeros around it change no maximum that ReLU is taken of.
        x = F.relu_(pool_by_two(F.pad(x, (1, 1, 1, 1))))
        for i, block in enumerate(self._blocks):
            x = self._dense(block, x)
            if i < len(self._transitions):
                affine, weight = self._transitions[i]
                x = pointwise(F.avg_pool2d(_relu(x, affine), 2), weight)
        return _relu(x, self._norm5).mean(dim=(2, 3))

    @torch.inference_mode()
    def logits(self, features: Tensor) -> Tensor:
        """[B, 1024] -> [B, 18], in torchxrayvision's order."""
        return F.linear(features, *self._head)

    @staticmethod
    def _dense(block: list["_DenseLayer"], x: Tensor) -> Tensor:
        b, have, height, width = x.shape
        growth = len(block[0].second)
        joined = torch.empty(
            (b, have + growth * len(block), height, width),
            memory_format=torch.channels_last,
            device=x.device,
        )
        joined[:, :have] = x
        for layer in block:
            inner = _relu(joined[:, :have], layer.norm)
            inner = F.relu_(pointwise(inner, *layer.first))
            joined[:, have : have + growth] = F.conv2d(inner, layer.second, padding=1)
            have += growth
        return joined

    @staticmethod
    def _fold_block(state: State, block: int) -> list["_DenseLayer"]:
        layers = []
        for i in range(1, _BLOCKS[block - 1] + 1):
            at = f"features.denseblock{block}.denselayer{i}"
            layers.append(
                _DenseLayer(
                    norm=_affine(state, f"{at}.norm1"),
                    first=_folded(state, f"{at}.conv1", f"{at}.norm2"),
                    second=_last(state[f"{at}.conv2.weight"]),
                )
            )
        return layers


@dataclass(frozen=True, slots=True)
class _DenseLayer:
    norm: tuple[Tensor, Tensor]
    """Scale and shift of the first normalisation."""
    first: tuple[Tensor, Tensor]
    """Weight and bias of the 1x1 convolution, the second normalisation folded in."""
    second: Tensor
    """Weight of the 3x3 convolution."""

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        return (*self.norm, *self.first, self.second)


def xrv_input(levels: NDArray[np.uint8]) -> Tensor:
    """uint8 [B, 1, H, W] -> float32 [B, 1, 224, 224] in [-1024, 1024], as its users do.

    ``normalize(img, 255)``, ``XRayCenterCrop`` and ``XRayResizer(224)`` (scikit-image: Gaussian
    against aliasing, then linear, clipped to the picture's own range), which are linear in each
    direction up to the clipping: two matrix products.
    """
    _, _, height, width = levels.shape
    side = min(height, width)
    top, left = height // 2 - side // 2, width // 2 - side // 2
    square = levels[:, 0, top : top + side, left : left + side]
    x = (2 * (torch.from_numpy(square).float() / 255) - 1) * 1024
    if side != SIDE:
        matrix = torch.from_numpy(_resize_matrix(side))
        flat = x.flatten(1)
        least, most = flat.amin(1)[:, None, None], flat.amax(1)[:, None, None]
        x = (matrix @ x @ matrix.T).clamp(least, most)
    return x[:, None]


@lru_cache(maxsize=8)
def _resize_matrix(side: int) -> NDArray[np.float32]:
    """[224, side]: what ``XRayResizer`` does to a column, found by giving it the unit columns."""
    from scipy import ndimage

    factor = side / SIDE
    columns = np.eye(side)
    if factor > 1:
        columns = ndimage.gaussian_filter1d(
            columns, (factor - 1) / 2, axis=0, mode="grid-constant", cval=0.0
        )
    resized: NDArray[np.float64] = ndimage.zoom(
        columns, (SIDE / side, 1), order=1, mode="grid-constant", cval=0.0, grid_mode=True
    )
    return resized.astype(np.float32)


def _outputs_of(trained_on: str) -> tuple[list[int], Tensor]:
    """(column, operating point) of the paper's ten in torchxrayvision's table, by name."""
    from torchxrayvision.models import model_urls

    table: dict[str, Any] = model_urls[f"densenet121-res224-{trained_on}"]
    theirs = [_THEIR_NAMES.get(name, name) for name in PATHOLOGIES]
    columns = [table["labels"].index(name) for name in theirs]
    return columns, torch.tensor([table["op_threshs"][column] for column in columns])


def _op_norm(probabilities: Tensor, points: Tensor) -> Tensor:
    """torchxrayvision's ``op_norm``: the operating point goes to 0.5, linearly on either side."""
    below = probabilities / (points * 2)
    above = 1 - (1 - probabilities) / ((1 - points) * 2)
    return torch.where(probabilities < points, below, above)


def _relu(x: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    scale, shift = affine
    return torch.addcmul(shift, x, scale).relu_()


def _affine(state: State, norm: str) -> tuple[Tensor, Tensor]:
    scale, shift = _scale_and_shift(state, norm)
    return scale.float()[:, None, None], shift.float()[:, None, None]


def _scale_and_shift(state: State, norm: str) -> tuple[Tensor, Tensor]:
    scale = state[f"{norm}.weight"].double()
    scale = scale / (state[f"{norm}.running_var"].double() + _EPS).sqrt()
    return scale, state[f"{norm}.bias"].double() - state[f"{norm}.running_mean"].double() * scale


def _folded(state: State, convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    scale, shift = _scale_and_shift(state, norm)
    return _last(
        state[f"{convolution}.weight"].double() * scale[:, None, None, None]
    ), shift.float()


def _last(weight: Tensor) -> Tensor:
    return weight.float().contiguous(memory_format=torch.channels_last)
