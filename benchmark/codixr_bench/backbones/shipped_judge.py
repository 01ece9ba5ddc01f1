"""What the phantom track's judges share: one pass of a shipped network serves all metrics."""

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Features, Images
from codixr_bench.backbones.pass_cache import SeenBatches


class HasFeatures(Protocol):
    """What a pass gives, features among it."""

    @property
    def features(self) -> Features:
        """float32 [B, d]."""
        ...


class Loaded(Protocol):
    """A judge that is loaded."""

    @property
    def sha256(self) -> str:
        """Of its file."""
        ...

    @property
    def thresholds(self) -> Any:
        """Class -> its operating point."""
        ...


Judge = TypeVar("Judge", bound=Loaded)
Outputs = TypeVar("Outputs", bound=HasFeatures)

REMEMBERED = 256
"""Batches; 64 pictures' outputs take 35 to 63 kB."""


class ShippedJudge(ABC, Generic[Judge, Outputs]):
    """One view's judge; a ``Backbone``, and with ``probabilities`` a ``Classifier``.

    Give the same object to all metrics of a view: a batch that was seen is not computed again. It
    is known by its bytes, not by its place, so the real pictures are computed once for all tasks.

    Args:
        view: F or L.
        judge: another judge than the shipped one, for tests.
    """

    stem = ""
    """Begins the signature."""
    keeps_others = True
    classes = PATHOLOGIES
    threshold_policy = "f1max-on-real-val"

    def __init__(self, view: Modality, judge: Judge | None = None) -> None:
        self.view = view
        self._judge = judge
        self._shipped = judge is None
        self._seen: SeenBatches[Outputs] = SeenBatches(REMEMBERED)

    @property
    def judge(self) -> Judge:
        """The judge itself, loaded at its first use; InputError where its weights are missing."""
        if self._judge is None:
            self._judge = self._load()
        return self._judge

    @property
    def signature(self) -> str:
        """E.g. ``phantom-judge-F|weights:ab12cd34``."""
        return f"{self.stem}-{self.view}|weights:{self.judge.sha256[:8]}"

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The operating point of each class, [k]: best F1 on the real val split."""
        return np.array([self.judge.thresholds[name] for name in self.classes])

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> [B, d]."""
        return self.outputs(images).features

    def outputs(self, images: Images) -> Outputs:
        """What the judge says of a batch, from memory where it was seen before.

        Raises InputError for pictures that the judge cannot read (shape, range, NaN).
        """
        return self._seen.get(images, self._forward)

    @abstractmethod
    def _load(self) -> Judge:
        """The shipped judge; InputError where its weights are missing."""

    @abstractmethod
    def _forward(self, images: Images) -> Outputs:
        """What the judge says of float32 [B, 1, H, W]; InputError for pictures it cannot read."""

    def __getstate__(self) -> dict[str, Any]:
        # A shipped judge is loaded again where it is needed: the state stays small.
        return self.__dict__ | {"_judge": None} if self._shipped else self.__dict__
