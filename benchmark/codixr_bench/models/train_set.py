"""What the reference points take from a training split, by the fastest way a dataset offers."""

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality

TRAIN_LIMIT = 2000
"""Training studies that reference points use: the first ones, so that a first run on the phantom
track does not wait for all 8,000 to be rendered."""


def train_pictures(train: StudyDataset, modality: Modality) -> NDArray[np.float32]:
    """All training pictures of a view, float32 [n, S, S] in [0, 1].

    Raises InputError for a study that lacks the view.
    """
    images = getattr(train, "images", None)
    if callable(images):
        stored: NDArray[np.uint8] = images(modality)
        return stored.astype(np.float32) / np.float32(255.0)
    pictures = []
    for position in range(len(train)):
        content = train[position].get(modality)
        if content is None or isinstance(content, str):
            raise InputError(f"the training study at position {position} has no {modality}")
        pictures.append(content[0])
    return np.stack(pictures)


def train_reports(train: StudyDataset) -> list[str]:
    """All training reports, in order; a missing one is empty."""
    reports = getattr(train, "reports", None)
    if callable(reports):
        return list(reports())
    return [train[position].report or "" for position in range(len(train))]
