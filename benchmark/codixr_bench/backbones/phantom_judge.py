"""The phantom track's judge as backbone and classifier at once: one forward pass serves both."""

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
    from codixr.data.phantom.judge import LoadedJudge


@dataclass(frozen=True, slots=True)
class JudgeOutputs:
    """What one pass says of a batch."""

    features: Features
    """float32 [B, d]."""
    probabilities: NDArray[np.float32]
    """float32 [B, k], in the order of the pass's ``classes``."""


_REMEMBERED = 256
"""Batches; 64 pictures' outputs take 35 kB."""


class JudgePass:
    """One view's judge; a ``Backbone`` and a ``Classifier``.

    Give the same object to all metrics of a view: a batch that was seen is not computed again. It
    is known by its bytes, not by its place, so the real pictures are computed once for all tasks.

    Args:
        view: F or L.
        judge: another judge than the shipped one, for tests.
    """

    name = "phantom"
    classes = PATHOLOGIES
    threshold_policy = "f1max-on-real-val"

    def __init__(self, view: Modality, judge: "LoadedJudge | None" = None) -> None:
        self.view = view
        self._judge = judge
        self._shipped = judge is None
        self._seen: SeenBatches[JudgeOutputs] = SeenBatches(_REMEMBERED)

    @property
    def judge(self) -> "LoadedJudge":
        """The judge itself, loaded at its first use; InputError where its weights are missing."""
        if self._judge is None:
            from codixr.data.phantom.judge import load_judge

            self._judge = load_judge(self.view)
        return self._judge

    @property
    def signature(self) -> str:
        """E.g. ``phantom-judge-F|weights:ab12cd34``."""
        return f"phantom-judge-{self.view}|weights:{self.judge.sha256[:8]}"

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The operating point of each class, [k]: best F1 on the real val split."""
        return np.array([self.judge.thresholds[name] for name in self.classes])

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> [B, d]."""
        return self.outputs(images).features

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """float32 [B, 1, H, W] in [0, 1] -> [B, k], in the order of ``classes``."""
        return self.outputs(images).probabilities

    def outputs(self, images: Images) -> JudgeOutputs:
        """Features and probabilities of a batch, from memory where it was seen before.

        Raises InputError for pictures that the judge cannot read (shape, range, NaN).
        """
        return self._seen.get(images, self._forward)

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

    def __getstate__(self) -> dict[str, Any]:
        # A shipped judge is loaded again where it is needed: the state stays small.
        return self.__dict__ | {"_judge": None} if self._shipped else self.__dict__


@lru_cache(maxsize=2)
def judge_pass(view: Modality) -> JudgePass:
    """The process's one pass of a view's shipped judge: F or L."""
    return JudgePass(view)
