"""What a score by pathology asks of a classifier of pictures."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.backbone import Images

Array = NDArray[np.float64]


class Classifier(Protocol):
    """Gives each class a probability, one picture at a time, and knows where to cut it."""

    classes: tuple[str, ...]
    """CheXpert observations, in the order of all its arrays."""
    threshold_policy: str
    """Where the thresholds come from, e.g. ``f1max-on-real-val``; never the evaluated set."""

    @property
    def signature(self) -> str:
        """What makes probabilities comparable, e.g. ``phantom-judge-F|weights:ab12cd34``."""
        ...

    @property
    def thresholds(self) -> Array:
        """[k]: present where the probability is at or above."""
        ...

    def probabilities(self, images: Images) -> NDArray[np.floating]:
        """[B, k]."""
        ...
