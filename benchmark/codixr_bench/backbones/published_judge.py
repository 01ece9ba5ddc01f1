"""torchxrayvision's classifiers as judges of Table III, at an operating point chosen by name.

``xrv_op50`` (the default): its op-normalised outputs, cut at 0.5. ``f1max-on-real-val``,
``youden-on-real-val`` and ``ppv80-on-real-val`` are found on the real pictures of the track's
validation split, once a process, and reused for every model. ``fixed-0.30`` is what it says.
"""

import re
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.backbones.backbone import Images, real_images
from codixr_bench.backbones.operating_points import POLICIES, operating_points
from codixr_bench.backbones.published import PublishedBackbone, published

DEFAULT = "xrv_op50"
_FIXED = re.compile(r"fixed-(0\.\d+)")
_BATCH = 64


class PublishedJudge:
    """A ``Classifier`` whose weights may be absent: then ``absent`` says why, and scores are null.

    Args:
        backbone: ``published("xrv")`` or ``published("xrv-chex")``, shared with the distances: a
            batch of pictures passes through the network once.
        policy: see above; InputError for an unknown one.
    """

    classes = PATHOLOGIES

    def __init__(self, backbone: PublishedBackbone, policy: str = DEFAULT) -> None:
        self.backbone = backbone
        self.threshold_policy = policy
        self._points: NDArray[np.float64] | None = None
        fixed = _FIXED.fullmatch(policy)
        if policy == DEFAULT or fixed:
            self._points = np.full(len(PATHOLOGIES), float(fixed[1]) if fixed else 0.5)
        elif policy not in POLICIES:
            known = ", ".join((DEFAULT, *POLICIES, "fixed-0.50"))
            raise InputError(f"operating point '{policy}' is unknown; known: {known}")

    @property
    def absent(self) -> str | None:
        """Why the network cannot be used; None when it can, or was not tried yet."""
        return self.backbone.absent

    @property
    def tuned(self) -> bool:
        """Whether the operating points are known."""
        return self._points is not None

    @property
    def signature(self) -> str:
        """The network's, and that its outputs are op-normalised: that changes micro AUROC."""
        return f"{self.backbone.signature}|outputs:op-norm"

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """[10]; InputError before ``tune``, where the policy needs it."""
        if self._points is None:
            raise InputError(f"operating point '{self.threshold_policy}' was not found yet")
        return self._points

    def probabilities(self, images: Images) -> NDArray[np.floating]:
        """float32 [B, 1, H, W] in [0, 1] -> [B, 10]; InputError for another range."""
        found: NDArray[np.floating] = self.backbone.probabilities(images)
        return found

    def tune(self, validation: StudyDataset) -> None:
        """Find the operating points on real frontal pictures, never on the evaluated ones.

        Raises InputError for another split than ``val``, and for too few labels of a class.
        """
        if validation.split != "val":
            raise InputError(f"operating points are found on 'val', not on '{validation.split}'")
        scores: list[NDArray[Any]] = []
        labels: list[list[int]] = []
        n = len(validation)
        with Progress(f"{self.threshold_policy}, {self.backbone.name}", n) as bar:
            for first in range(0, n, _BATCH):
                positions = range(first, min(first + _BATCH, n))
                studies = [validation[position] for position in positions]
                scores.append(self.probabilities(real_images(positions, studies, Modality.F)))
                for study in studies:
                    known = [study.labels.get(name) for name in self.classes]
                    labels.append([-1 if value is None else value for value in known])
                bar.advance(len(positions))
        self._points = operating_points(
            self.threshold_policy,
            np.concatenate(scores).astype(np.float64),
            np.array(labels, dtype=np.int8),
            self.classes,
        )


@cache
def published_judge(name: str, policy: str) -> PublishedJudge:
    """The process's one judge of this name and operating point: it is tuned once."""
    return PublishedJudge(published(name), policy)
