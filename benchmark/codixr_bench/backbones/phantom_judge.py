"""The phantom track's judge as backbone and classifier at once: one forward pass serves both."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Features, Images
from codixr_bench.backbones.shipped_judge import ShippedJudge

if TYPE_CHECKING:
    from codixr.data.phantom.judge import LoadedJudge


@dataclass(frozen=True, slots=True)
class JudgeOutputs:
    """What one pass says of a batch."""

    features: Features
    """float32 [B, d]."""
    probabilities: NDArray[np.float32]
    """float32 [B, k], in the order of the pass's ``classes``."""


class JudgePass(ShippedJudge["LoadedJudge", JudgeOutputs]):
    """One view's judge; a ``Backbone`` and a ``Classifier``."""

    name = "phantom"
    stem = "phantom-judge"

    def _load(self) -> "LoadedJudge":
        from codixr.data.phantom.judge import load_judge

        return load_judge(self.view)

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """float32 [B, 1, H, W] in [0, 1] -> [B, k], in the order of ``classes``."""
        return self.outputs(images).probabilities

    def _forward(self, images: Images) -> JudgeOutputs:
        import torch

        model = self.judge.model
        chosen = [model.classes.index(name) for name in self.classes]
        with torch.inference_mode():
            try:
                features = model.features(torch.from_numpy(images))
            except ValueError as error:
                raise InputError(f"{self.signature.partition('|')[0]}: {error}") from error
            logits = model.head(features)[:, chosen]
            return JudgeOutputs(features.numpy(), torch.sigmoid(logits).numpy())


@lru_cache(maxsize=2)
def judge_pass(view: Modality) -> JudgePass:
    """The process's one pass of a view's shipped judge: F or L."""
    return JudgePass(view)
