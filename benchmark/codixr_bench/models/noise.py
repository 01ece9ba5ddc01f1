"""Reference point ``noise``: white noise for a picture, random words for a report."""

from collections.abc import Sequence

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Content, Sample
from codixr_bench.models.train_set import TRAIN_LIMIT, train_reports
from codixr_bench.task import Task


class NoiseModel:
    """Uniform white noise, and words drawn at random at a training report's length.

    On a track without training studies the words are those of the phantom track's reports.
    """

    name = "noise"
    version = "1"
    uses_conditions = False
    takes_checkpoint = False
    train_limit = TRAIN_LIMIT
    summary = "white noise, random words: the lower reference"

    def __init__(self) -> None:
        self._vocabulary: list[str] = []
        self._lengths: list[int] = []
        self._shape: tuple[int, ...] = ()

    def supports(self, task: Task) -> bool:
        """Every task."""
        return True

    def use_image_size(self, side: int | None) -> None:
        """The side of the pictures; None: that of the training pictures."""
        self._shape = () if side is None else (1, side, side)

    def prepare(self, train: StudyDataset | None, task: Task) -> None:
        """Take the vocabulary, the reports' lengths, the pictures' size if the track fixes none.

        Raises InputError for pictures of any size on a track without training studies.
        """
        images = [m for m in task.outputs if m.is_image]
        if images and not self._shape:
            content = None if train is None else train[0].get(images[0])
            if content is None or isinstance(content, str):
                raise InputError("model 'noise' needs a training picture for its size")
            self._shape = content.shape
        if Modality.T in task.outputs:
            reports = [report.split() for report in train_reports(train or _phantom())]
            self._vocabulary = sorted({word for report in reports for word in report})
            self._lengths = [len(report) for report in reports]

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        """One sample a study, from its seed alone."""
        return [self._sample(task, np.random.default_rng(seed)) for seed in seeds]

    def _sample(self, task: Task, rng: np.random.Generator) -> Sample:
        sample: dict[Modality, Content] = {}
        for modality in task.outputs:
            if modality.is_image:
                sample[modality] = rng.random(self._shape, dtype=np.float32)
            else:
                length = self._lengths[int(rng.integers(len(self._lengths)))]
                picks = rng.integers(len(self._vocabulary), size=length)
                sample[modality] = " ".join(self._vocabulary[int(pick)] for pick in picks)
        return sample


def _phantom() -> StudyDataset:
    from codixr.data.phantom import PhantomDataset

    return PhantomDataset("train", limit=TRAIN_LIMIT)
