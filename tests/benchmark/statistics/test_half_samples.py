"""Errors from random halves: what halves are, what a column carries, the four scores' halves."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from codixr.modality import Modality
from codixr_bench.backbones import feature_rows
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics import precision_recall as manifold
from codixr_bench.metrics.distance_scores import Asked, distance_scores
from codixr_bench.metrics.distances import PictureDistances
from codixr_bench.metrics.precision_recall import manifolds
from codixr_bench.statistics.half_samples import SPLITS, Halved, Splits
from codixr_bench.statistics.influence_interval import standard_error
from helpers.metric_fakes import PixelBackbone, studies_and_samples

KINDS = ("precision", "recall", "density", "coverage")
Z = 1.959964


def rows_of(features):
    rows = FeatureRows()
    rows.add(range(len(features)), features)
    return rows


def sides(n, d=4, seed=3, shift=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.linspace(0.8, 1.4, d) + shift
    return x.astype("f4"), rng.normal(size=(n, d)).astype("f4")


def asked(n, *, paired=True, patients=None):
    return Asked(
        backbone="pixels",
        signature="pixels|weights:none",
        kinds=KINDS,
        n=n,
        reference="same-studies" if paired else f"independent:{n}",
        patients=patients,
    )


def error_of(halved):
    return np.sqrt(np.square(halved.changes()).mean())


def test_halves_are_halves_and_a_patients_studies_stay_together():
    splits = Splits.draw(41, 41, paired=True)
    assert splits.first.shape == (40, 41)
    assert set(splits.first.sum(axis=1)) == {21}
    assert np.array_equal(splits.first, splits.second)
    assert len(np.unique(splits.first, axis=0)) == 40
    patients = [str(i // 3) for i in range(300)]
    together = Splits.draw(300, 300, paired=True, patients=patients)
    assert together.draws == 100
    assert together.first.shape == (SPLITS, 300)
    by_patient = together.first.reshape(SPLITS, 100, 3)
    assert (by_patient == by_patient[:, :, :1]).all()
    apart = Splits.draw(300, 200, paired=False)
    assert apart.second.shape == (SPLITS, 200)
    assert not np.array_equal(apart.first[:, :200], apart.second)
    again = Splits.draw(300, 200, paired=False)
    assert np.array_equal(apart.first, again.first)
    assert np.array_equal(apart.second, again.second)


@pytest.mark.parametrize("patients", [None, [str(i % 70) for i in range(300)]])
def test_a_column_carries_the_error_and_the_error_of_a_difference(patients):
    rng = np.random.default_rng(0)
    splits = Splits.draw(300, 300, paired=True, patients=patients)
    one, two = rng.normal(size=(2, SPLITS)) * 0.03
    numbers = None if patients is None else np.array(patients, dtype=int)
    for changes in (one, two, one - two):
        column = splits.column(changes)
        assert column.shape == (300,)
        assert column.mean() == pytest.approx(0, abs=1e-12)
        expected = np.sqrt(np.square(changes).mean())
        assert standard_error(column, patients)[0] == pytest.approx(expected, rel=1e-9)
        assert standard_error(column - column.mean(), numbers)[0] == pytest.approx(
            expected, rel=1e-9
        )
    apart = splits.column(one) - splits.column(two)
    np.testing.assert_allclose(apart, splits.column(one - two), atol=1e-12)


def test_the_error_of_a_mean_is_the_textbooks():
    rng = np.random.default_rng(1)
    values = rng.exponential(size=1000)
    splits = Splits.draw(1000, 1000, paired=True)
    halves = np.array([[values[half].mean(), values[~half].mean()] for half in splits.first])
    ratio = error_of(Halved(values.mean(), halves, share=False)) / (values.std() / np.sqrt(1000))
    # Within two and a half errors of an error from 64 splits.
    assert ratio == pytest.approx(1, abs=2.5 / np.sqrt(2 * SPLITS))


def test_a_shares_interval_is_wilsons_of_the_draws_it_is_worth():
    rng = np.random.default_rng(4)
    hits = rng.random(400) < 0.9
    splits = Splits.draw(400, 400, paired=True)
    halves = np.array([[hits[half].mean(), hits[~half].mean()] for half in splits.first])
    halved = Halved(float(hits.mean()), halves, share=True)
    worth = halved.value * (1 - halved.value) / error_of(halved) ** 2
    worth *= (Z / student.ppf(0.975, SPLITS)) ** 2
    low, high = halved.interval(400)
    expected = binomtest(round(halved.value * 1e6), 10**6).proportion_ci(method="wilson")
    assert low < expected.low < halved.value < expected.high < high
    middle = (halved.value + Z**2 / (2 * worth)) / (1 + Z**2 / worth)
    assert (low + high) / 2 == pytest.approx(middle, rel=1e-9)


def test_a_density_has_students_interval_cut_at_0():
    halves = np.tile([[1.1, 0.9]], (SPLITS, 1))
    low, high = Halved(1.05, halves, share=False).interval(100)
    assert high - 1.05 == pytest.approx(0.1 * student.ppf(0.975, SPLITS), rel=1e-6)
    assert 1.05 - low == pytest.approx(high - 1.05)
    assert Halved(0.05, halves, share=False).interval(100)[0] == 0.0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_or_none_is_worth_what_the_halves_tell(value):
    agree = Halved(value, np.full((SPLITS, 2), value), share=True).interval(80)
    expected = binomtest(round(80 * value), 80).proportion_ci(method="wilson")
    assert agree == pytest.approx((expected.low, expected.high), abs=1e-6)
    halves = np.abs(value - np.tile([[0.1, 0.0]], (SPLITS, 1)))
    low, high = Halved(value, halves, share=True).interval(80)
    worth = round(0.05 * 0.95 / (0.05 * student.ppf(0.975, SPLITS) / Z) ** 2)
    expected = binomtest(round(worth * value), worth).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize("neighbours", [64, 7])
def test_the_scores_of_a_half_are_those_of_its_pictures_alone(monkeypatch, neighbours):
    # Few are kept of each, so that the other way to a radius is taken too; three blocks a side.
    monkeypatch.setattr(manifold, "NEIGHBOURS", neighbours)
    monkeypatch.setattr(feature_rows, "CHUNK", 40)
    x, y = sides(101)
    splits = Splits.draw(101, 101, paired=True)
    whole = manifolds(rows_of(x), rows_of(y), splits)
    for number in (0, 1, 63):
        for which in (0, 1):
            half = splits.first[number] ^ bool(which)
            alone = manifolds(rows_of(x[half]), rows_of(y[half]))
            for kind in KINDS:
                expected = getattr(alone, kind).value
                assert expected > 0
                found = getattr(whole, kind).halves[number, which]
                assert found == pytest.approx(expected, abs=1e-12), kind
    without = manifolds(rows_of(x), rows_of(y))
    for kind in KINDS:
        assert getattr(whole, kind).value == getattr(without, kind).value
        assert getattr(without, kind).interval(101) is None


def test_sides_that_are_not_paired_are_split_apart():
    x, y = sides(120)
    splits = Splits.draw(120, 90, paired=False)
    whole = manifolds(rows_of(x), rows_of(y[:90]), splits)
    alone = manifolds(rows_of(x[splits.first[5]]), rows_of(y[:90][splits.second[5]]))
    for kind in KINDS:
        assert getattr(whole, kind).halves[5, 0] == getattr(alone, kind).value


def test_the_signature_says_how_the_interval_was_made_and_few_pictures_have_none():
    x, y = sides(200)
    for one in distance_scores(rows_of(x), rows_of(y), asked(200)):
        assert one.score.signature.endswith("|ref:same-studies|n:200|ci:half-samples:64")
        assert one.score.ci95[0] < one.score.value < one.score.ci95[1]
        assert one.influence.shape == (200,)
    for one in distance_scores(rows_of(x), rows_of(y), asked(200, paired=False)):
        assert one.score.signature.endswith("|ref:independent:200|n:200|ci:half-samples:64")
        assert one.influence is None
    for n, halved in ((13, False), (14, True)):
        for one in distance_scores(rows_of(x[:n]), rows_of(y[:n]), asked(n)):
            # Coverage looks for neighbours in the other half, so it needs as many as a half does.
            assert (one.score.value is not None) is (halved or "coverage" not in one.score.name)
            assert (one.score.ci95 is not None) is halved
            assert ("|ci:half-samples:13" in one.score.signature) is halved
            assert (one.influence is not None) is halved


def test_studies_of_one_patient_are_no_independent_draws():
    x, y = sides(100)
    rng = np.random.default_rng(0)
    # Four pictures a patient, nearly alike: the score is worth a hundred draws, not four hundred.
    x, y = (np.repeat(s, 4, axis=0) + rng.normal(size=(400, 4)).astype("f4") / 100 for s in (x, y))
    patients = [str(i // 4) for i in range(400)]
    # Density, as precision has nothing left to vary here: it is 0 against other patients' balls.
    alone, together = (
        distance_scores(rows_of(x), rows_of(y), asked(400, patients=p))[2] for p in (None, patients)
    )
    assert alone.score.name == "density_pixels"
    assert "|ci:half-samples:64,by-patient" in together.score.signature
    widths = [one.score.ci95[1] - one.score.ci95[0] for one in (alone, together)]
    assert widths[1] > 1.2 * widths[0]
    column = together.influence.reshape(100, 4)
    assert np.allclose(column, column[:, :1])


def test_two_models_on_the_same_studies_are_compared_in_pairs():
    rng = np.random.default_rng(7)
    studies, _ = studies_and_samples(300)
    real = np.stack([study.frontal for study in studies])
    noise = ((rng.random(size=real.shape) - 0.5) * 1.6 + 0.5).clip(0, 1)
    sides = {}
    # The second model makes nearly what the first does, the third something of its own.
    for name, other, share in (("a", noise, 0.1), ("b", noise, 0.11), ("c", noise[::-1], 0.1)):
        made = (share * real + (1 - share) * other).astype("f4")
        metric = PictureDistances(PixelBackbone(), Modality.F)
        metric.choose([f"{kind}_pixels" for kind in KINDS])
        metric.update(range(300), studies, [{Modality.F: picture} for picture in made])
        scores, columns = metric.compute(), metric.statistics()
        assert set(columns) == {f"{kind}_pixels.influence" for kind in KINDS}
        sides[name] = scores, {k.removesuffix(".influence"): v for k, v in columns.items()}
    for number, score in enumerate(sides["a"][0]):
        assert 0.02 < score.value < 0.98
        near, far = (
            standard_error(sides["a"][1][score.name] - sides[other][1][score.name])[0]
            for other in "bc"
        )
        assert 0 < near < 0.7 * far
        assert sides["a"][0][number].signature == sides["c"][0][number].signature
