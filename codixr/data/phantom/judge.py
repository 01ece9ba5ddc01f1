"""The phantom track's judge: a small CNN that reads findings off a simulated picture.

One for each view, trained on simulated pictures of the train split with random blur and noise (a
judge that has only seen noisy pictures punishes every clean one). Its probabilities score
generated pictures by pathology, its 128 features are the backbone of the track's Fréchet
distance. Nothing that it says is about patients.
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

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality

CLASSES: tuple[str, ...] = (*PATHOLOGIES, "Support Devices")
SIDE = 64
FEATURES = 128
WIDTHS = (32, 64, 128, 256)
ASSETS = Path(__file__).resolve().parents[2] / "assets"


def judge_path(view: Modality) -> Path:
    """Where the weights of a view's judge are."""
    return ASSETS / f"phantom_judge_{view}.safetensors"


def check_pictures(x: Tensor) -> None:
    """Raise ValueError unless ``x`` is float32 [B, 1, H, W], H and W >= 64, finite, in [0, 1]."""
    if x.ndim != 4 or x.shape[1] != 1 or x.shape[2] < SIDE or x.shape[3] < SIDE:
        raise ValueError(f"judge: want [B, 1, H, W] with H, W >= {SIDE}, got {tuple(x.shape)}")
    if x.dtype != torch.float32:
        raise ValueError(f"judge: want float32, got {x.dtype}")
    if x.numel() == 0:
        return
    low, high = float(x.amin()), float(x.amax())
    if not (low >= 0.0 and high <= 1.0):
        raise ValueError(f"judge: want finite values in [0, 1], got [{low:g}, {high:g}]")


class PhantomJudge(nn.Module):
    """Four stride-2 convolutions, global average, 128 features, one logit a class."""

    classes: tuple[str, ...] = CLASSES

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for width in WIDTHS:
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        layers += [
            nn.Conv2d(channels, FEATURES, 3, padding=1, bias=False),
            nn.BatchNorm2d(FEATURES),
            nn.ReLU(),
        ]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(FEATURES, len(CLASSES))

    def features(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> [B, 128]; larger pictures are averaged to 64x64.

        Raises ValueError for other shapes, types, ranges, and for NaN.
        """
        check_pictures(x)
        if x.shape[2:] != (SIDE, SIDE):
            x = functional.interpolate(x, size=(SIDE, SIDE), mode="area")
        pooled: Tensor = self.trunk(x * 4.0 - 1.2).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> logits [B, k], in the order of ``classes``.

        Raises ValueError as ``features`` does.
        """
        logits: Tensor = self.head(self.features(x))
        return logits


@dataclass(frozen=True, slots=True)
class LoadedJudge:
    """A judge ready to use.

    ``thresholds`` maps a class to the probability that is best for F1 on the real val split;
    ``sha256`` is the weight file's; ``metadata`` says how it was trained.
    """

    model: PhantomJudge
    thresholds: Mapping[str, float]
    sha256: str
    metadata: Mapping[str, str]


@lru_cache(maxsize=2)
def load_judge(view: Modality) -> LoadedJudge:
    """The shipped judge of a view, in eval mode, on the CPU.

    Raises InputError for T, and where the weights are missing, damaged or of other classes.
    """
    if not view.is_image:
        raise InputError("phantom judge: T has no pictures; ask for F or L")
    path = judge_path(view)
    if not path.is_file():
        raise InputError(
            f"phantom judge: {path.name} is missing; "
            f"train it: python -m codixr.training.phantom_judge --view {view}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if tuple(json.loads(metadata["classes"])) != CLASSES:
            raise KeyError("classes")
        thresholds = {k: float(v) for k, v in json.loads(metadata["thresholds"]).items()}
        model = PhantomJudge()
        model.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f"phantom judge: {path.name} cannot be read ({type(error).__name__}); "
            f"reinstall codixr, or train it again"
        ) from error
    model.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return LoadedJudge(model, thresholds, digest, metadata)
