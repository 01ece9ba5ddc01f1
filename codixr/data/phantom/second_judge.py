"""The phantom track's second judge: another network, another opinion, and the attributes.

The first (``judge``) is a plain stack of convolutions. This one cuts a picture into 64 patches by
a short residual stem, lets them attend to each other, and asks one question for each finding and
device (learned queries, cross-attention): is it there, on which side, in which zone, how severe?
It is trained on studies that nothing else of ours has seen, with other augmentations, and nothing
of ours is trained on it. Nothing that it says is about patients.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from codixr.data.phantom.attributes import ATTRIBUTES, BEARERS
from codixr.data.phantom.judge import ASSETS, CLASSES, SIDE, check_pictures
from codixr.errors import InputError
from codixr.modality import Modality

FEATURES = 96
STEM = 64
HEADS = 4
GRID = 8
DATA_SEED = 2**40 + 18
"""The simulated collection that the second judges learn from. Seeds from 2**40 on are kept for
judges: the tracks' collection is 0, and training's spoken prompts draw theirs under 2**31."""
QUESTIONS: tuple[str, ...] = (*BEARERS, "Support Devices")
ANSWERS: dict[str, slice] = {
    "present": slice(0, 1),
    "side": slice(1, 4),
    "zone": slice(4, 7),
    "severity": slice(7, 10),
}
"""Where the answers to a question lie among its ten numbers."""


def second_judge_path(view: Modality) -> Path:
    """Where the weights of a view's second judge are."""
    return ASSETS / f"phantom_second_judge_{view}.safetensors"


class Residual(nn.Module):
    """x + 1x1, 3x3, 1x1 convolutions through half the channels, each after a BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> the same shape."""
        y: Tensor = x + self.layers(x)
        return y


class Block(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron (Dosovitskiy et al. 2021)."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, d] -> [B, n, d]."""
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        x = x + self.out(attend(q, k, v))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention in ``HEADS`` heads: [B, n, d], [B, m, d] -> [B, n, d]."""
    q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class SecondJudge(nn.Module):
    """Patches of a residual stem, an attention block, one query a question."""

    classes: tuple[str, ...] = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(16, STEM, 3, padding=1),
            Residual(STEM),
            Residual(STEM),
            nn.Conv2d(STEM, FEATURES, 2, stride=2),
            Residual(FEATURES),
        )
        self.position = nn.Parameter(0.02 * torch.randn(GRID * GRID, FEATURES))
        self.block = Block(FEATURES)
        self.norm = nn.LayerNorm(FEATURES)
        self.head = nn.Linear(FEATURES, len(QUESTIONS))
        self.query = nn.Parameter(0.2 * torch.randn(len(QUESTIONS), FEATURES))
        self.key_value = nn.Linear(FEATURES, 2 * FEATURES)
        count = max(part.stop for part in ANSWERS.values())
        self.weight = nn.Parameter(torch.randn(len(QUESTIONS), FEATURES, count) * FEATURES**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(QUESTIONS), count))

    def tokens(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> [B, 64, 96]; larger pictures are averaged to 64x64.

        Raises ValueError for other shapes, types, ranges, and for NaN.
        """
        check_pictures(x)
        if x.shape[2:] != (SIDE, SIDE):
            x = functional.interpolate(x, size=(SIDE, SIDE), mode="area")
        patches = self.stem(x * 4.0 - 1.2).flatten(2).transpose(1, 2)
        found: Tensor = self.norm(self.block(patches + self.position))
        return found

    def outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, 96], the mean of the patches, and answers [B, 15, 10] (``ANSWERS``)."""
        tokens = self.tokens(x)
        features = tokens.mean(dim=1)
        k, v = self.key_value(tokens).chunk(2, dim=-1)
        read = attend(self.query.expand(len(x), -1, -1), k, v)
        answers = torch.einsum("bqd,qda->bqa", read, self.weight) + self.bias
        present = answers[..., :1] + self.head(features)[..., None]
        return features, torch.cat([present, answers[..., 1:]], dim=-1)

    def features(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> [B, 96]."""
        return self.tokens(x).mean(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> logits [B, k], in the order of ``classes``."""
        return class_logits(self.outputs(x)[1])


def class_logits(answers: Tensor) -> Tensor:
    """Answers [B, 15, 10] -> the logits of presence [B, 11], in the order of ``CLASSES``."""
    chosen = [QUESTIONS.index(name) for name in CLASSES]
    return answers[:, chosen, 0]


@dataclass(frozen=True, slots=True)
class LoadedSecondJudge:
    """A second judge ready to use; see ``judge.LoadedJudge``.

    ``thresholds`` also has the four devices.
    """

    model: SecondJudge
    thresholds: Mapping[str, float]
    sha256: str
    metadata: Mapping[str, str]


@lru_cache(maxsize=2)
def load_second_judge(view: Modality) -> LoadedSecondJudge:
    """The shipped second judge of a view, in eval mode, on the CPU.

    Its file holds float16; it computes in float32. Raises InputError for T, and where the weights
    are missing, damaged or of other questions.
    """
    if not view.is_image:
        raise InputError("second phantom judge: T has no pictures; ask for F or L")
    path = second_judge_path(view)
    if not path.is_file():
        raise InputError(
            f"second phantom judge: {path.name} is missing; "
            f"train it: python -m codixr.training.second_judge --view {view}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if json.loads(metadata["questions"]) != list(QUESTIONS):
            raise KeyError("questions")
        if json.loads(metadata["attributes"]) != {k: list(v) for k, v in ATTRIBUTES.items()}:
            raise KeyError("attributes")
        thresholds = {k: float(v) for k, v in json.loads(metadata["thresholds"]).items()}
        model = SecondJudge()
        model.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f"second phantom judge: {path.name} cannot be read ({type(error).__name__}); "
            f"reinstall codixr, or train it again"
        ) from error
    model.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return LoadedSecondJudge(model, thresholds, digest, metadata)
