"""What the reference points take from a training split, by the fastest way a dataset offers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality

TRAIN_LIMIT = 2000
"""Training studies that reference points use: the first ones, so that a first run on the phantom
track does not wait for all 8,000 to be rendered."""
_BATCH = 64


def train_pictures(train: StudyDataset, modality: Modality) -> Iterator[NDArray[np.float32]]:
    """The training pictures of a view in order, each float32 [S, S] in [0, 1].

    Read a few at a time: a whole split of real pictures needs no memory of its size. InputError
    for a study that lacks the view.
    """
    images = getattr(train, "images", None)
    if callable(images):
        stored = images(modality)
        for first in range(0, len(train), _BATCH):
            yield from _in_unit_range(np.asarray(stored[first : first + _BATCH]))
        return
    for position in range(len(train)):
        content = train[position].get(modality)
        if content is None or isinstance(content, str):
            raise InputError(f"the training study at position {position} has no {modality}")
        yield content[0]


def train_reports(train: StudyDataset) -> list[str]:
    """All training reports, in order; a missing one is empty."""
    reports = getattr(train, "reports", None)
    if callable(reports):
        return [report or "" for report in reports()]
    return [train[position].report or "" for position in range(len(train))]


def _in_unit_range(stored: NDArray[Any]) -> NDArray[np.float32]:
    """Whole numbers divided by the largest of their type: 255 for 8 bits, 65535 for 16."""
    pictures = stored.astype(np.float32)
    if np.issubdtype(stored.dtype, np.unsignedinteger):
        pictures /= np.float32(np.iinfo(stored.dtype).max)
    return pictures
