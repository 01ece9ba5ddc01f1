"""The last layer of the phantom's judge, without torch: what features say of the findings.

A checker holds a row's probabilities against its features with it, and its decisions against the
judge's thresholds.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import codixr
from codixr.errors import InputError

TOLERANCE = 0.005
"""Of a probability from float16 features; the reference points differ by 0.0006 at most."""


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


@lru_cache(maxsize=2)
def judge_head(view: str) -> JudgeHead:
    """Of the view F or L; InputError where the weights are missing or damaged."""
    import hashlib

    from safetensors import SafetensorError, safe_open

    path = Path(codixr.__file__).parent / "assets" / f"phantom_judge_{view}.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            weight, bias = (
                file.get_tensor(f"head.{name}").astype(np.float64) for name in ("weight", "bias")
            )
        classes = tuple(json.loads(about["classes"]))
        thresholds = {name: float(at) for name, at in json.loads(about["thresholds"]).items()}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"phantom judge: {path.name} cannot be read: install again") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return JudgeHead(classes, weight, bias, thresholds, digest)
