"""Samples of one study are held against each other: a model that always answers the same has 0."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metrics.diversity import ms_ssim
from codixr_bench.metrics.label_pairs import label_keys, partners
from codixr_bench.runs.within_condition import within_conditions
from codixr_bench.task import Task

N = 70
DATA = PhantomDataset("test", limit=N)


class Made:
    """Samples in memory, in batches of a size of their own."""

    def __init__(self, samples, size: int) -> None:
        self.task = Task.parse("L->F+T")
        self.samples, self.size = samples, size

    def __len__(self) -> int:
        return len(self.samples)

    def batches(self, rank: int = 0, size: int = 1):
        for first in range(0, N, self.size):
            yield range(first, min(N, first + self.size)), self.samples[first : first + self.size]


def test_samples_of_one_study_are_compared_over_real_ones_of_the_same_labels() -> None:
    real = np.asarray(DATA.images(Modality.F)).astype(np.float32) / np.float32(255)
    rng = np.random.default_rng(0)
    sets = [np.rint(255 * rng.random((N, 1, 64, 64))).astype(np.float32) / 255 for _ in range(3)]
    reports = list(DATA.reports())
    sources = [
        Made([{Modality.F: f, Modality.T: t} for f, t in zip(one, reports, strict=True)], size)
        for one, size in zip(sets, (7, 32, 70), strict=True)
    ]
    scores, columns = within_conditions(sources, DATA)
    pictures, words = scores
    assert [pictures.name, words.name] == ["diversity_within_image", "diversity_within_report"]
    partner = partners(label_keys([DATA[i] for i in range(N)]))
    which = np.flatnonzero(partner >= 0)
    whole = (1 - ms_ssim(real[which], real[partner[which]])).mean()
    apart = [1 - ms_ssim(sets[i][:, 0], sets[j][:, 0]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert pictures.value == pytest.approx(np.mean(apart) / whole, rel=1e-5)
    low, high = pictures.ci95
    assert low < pictures.value < high
    assert "|samples:3|" in pictures.signature
    # The same report each time.
    assert words.value == 0.0
    assert set(columns) == {f"{score.name}.influence" for score in scores}
    assert all(abs(column.sum()) < 1e-6 for column in columns.values())
