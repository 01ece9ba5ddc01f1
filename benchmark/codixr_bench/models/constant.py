"""Reference point ``constant``: one answer to everything, a mean picture or a typical report."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.openi import NORMAL_IMPRESSION
from codixr.data.study import Image
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.models.train_set import train_pictures, train_reports
from codixr_bench.task import Task


class ConstantModel:
    """The mean training picture of each view, and the training report most like all the others.

    On a track without training studies the report is ``NORMAL_IMPRESSION``, fixed beforehand.
    """

    name = "constant"
    version = "1"
    uses_conditions = False
    takes_checkpoint = False
    train_limit = 500
    """Enough for a mean and a medoid, and rendered in seconds."""
    summary = "the mean training picture, the most typical training report"

    def __init__(self) -> None:
        self._answer: dict[Modality, Content] = {}

    def supports(self, task: Task) -> bool:
        """Every task."""
        return True

    def prepare(self, train: StudyDataset | None, task: Task) -> None:
        """Find the answer; InputError for pictures on a track without training studies."""
        for modality in task.outputs:
            if train is None:
                if modality.is_image:
                    raise InputError("model 'constant' needs training pictures, the track has none")
                self._answer[modality] = NORMAL_IMPRESSION
            elif modality.is_image:
                self._answer[modality] = mean_picture(train, modality)
            else:
                self._answer[modality] = typical_report(train_reports(train))

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """The answer, once a study."""
        return [{m: self._answer[m] for m in task.outputs} for _ in seeds]


def mean_picture(train: StudyDataset, modality: Modality) -> Image:
    """The mean of a view's training pictures, float32 [1, S, S]; ValueError without any."""
    total: NDArray[np.float64] | None = None
    for picture in train_pictures(train, modality):
        total = picture.astype(np.float64) if total is None else total + picture
    if total is None:
        raise ValueError("no pictures")
    return (total / len(train)).astype(np.float32)[None]


def typical_report(reports: Sequence[str]) -> str:
    """The medoid: the report with the greatest mean Dice overlap of word sets with all others.

    The first of equals, so that the answer does not depend on rounding. ValueError without any.
    """
    if not reports:
        raise ValueError("no reports")
    words = [set(report.lower().split()) for report in reports]
    vocabulary = {word: i for i, word in enumerate(sorted(set().union(*words)))}
    present = np.zeros((len(reports), len(vocabulary)), dtype=np.float32)
    for row, its_words in enumerate(words):
        present[row, [vocabulary[word] for word in its_words]] = 1
    sizes = present.sum(axis=1)
    overlap = np.empty(len(reports), dtype=np.float64)
    for row in range(len(reports)):
        shared = present @ present[row]
        overlap[row] = np.mean(2.0 * shared / np.maximum(sizes + sizes[row], 1), dtype=np.float64)
    return reports[int(np.argmax(overlap))]
