"""How near one view of a study tells the other: a look-up comes nearer."""

import numpy as np
import pytest

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metrics.copies import NEAREST_TOLD, OWN, PINNED
from codixr_bench.metrics.picture_search import PictureSearch, _orthonormal


def pictures(split: str, view: Modality) -> np.ndarray:
    stored = PhantomDataset(split).images(view)
    return np.asarray(stored).astype(np.float32) / np.float32(255)


def test_nothing_in_one_view_tells_the_other_as_closely_as_a_look_up_is() -> None:
    for view, nearest in NEAREST_TOLD.items():
        assert PINNED["phantom", "2", 64, view, False].copy * OWN < 0.9 * nearest


@pytest.mark.slow
@pytest.mark.parametrize("view", [Modality.F, Modality.L])
def test_the_nearest_that_is_told_is_that_of_a_kernel_regression(view: Modality) -> None:
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.metrics.pairwise import euclidean_distances

    own, other = PictureSearch(), PictureSearch()
    there = Modality.L if view is Modality.F else Modality.F
    for search, one in ((own, view), (other, there)):
        search.learn(pictures("train", one))
    told = {
        split: np.hstack(
            [
                other.features(pictures(split, there)),
                PhantomDataset(split).label_matrix(PATHOLOGIES),
            ]
        ).astype(np.float64)
        for split in ("train", "test")
    }
    usual = np.median(euclidean_distances(told["train"][:500], told["train"], squared=True))
    # Of widths of 1, 3 and 10 and ridges of .01, .1 and 1, the best on validation studies.
    regression = KernelRidge(kernel="rbf", gamma=1.0 / (3.0 * usual), alpha=0.1)
    mean = own.known.mean(axis=0)
    regression.fit(told["train"], own.known - mean)
    looks = own.looks(pictures("test", view))
    apart = regression.predict(told["test"]) + mean - looks.features[0]
    along = np.einsum("nkd,nd->nk", _orthonormal(looks.tangents[0]), apart)
    nearest = (np.square(apart).sum(axis=1) - np.square(along).sum(axis=1)).min()
    assert nearest == pytest.approx(NEAREST_TOLD[view], abs=0.02)
