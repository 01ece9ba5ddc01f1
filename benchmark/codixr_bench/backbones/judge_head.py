"""What the phantom's judges' last layers say of features, without torch.

A checker holds a row's probabilities against its features with them, its decisions against the
judges' thresholds, and its features against those that any picture has.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import codixr
from codixr.errors import InputError

TOLERANCE = 0.005
"""Of a probability from float16 features; the reference points differ by 0.0006 at most."""
SUM_TOLERANCE = 0.05
"""Of the sum of a layer norm's numbers from float16 features; the reference points' is 0.007."""


@dataclass(frozen=True, slots=True)
class JudgeHead:
    """A view's judge from its features on."""

    classes: tuple[str, ...]
    weight: NDArray[np.float64]
    """[k, d]."""
    bias: NDArray[np.float64]
    """[k]."""
    thresholds: dict[str, float]
    """Class -> the probability from which a finding is called."""
    sha256: str

    def probabilities(self, features: NDArray[np.generic]) -> NDArray[np.float64]:
        """[n, d] -> [n, k], in the order of ``classes``."""
        logits = np.asarray(features, dtype=np.float64) @ self.weight.T + self.bias
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(-logits, -700.0, 700.0))))


@dataclass(frozen=True, slots=True)
class SecondHead:
    """What is known of the second judge's features and decisions without its network.

    Features are the mean over patches of a layer norm: taken back, each patch's numbers sum to 0
    and have the length √d, so that their mean sums to 0 and is no longer.
    """

    gain: NDArray[np.float64]
    """[d], of the layer norm."""
    shift: NDArray[np.float64]
    """[d]."""
    thresholds: dict[str, float]
    sha256: str

    def are_of_pictures(self, features: NDArray[np.generic]) -> bool:
        """Whether features [n, d] in float16 can be the network's, of any pictures."""
        plain = (np.asarray(features, dtype=np.float64) - self.shift) / self.gain
        sums, lengths = plain.sum(axis=1), np.square(plain).mean(axis=1)
        return bool(np.abs(sums).max() <= SUM_TOLERANCE and lengths.max() <= 1.0 + TOLERANCE)


@lru_cache(maxsize=2)
def judge_head(view: str) -> JudgeHead:
    """Of the view F or L; InputError where the weights are missing or damaged."""
    tensors, about, sha256 = _read(f"phantom_judge_{view}", ("head.weight", "head.bias"))
    weight, bias = tensors
    classes = tuple(json.loads(about["classes"]))
    return JudgeHead(classes, weight, bias, _thresholds(about), sha256)


@lru_cache(maxsize=2)
def second_head(view: str) -> SecondHead:
    """Of the view F or L; InputError where the weights are missing or damaged."""
    tensors, about, sha256 = _read(f"phantom_second_judge_{view}", ("norm.weight", "norm.bias"))
    gain, shift = tensors
    return SecondHead(gain, shift, _thresholds(about), sha256)


def _thresholds(about: Mapping[str, str]) -> dict[str, float]:
    return {name: float(at) for name, at in json.loads(about["thresholds"]).items()}


def _read(
    stem: str, names: tuple[str, str]
) -> tuple[list[NDArray[np.float64]], dict[str, str], str]:
    """Tensors of a shipped judge, its metadata and its digest."""
    from safetensors import SafetensorError, safe_open

    path = Path(codixr.__file__).parent / "assets" / f"{stem}.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            about = dict(file.metadata() or {})
            tensors = [file.get_tensor(name).astype(np.float64) for name in names]
        _thresholds(about)
        content = path.read_bytes()
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"phantom judge: {path.name} cannot be read: install again") from error
    return tensors, about, hashlib.sha256(content).hexdigest()
