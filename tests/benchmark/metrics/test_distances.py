"""What is asked for and kept: kinds of distances, intervals of shares, manifolds, kept features."""

import os

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binomtest
from torch import from_numpy
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from codixr.modality import Modality
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.backbones.real_features import (
    RealFeatures,
    features_of_both,
    features_of_dataset,
    rows_of_dataset,
)
from codixr_bench.metrics.distance_scores import KINDS, Asked, distance_scores
from codixr_bench.metrics.distances import USUAL
from codixr_bench.metrics.kid import kernel_distance
from codixr_bench.metrics.precision_recall import manifolds
from codixr_bench.statistics.influence_interval import kernel_interval, share_interval
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import PixelBackbone, studies_and_samples

MANIFOLDS = ("precision", "recall", "density", "coverage")
MANIFOLD_ROUNDS = int(os.environ.get("CODIXR_ROUNDS", "300"))


def rows_of(features):
    rows = FeatureRows()
    rows.add(range(len(features)), features)
    return rows


def sides(n=300, m=280, d=6, shift=0.4):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, d)) * np.linspace(0.6, 1.2, d) + shift
    return x.astype("f4"), rng.normal(size=(m, d)).astype("f4")


def asked(*kinds, n=300, patients=None, labels=None):
    return Asked(
        backbone="pixels",
        signature="pixels|weights:none",
        kinds=kinds,
        n=n,
        reference="same-studies",
        patients=patients,
        labels=labels,
    )


def kinds_of(wanted, track="phantom"):
    metrics = Track.load(track).metrics(Task.parse("T->F"), wanted)
    return {metric.name: getattr(metric, "kinds", None) for metric in metrics}


def test_a_family_keeps_its_own_score_beside_those_named():
    second = {"fid_phantom_second": ("fid",)}
    kinds = tuple(kind for kind in KINDS if kind in {*USUAL, "kid"})
    assert kinds_of(("frechet", "kid_phantom")) == {"fid_phantom": kinds, **second}
    assert kinds_of(("kid_phantom",)) == {"fid_phantom": ("kid",)}
    assert kinds_of(("frechet",)) == {"fid_phantom": USUAL, **second}
    assert kinds_of(("inception", "kid_phantom")) == {
        "fid_phantom": ("kid",),
        "fid_inception": USUAL,
    }


def test_a_metric_that_two_families_make_is_made_once():
    assert kinds_of(("frechet", "inception"), "mimic-cxr") == {
        "fid_inception": USUAL,
        "fid_xrv": USUAL,
    }


def test_precision_and_recall_are_torch_fidelitys():
    x, y = sides()
    peer = prc_features_to_metric(from_numpy(x), from_numpy(y), verbose=False)
    ours = manifolds(rows_of(x), rows_of(y))
    assert 0.2 < peer["precision"] < 0.98
    assert ours.precision.value == pytest.approx(peer["precision"], abs=1e-6)
    assert ours.recall.value == pytest.approx(peer["recall"], abs=1e-6)


def test_density_and_coverage_are_the_published_formula():
    x, y = sides()
    # Naeem et al. 2020, eqs. 3 and 4, with k = 5, and the picture itself no neighbour.
    radii = np.sort(cdist(y, y), axis=1)[:, 5]
    distances = cdist(x, y)
    density = (distances < radii).sum() / (5 * len(x))
    coverage = (distances.min(axis=0) < radii).mean()
    assert 0.1 < coverage < 0.95
    ours = manifolds(rows_of(x), rows_of(y))
    assert ours.density.value == pytest.approx(density, abs=1e-9)
    assert ours.coverage.value == pytest.approx(coverage, abs=1e-9)


def test_kernel_distance_over_all_pairs_is_torch_fidelitys_of_one_subset():
    x, y = sides(n=280)
    peer = kid_features_to_metric(
        from_numpy(x).double(),
        from_numpy(y).double(),
        kid_subsets=1,
        kid_subset_size=280,
        verbose=False,
    )["kernel_inception_distance_mean"]
    assert peer > 0.1
    assert kernel_distance(rows_of(x), rows_of(y)).value == pytest.approx(peer, rel=1e-9)


def test_a_kernel_distance_of_equal_sets_may_be_below_0():
    rng = np.random.default_rng(0)
    values = [
        kernel_distance(*(rows_of(rng.normal(size=(20, 8)).astype("f4")) for _ in "xy")).value
        for _ in range(40)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)


@pytest.mark.parametrize(("hits", "n"), [(300, 300), (299, 300), (120, 300), (0, 40)])
def test_the_interval_of_a_share_is_wilsons(hits, n):
    share = hits / n
    error = np.sqrt(share * (1 - share) / n)
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert share_interval(share, error, n) == pytest.approx(tuple(expected), abs=1e-6)


def test_a_share_of_1_is_not_certain_and_patients_count_once():
    _, y = sides(shift=0.0, n=300, m=300)
    x = y * np.float32(1e-3)  # in the midst of the real ones
    (one,) = distance_scores(rows_of(x), rows_of(y), asked("precision"))
    assert one.score.value == 1.0
    assert one.score.ci95 == pytest.approx((300 / (300 + 1.959964**2), 1.0))
    patients = [str(i // 10) for i in range(300)]
    (few,) = distance_scores(rows_of(x), rows_of(y), asked("precision", patients=patients))
    assert few.score.ci95[0] == pytest.approx(30 / (30 + 1.959964**2))


def test_distances_by_class_are_those_of_the_studies_that_show_it():
    x, y = sides(n=300, m=300)
    labels = np.zeros((300, 10), "i1")
    labels[:120, 2] = 1
    labels[60:260, 4] = 1
    labels[:30, 5] = 1
    (scored,) = distance_scores(rows_of(x), rows_of(y), asked("fid_by_class", labels=labels))
    classes = list(scored.score.per_class.values())
    parts = [
        distance_scores(rows_of(x[a:b]), rows_of(y[a:b]), asked("fid", n=b - a))[0].score
        for a, b in ((0, 120), (60, 260))
    ]
    assert [classes[2].value, classes[4].value] == pytest.approx([p.value for p in parts])
    assert classes[2].ci95 == pytest.approx(parts[0].ci95)
    assert "fewer than 50" in classes[5].reason
    assert scored.score.value == pytest.approx(np.mean([p.value for p in parts]))


class FakeDataset(list):
    fingerprint, split = "f00d", "test"


def dataset_of(n):
    return FakeDataset(studies_and_samples(n)[0])


class KeptBackbone(PixelBackbone):
    keeps = True
    calls = 0

    def features(self, images):
        self.calls += 1
        return super().features(images)


def test_real_features_are_kept_whole_and_used_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path))
    dataset = dataset_of(6)
    backbone = KeptBackbone()
    made = features_of_dataset(dataset, Modality.F, backbone)
    again = features_of_dataset(dataset, Modality.F, backbone)
    assert backbone.calls == 1
    np.testing.assert_array_equal(made, again)
    (kept,) = (tmp_path / "features").iterdir()
    assert kept == RealFeatures(dataset, Modality.F, backbone).path
    np.testing.assert_array_equal(np.load(kept), made)


def test_a_damaged_file_of_features_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path))
    dataset = dataset_of(4)
    backbone = KeptBackbone()
    made = features_of_dataset(dataset, Modality.F, backbone)
    path = RealFeatures(dataset, Modality.F, backbone).path
    path.write_bytes(path.read_bytes()[:-7])
    np.testing.assert_array_equal(features_of_dataset(dataset, Modality.F, backbone), made)
    assert backbone.calls == 2


def test_features_that_cannot_be_kept_are_a_note(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path / "file"))
    dataset = dataset_of(3)
    assert len(features_of_dataset(dataset, Modality.F, KeptBackbone())) == 3
    assert "features are not kept" in capsys.readouterr().err


def covered(n, d, rounds, kinds, seed=None):
    """How often the interval holds the mean score, for each kind."""
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d) * np.linspace(1, 0.3, d)
    rng = rng if seed is None else np.random.default_rng(seed)
    found = {kind: [] for kind in kinds}
    for _ in range(rounds):
        z = rng.normal(size=(n, d))
        # Wider than the real ones: no score is near 0 or 1.
        noise = 0.5 * z + np.sqrt(0.75) * rng.normal(size=(n, d))
        made = (noise @ mixing * 1.1 + 0.4 / np.sqrt(d)).astype("f4")
        real = (z @ mixing).astype("f4")
        for kind, one in zip(
            kinds, distance_scores(rows_of(made), rows_of(real), asked(*kinds, n=n)), strict=True
        ):
            found[kind].append((*one.score.ci95, one.score.value))
    shares = {}
    for kind, rows in found.items():
        low, high, value = np.array(rows).T
        assert ((low <= value) & (value <= high)).all()
        shares[kind] = np.mean((low <= value.mean()) & (value.mean() <= high))
        print(f"\n{kind}, n {n}, d {d}: {value.mean():.3f}, {shares[kind]:.3f} of {rounds} rounds")
    return shares


@pytest.mark.slow
def test_95_percent_intervals_of_distances_cover_the_expected_score_at_this_n():
    # What was measured, less the error of so few rounds.
    shares = covered(200, 8, 150, ("fid", "kid"))
    assert 0.91 <= shares["fid"] <= 0.995
    assert 0.91 <= shares["kid"] <= 0.995


def test_a_kernel_distances_interval_is_longer_above_and_symmetric_far_from_0():
    low, high = kernel_interval(0.07, 0.054)
    assert low < 0.07 < high
    assert high - 0.07 > 1.5 * (0.07 - low)
    # Wilson's equation: both ends lie as many of their own standard errors from the value.
    error = 0.054 / 1.959964
    for end in (low, high):
        grown = 0.054 * np.sqrt((end + error) / (0.07 + error))
        assert abs(end - 0.07) == pytest.approx(grown, rel=1e-9)
    assert kernel_interval(1.0, 1e-4) == pytest.approx((1 - 1e-4, 1 + 1e-4), abs=1e-7)
    assert kernel_interval(0.0, 0.0) == (0.0, 0.0)
    low, high = kernel_interval(-0.01, 0.05)
    assert low < -0.01 < high


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(200, 8), (400, 32)])
def test_95_percent_intervals_of_manifolds_cover_the_expected_score_at_this_n(n, d):
    # 93 to 97 %, and what chance adds in so few rounds. Coverage is a mean over the splits, and
    # their halves differ by the split too: its interval is too wide, as the docs say.
    chance = 1.5 * np.sqrt(0.95 * 0.05 / MANIFOLD_ROUNDS)
    for kind, share in covered(n, d, MANIFOLD_ROUNDS, MANIFOLDS, seed=77).items():
        assert 0.93 - chance <= share <= (1 if kind == "coverage" else 0.97 + chance), kind


def test_other_pictures_features_are_kept_by_their_places(tmp_path, monkeypatch):
    monkeypatch.setenv("CODIXR_CACHE", str(tmp_path))
    dataset, backbone = dataset_of(9), KeptBackbone()
    for wanted in (range(3, 9), range(9)):
        made = rows_of_dataset(dataset, Modality.F, backbone, wanted, keeps=True).all()
        np.testing.assert_array_equal(
            made, rows_of_dataset(dataset, Modality.F, backbone, wanted, keeps=True).all()
        )
    assert backbone.calls == 2
    np.testing.assert_array_equal(
        rows_of_dataset(dataset, Modality.F, backbone, range(3, 9), keeps=True).all(), made[3:]
    )


def test_pictures_that_are_the_real_ones_are_computed_once():
    backbone, real = KeptBackbone(), np.zeros((2, 1, 8, 8), dtype=np.float32)
    made, same = features_of_both(backbone, real.copy(), real, None)
    assert backbone.calls == 1
    assert made is same
    other, kept = features_of_both(backbone, real + np.float32(0.5), real, same)
    assert backbone.calls == 2
    assert kept is same
    assert not np.array_equal(other, kept)
