"""The phantom track's judge as backbone and classifier at once: one forward pass serves both."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Features, Images
from codixr_bench.backbones.placement import device, in_passes, placed
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
        _ = self.judge  # loaded outside of inference mode: see `SecondJudgePass`
        features, probabilities = zip(*in_passes(images, self._pass, len(images)), strict=True)
        return JudgeOutputs(np.concatenate(features), np.concatenate(probabilities))

    def _pass(self, images: Images) -> tuple[Features, NDArray[np.float32]]:
        import torch

        model = placed(self.judge.model)
        chosen = [model.classes.index(name) for name in self.classes]
        try:
            features = model.features(torch.from_numpy(images).to(device()))
        except ValueError as error:
            raise InputError(f"{self.signature.partition('|')[0]}: {error}") from error
        found = torch.sigmoid(model.head(features)[:, chosen])
        return features.cpu().numpy(), found.cpu().numpy()


@lru_cache(maxsize=2)
def judge_pass(view: Modality) -> JudgePass:
    """The process's one pass of a view's shipped judge: F or L."""
    return JudgePass(view)
