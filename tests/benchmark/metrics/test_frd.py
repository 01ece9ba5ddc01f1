"""The radiomic distance: small between real pictures, large for what a network can't tell."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frd import RadiomicDistance, in_units_of_real

N = 60


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    data = PhantomDataset("test", limit=2 * N, cache_dir=tmp_path_factory.mktemp("frd"))
    return data, (np.array(data.images(Modality.F)) / np.float32(255.0))[:, None]


def frd(pictures, made) -> float:
    data, _ = pictures
    metric = RadiomicDistance(Modality.F)
    metric.update(range(N), [data[i] for i in range(N)], [{Modality.F: p} for p in made])
    (score,) = metric.compute()
    assert score.ci95[0] <= score.value <= score.ci95[1]
    return score.value


def test_real_pictures_are_near_and_worse_ones_far(pictures):
    _, real = pictures
    rng = np.random.default_rng(0)
    assert frd(pictures, real[:N]) == pytest.approx(0.0, abs=1e-3)
    other = frd(pictures, real[N:])
    grainy = frd(pictures, np.clip(real[:N] + rng.normal(0, 0.02, real[:N].shape), 0, 1))
    noise = frd(pictures, rng.random(real[:N].shape, dtype=np.float32))
    assert other < 30 < grainy < noise


def test_pictures_that_are_all_alike_are_no_reference():
    rows = FeatureRows()
    rows.add(range(4), np.ones((4, 3), np.float32))
    with pytest.raises(InputError, match="all real pictures are alike"):
        in_units_of_real(rows, rows)
