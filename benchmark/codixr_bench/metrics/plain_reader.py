"""A reader of pictures without a network: what low-pass pixels say of the findings.

Ridge regression of the training studies' labels on the features of ``picture_search.py``: principal
components of pictures averaged down to 32 x 32, each divided by its spread. On the phantom's test
studies its AUROC is .94. Textures and small changes that a network takes for a finding are nothing
to it, because they vanish in the mean of four pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Images
from codixr_bench.backbones.operating_points import operating_points
from codixr_bench.metrics.picture_search import PictureSearch
from codixr_bench.metrics.training_search import training_search
from codixr_bench.track import Evaluation

RIDGE = 100.0
"""Of some thousands of studies, and features of variance up to 1."""
ONE_KIND = "the training studies' labels are all of one kind"
Array = NDArray[np.float64]


class PlainReader:
    """A ``Classifier`` of one view, learned from a track's training studies.

    Args:
        view: F or L.
        classes: CheXpert observations, in the order of its arrays.
    """

    threshold_policy = "f1max-on-real-train"

    def __init__(self, view: Modality, classes: Sequence[str]) -> None:
        self.view = view
        self.classes = tuple(classes)
        self.thresholds: Array = np.zeros(len(self.classes))
        self._search: PictureSearch | None = None
        self._weights: Array = np.zeros((0, len(self.classes)))
        self._known = 0

    @property
    def signature(self) -> str:
        """How it reads, and how many training studies it learned from."""
        return f"plain-reader-{self.view}|ridge:{RIDGE:g}|train:{self._known}"

    def prepare(self, evaluation: Evaluation) -> str | None:
        """Learn from the track's training studies; or say why there is nothing to learn from."""
        found = training_search(evaluation, self.view)
        if isinstance(found, str):
            return found
        search, train = found
        labels = _labels(train, self.classes)
        if not ((labels == 1).any(axis=0) & (labels == 0).any(axis=0)).all():
            return ONE_KIND
        self.learn(search, labels)
        return None

    def learn(self, search: PictureSearch, labels: NDArray[np.int8]) -> None:
        """Fit to the pictures that a search knows, by their labels [n, k]: 1, 0, or unknown."""
        rows = _with_one(search.known)
        target = np.where(labels < 0, 0.5, labels == 1)
        gram = rows.T @ rows + RIDGE * np.eye(rows.shape[1])
        self._search, self._known = search, len(search)
        self._weights = np.asarray(np.linalg.solve(gram, rows.T @ target), dtype=np.float64)
        self.thresholds = operating_points(
            "f1max-on-real-val", rows @ self._weights, labels, self.classes
        )

    def probabilities(self, images: Images) -> Array:
        """float32 [B, 1, H, W] in [0, 1] -> [B, k]: about the chance of each finding."""
        if self._search is None:
            raise RuntimeError("prepare comes before probabilities")
        return _with_one(self._search.features(images[:, 0])) @ self._weights

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what was learned stays.
        return self.__dict__ | {"_search": None}


def _labels(train: StudyDataset, classes: Sequence[str]) -> NDArray[np.int8]:
    """[n, k]: 1 present, 0 absent, -1 unknown."""
    stored = getattr(train, "label_matrix", None)
    if callable(stored):
        return np.asarray(stored(classes), dtype=np.int8)
    rows = [[train[i].labels.get(name) for name in classes] for i in range(len(train))]
    return np.array([[-1 if v not in (0, 1) else v for v in row] for row in rows], dtype=np.int8)


def _with_one(rows: NDArray[np.floating]) -> Array:
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1, dtype=np.float64)
