"""Measures a simulated picture: how large is the heart, how high stands the diaphragm, and more.

One small CNN for each view, trained on the truth of the simulation (``measures``) with pictures
that were mirrored, moved, enlarged and spoiled, so that it measures what is shown: a mirrored heart
is measured as mirrored. What real pictures measure is kept beside the weights: a region that holds
99 % of them (of each view), and how the two views of one body go together (of the pair). Nothing
that it says is about patients.
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

from codixr.data.phantom.judge import ASSETS, SIDE, check_pictures
from codixr.data.phantom.measures import measure_names
from codixr.errors import InputError
from codixr.modality import Modality

WIDTHS = (24, 32, 48)
FLAT = 20
"""Channels that keep their place when the map of 8x8 is read."""
HIDDEN = 64


def estimator_path(view: Modality) -> Path:
    """Where the weights of a view's estimator are."""
    return ASSETS / f"phantom_anatomy_{view}.safetensors"


def pair_path() -> Path:
    """Where it is kept how both views of one body go together."""
    return ASSETS / "phantom_anatomy_pair.safetensors"


class AnatomyEstimator(nn.Module):
    """Four convolutions to a map of 8x8, read with its places; one number a measure.

    ``middle`` and ``scale``: of each measure, as the truth of the train split has them.
    """

    middle: Tensor
    scale: Tensor

    def __init__(self, measures: int) -> None:
        super().__init__()
        a, b, c = WIDTHS
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        for before, after, stride in ((4, a, 1), (a, b, 2), (b, c, 2), (c, c, 1)):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.stem = nn.Sequential(*layers, nn.Conv2d(c, FLAT, 1), nn.ReLU())
        grid = SIDE // 8
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(FLAT * grid * grid, HIDDEN), nn.ReLU(),
            nn.Linear(HIDDEN, measures),
        )  # fmt: skip
        self.register_buffer("middle", torch.zeros(measures))
        self.register_buffer("scale", torch.ones(measures))

    def inputs(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> what the last layer reads, [B, HIDDEN].

        Larger pictures are averaged to 64x64. ValueError for other shapes, types, ranges, and NaN.
        """
        check_pictures(x)
        if x.shape[2:] != (SIDE, SIDE):
            x = functional.interpolate(x, size=(SIDE, SIDE), mode="area")
        found: Tensor = self.head[:-1](self.stem(x * 4.0 - 1.2))
        return found

    def standardised(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> [B, k] in scales from the middle."""
        found: Tensor = self.head[-1](self.inputs(x))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] float32 in [0, 1] -> measures [B, k], by ``measures.MEASURES``."""
        return self.standardised(x) * self.scale + self.middle


@dataclass(frozen=True, slots=True)
class LoadedEstimator:
    """An estimator ready to use, and the region of real pictures (``anatomy_region.Region``)."""

    model: AnatomyEstimator
    region: Mapping[str, Tensor]
    sha256: str
    metadata: Mapping[str, str]


@lru_cache(maxsize=2)
def load_estimator(view: Modality) -> LoadedEstimator:
    """The shipped estimator of a view, in eval mode, on the CPU; it computes in float32.

    Raises InputError for T, and where the weights are missing, damaged or of other measures.
    """
    names = measure_names(view)
    path = estimator_path(view)
    state, metadata = _read(path)
    region = {key: state.pop(key) for key in list(state) if key.startswith("region.")}
    try:
        if json.loads(metadata["measures"]) != list(names) or not region:
            raise KeyError("measures")
        model = AnatomyEstimator(len(names))
        model.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error
    model.eval().requires_grad_(False)
    return LoadedEstimator(model, region, _sha256(path), metadata)


@lru_cache(maxsize=1)
def load_pair() -> tuple[Mapping[str, Tensor], str]:
    """How the views' measures go together, and the sha256 of its file.

    Raises InputError where it is missing, damaged, or of other estimators than those here.
    """
    path = pair_path()
    state, metadata = _read(path)
    for view in (Modality.F, Modality.L):
        if metadata.get(str(view)) != load_estimator(view).sha256:
            raise _unreadable(path, ValueError("it is of another estimator"))
    return state, _sha256(path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise InputError(
            f"phantom anatomy: {path.name} is missing; train it: python -m codixr.training.anatomy"
        )
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return state, file.metadata() or {}
    except (SafetensorError, ValueError) as error:
        raise _unreadable(path, error) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"phantom anatomy: {path.name} cannot be read ({type(error).__name__}); "
        "reinstall codixr, or train it again"
    )
