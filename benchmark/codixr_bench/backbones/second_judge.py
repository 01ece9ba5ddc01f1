"""The phantom track's second judge as backbone, classifier and reader of attributes at once."""

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
    from codixr.data.phantom.second_judge import LoadedSecondJudge


@dataclass(frozen=True, slots=True)
class SecondOutputs:
    """What one pass says of a batch."""

    features: Features
    """float32 [B, d]."""
    answers: NDArray[np.float32]
    """float32 [B, questions, 10]: logits, by ``QUESTIONS`` and ``ANSWERS``."""


class SecondJudgePass(ShippedJudge["LoadedSecondJudge", SecondOutputs]):
    """One view's second judge; a ``Backbone`` and a ``Classifier``, as ``JudgePass`` is."""

    name = "phantom_second"
    stem = "phantom-second-judge"
    usual = ("fid",)
    """The distances that a second opinion offers."""

    def _load(self) -> "LoadedSecondJudge":
        from codixr.data.phantom.second_judge import load_second_judge

        return load_second_judge(self.view)

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """float32 [B, 1, H, W] in [0, 1] -> [B, k], in the order of ``classes``."""
        from codixr.data.phantom.second_judge import QUESTIONS

        logits = self.outputs(images).answers[:, :, 0]
        chosen = logits[:, [QUESTIONS.index(name) for name in self.classes]]
        return (1.0 / (1.0 + np.exp(-chosen.astype(np.float64)))).astype(np.float32)

    def _forward(self, images: Images) -> SecondOutputs:
        # Loaded outside: weights that are born in inference mode can't be differentiated by others.
        _ = self.judge
        features, answers = zip(*in_passes(images, self._pass, len(images)), strict=True)
        return SecondOutputs(np.concatenate(features), np.concatenate(answers))

    def _pass(self, images: Images) -> tuple[Features, NDArray[np.float32]]:
        import torch

        model = placed(self.judge.model)
        try:
            features, answers = model.outputs(torch.from_numpy(images).to(device()))
        except ValueError as error:
            raise InputError(f"{self.signature.partition('|')[0]}: {error}") from error
        return features.cpu().numpy(), answers.cpu().numpy()


@lru_cache(maxsize=2)
def second_judge_pass(view: Modality) -> SecondJudgePass:
    """The process's one pass of a view's shipped second judge: F or L."""
    return SecondJudgePass(view)
