"""The phantom track's second judge as backbone, classifier and reader of attributes at once."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Features, Images
from codixr_bench.backbones.pass_cache import SeenBatches

if TYPE_CHECKING:
    from codixr.data.phantom.second_judge import LoadedSecondJudge


@dataclass(frozen=True, slots=True)
class SecondOutputs:
    """What one pass says of a batch."""

    features: Features
    """float32 [B, d]."""
    answers: NDArray[np.float32]
    """float32 [B, questions, 10]: logits, by ``QUESTIONS`` and ``ANSWERS``."""


_REMEMBERED = 256
"""Batches; 64 pictures' outputs take 63 kB."""


class SecondJudgePass:
    """One view's second judge; a ``Backbone`` and a ``Classifier``, as ``JudgePass`` is.

    Args:
        view: F or L.
        judge: another judge than the shipped one, for tests.
    """

    name = "phantom_second"
    classes = PATHOLOGIES
    threshold_policy = "f1max-on-real-val"
    usual = ("fid",)
    """The distances that a second opinion offers."""

    def __init__(self, view: Modality, judge: "LoadedSecondJudge | None" = None) -> None:
        self.view = view
        self._judge = judge
        self._shipped = judge is None
        self._seen: SeenBatches[SecondOutputs] = SeenBatches(_REMEMBERED)

    @property
    def judge(self) -> "LoadedSecondJudge":
        """The judge itself, loaded at its first use; InputError where its weights are missing."""
        if self._judge is None:
            from codixr.data.phantom.second_judge import load_second_judge

            self._judge = load_second_judge(self.view)
        return self._judge

    @property
    def signature(self) -> str:
        """E.g. ``phantom-second-judge-F|weights:ab12cd34``."""
        return f"phantom-second-judge-{self.view}|weights:{self.judge.sha256[:8]}"

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The operating point of each class, [k]: best F1 on the real val split."""
        return np.array([self.judge.thresholds[name] for name in self.classes])

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> [B, d]."""
        return self.outputs(images).features

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """float32 [B, 1, H, W] in [0, 1] -> [B, k], in the order of ``classes``."""
        from codixr.data.phantom.second_judge import QUESTIONS

        logits = self.outputs(images).answers[:, :, 0]
        chosen = logits[:, [QUESTIONS.index(name) for name in self.classes]]
        return (1.0 / (1.0 + np.exp(-chosen.astype(np.float64)))).astype(np.float32)

    def outputs(self, images: Images) -> SecondOutputs:
        """Features and answers of a batch, from memory where it was seen before.

        Raises InputError for pictures that the judge cannot read (shape, range, NaN).
        """
        return self._seen.get(images, self._forward)

    def _forward(self, images: Images) -> SecondOutputs:
        import torch

        # Loaded outside: weights that are born in inference mode can't be differentiated by others.
        model = self.judge.model
        with torch.inference_mode():
            try:
                features, answers = model.outputs(torch.from_numpy(images))
            except ValueError as error:
                raise InputError(f"{self.signature.partition('|')[0]}: {error}") from error
            return SecondOutputs(features.numpy(), answers.numpy())

    def __getstate__(self) -> dict[str, Any]:
        # A shipped judge is loaded again where it is needed: the state stays small.
        return self.__dict__ | {"_judge": None} if self._shipped else self.__dict__


@lru_cache(maxsize=2)
def second_judge_pass(view: Modality) -> SecondJudgePass:
    """The process's one pass of a view's shipped second judge: F or L."""
    return SecondJudgePass(view)
