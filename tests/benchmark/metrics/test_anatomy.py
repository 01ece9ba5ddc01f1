"""``anatomy_agreement`` and ``anatomy_plausible``: one body in both views, and one there can be."""

from dataclasses import replace as replaced

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift, zoom
from sklearn.metrics import roc_auc_score

from codixr.data.anatomy_fit import fits
from codixr.data.phantom import render
from codixr.data.phantom.case import sample_case
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.anatomy import SHARED, PhantomAnatomy
from codixr_bench.comparing.court import try_metrics
from codixr_bench.metrics.anatomy import (
    ANATOMY,
    AnatomyAgreement,
    AnatomyPlausible,
    anatomy_called,
    has_both_views,
    shared_measures,
)
from codixr_bench.metrics.pair_wins import wins_of
from codixr_bench.statistics.bootstrap import resampling_patients
from codixr_bench.task import Task
from codixr_bench.track import Track

F, L = Modality.F, Modality.L
PHANTOM = Track.load("phantom")
BOTH = Task.parse("T->F+L")
N = 150


@pytest.fixture(scope="module")
def studies():
    data = PHANTOM.dataset("test", N)
    for view in (F, L):
        data.images(view)
    return [data[i] for i in range(N)]


def scores(task, studies, samples):
    found = {}
    for metric in ANATOMY.metrics(Task.parse(task), PHANTOM):
        metric.update(range(len(studies)), studies, samples)
        found |= {score.name: score for score in metric.compute()}
    return found


def agreement(studies, frontals, laterals):
    samples = [{F: f, L: s} for f, s in zip(frontals, laterals, strict=True)]
    metric = AnatomyAgreement(anatomy_called("phantom"), BOTH)
    metric.update(range(len(studies)), studies, samples)
    (score,) = metric.compute()
    return score.value


def own(studies):
    return [{F: s.frontal, L: s.lateral} for s in studies]


def test_real_pairs_are_told_from_shuffled_ones(studies):
    found = scores("T->F+L", studies, own(studies))
    score = found["anatomy_agreement"]
    assert score.value >= 0.95
    assert score.ci95[0] <= score.value <= score.ci95[1] <= 1.0
    assert found["anatomy_plausible[F]"].value >= 0.96
    assert found["anatomy_plausible[L]"].value >= 0.96
    # The same by scikit-learn, of all pairs at once.
    anatomy = anatomy_called("phantom")
    pair = anatomy.pair()
    sides = []
    for side, view in enumerate((F, L)):
        images = np.stack([s.get(view) for s in studies])
        measures = anatomy.rows(view, images)[:, : len(anatomy.names(view))]
        sides.append(pair.variables(measures, side))
    fit = fits(*sides)
    assert roc_auc_score(np.eye(N, dtype=bool).ravel(), fit.ravel()) >= 0.95


def test_shuffled_views_and_one_body_for_all_agree_by_chance(studies):
    frontals = [s.frontal for s in studies]
    laterals = [s.lateral for s in studies]
    shuffled = agreement(studies, frontals, [*laterals[1:], laterals[0]])
    assert shuffled == pytest.approx(0.5, abs=0.08)
    assert agreement(studies, frontals, [laterals[0]] * N) == pytest.approx(0.5, abs=1e-6)
    assert agreement(studies, [frontals[0]] * N, [laterals[0]] * N) == 0.5


def either_way(studies, change):
    """Each lateral changed by ``change(picture, sign)``, one way or the other."""
    signs = np.random.default_rng(4).choice((-1.0, 1.0), len(studies))
    return [
        np.clip(change(s.lateral, sign), 0.0, 1.0).astype(np.float32)
        for s, sign in zip(studies, signs, strict=True)
    ]


def enlarged(picture, factor):
    whole = zoom(picture[0], factor, order=1)
    side = picture.shape[-1]
    if factor < 1:
        room = side - whole.shape[0]
        whole = np.pad(whole, (room // 2, room - room // 2), mode="edge")
    first = (whole.shape[0] - side) // 2
    return whole[None, first : first + side, first : first + side]


def others(studies, share, mixed=False):
    """Another study's lateral: of a share of the studies, or mixed into all."""
    found = []
    for i, study in enumerate(studies):
        other = studies[(i + 1) % len(studies)].lateral
        if mixed:
            found.append((1 - share) * study.lateral + share * other)
        else:
            found.append(other if (i * 0.618) % 1 < share else study.lateral)
    return [np.asarray(one, dtype=np.float32) for one in found]


PICTURES = {
    "another study's lateral": ((0.2, 0.5, 1.0), others),
    "another study's lateral mixed in": (
        (0.3, 0.6, 1.0), lambda s, g: others(s, g, mixed=True)),
    "higher or lower": (
        (1, 3, 6), lambda s, g: either_way(
            s, lambda x, sign: shift(x, (0, sign * g, 0), order=1, mode="nearest"))),
    "larger or smaller": (
        (0.03, 0.08, 0.2), lambda s, g: either_way(
            s, lambda x, sign: enlarged(x, 1 + sign * g))),
}  # fmt: skip
"""Mismatch -> its grades, and what makes the laterals of it."""


@pytest.mark.parametrize("name", PICTURES)
def test_agreement_falls_with_each_grade_of_a_mismatch(studies, name):
    grades, make = PICTURES[name]
    frontals = [s.frontal for s in studies]
    found = [agreement(studies, frontals, make(studies, grade)) for grade in grades]
    real = agreement(studies, frontals, [s.lateral for s in studies])
    falls = -np.diff([real, *found])
    assert (falls > 0).all(), found
    assert real - found[-1] > 0.1


def heart(a, by):
    a.heart *= 1.0 + by


def domes(a, by):
    a.dome = [one + by for one in a.dome]


def apex(a, by):
    a.apex += by


def right_dome(a, by):
    a.lift = [a.lift[0] - by, a.lift[1]]


BODIES = {
    "heart of another size": ((0.05, 0.12, 0.3), heart),
    "both halves of the diaphragm": ((0.02, 0.05, 0.1), domes),
    "apex": ((0.02, 0.05, 0.1), apex),
    "right half of the diaphragm": ((0.03, 0.07, 0.15), right_dome),
}
"""Mismatch of the lateral's body -> its grades in half-sides or shares, and what it changes."""


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_agreement_falls_when_the_lateral_is_of_a_slightly_other_body(studies, name, monkeypatch):
    grades, change = BODIES[name]
    n = 100
    whole = render.anatomy_of
    signs = np.random.default_rng(5).choice((-1.0, 1.0), n)
    found = []
    for grade in grades:
        laterals = []
        for i in range(n):

            def anatomy_of(case, seed, index, by=signs[i] * grade):
                a = whole(case, seed, index)
                change(a, by)
                return a

            monkeypatch.setattr(render, "anatomy_of", anatomy_of)
            _, lateral = render.render_case(sample_case(0, 8500 + i), 0, 8500 + i, 64)
            laterals.append((lateral / 255.0).astype(np.float32)[None])
        frontals = [s.frontal for s in studies[:n]]
        found.append(agreement(studies[:n], frontals, laterals))
    real = agreement(studies[:n], frontals, [s.lateral for s in studies[:n]])
    assert (-np.diff([real, *found]) > 0).all(), (real, found)


@pytest.mark.slow
def test_the_court_finds_no_sensitivity_lost():
    trial = try_metrics(PHANTOM, ("anatomy",), n=100)
    assert {row.label for row in trial.rows} == {
        f"{score}[{view}]" for score in ANATOMY.scores for view in (F, L)
    }
    assert list(trial.lost()) == []


def test_a_given_view_is_held_against_the_generated_one(studies):
    few = studies[:60]
    for task, view in (("F->L", L), ("L->F+T", F), ("L+T->F", F)):
        samples = [{view: s.get(view), Modality.T: s.report} for s in few]
        found = scores(task, few, samples)
        assert found["anatomy_agreement"].value > 0.95
        given = L if view is F else F
        assert f"{given}:phantom-anatomy-{given}" in found["anatomy_agreement"].signature
        assert ",given" in found["anatomy_agreement"].signature
    assert "anatomy_agreement" not in scores("T->F", few, [{F: s.frontal} for s in few])
    assert not has_both_views(Task.parse("F+L->T"))


def test_mirrored_hearts_textures_and_heads_down_are_not_plausible(studies):
    rng = np.random.default_rng(0)
    noise = [rng.random((1, 64, 64), dtype=np.float32) for _ in studies]
    blotches = [np.clip(0.5 + 3 * (gaussian_filter(x, (0, 3, 3)) - 0.5), 0, 1).astype(np.float32)
                for x in noise]  # fmt: skip
    made = {
        "mirrored": [s.frontal[..., ::-1] for s in studies],
        "upside down": [s.frontal[:, ::-1] for s in studies],
        "noise": noise,
        "blotches": blotches,
        "the lateral": [s.lateral for s in studies],
        "grey": [np.full((1, 64, 64), 0.5, dtype=np.float32)] * len(studies),
    }
    for name, pictures in made.items():
        samples = [{F: np.ascontiguousarray(p)} for p in pictures]
        assert scores("T->F", studies, samples)["anatomy_plausible"].value <= 0.05, name


def test_statistics_give_the_scores_again_and_what_was_measured(studies):
    few = studies[:40]
    columns, found = {}, {}
    for metric in ANATOMY.metrics(BOTH, PHANTOM):
        metric.update(range(40), few, own(few))
        columns |= metric.statistics()
        found |= {score.name: score for score in metric.compute()}
    again = ANATOMY.influences(columns)
    assert {n: again[n].value for n in found} == pytest.approx(
        {n: s.value for n, s in found.items()}
    )
    assert np.allclose(again["anatomy_agreement"].by_study, columns["anatomy_agreement.influence"])
    panels = shared_measures(columns)
    assert tuple(panels) == SHARED
    first, second = panels["heart_height"]
    assert np.corrcoef(first, second)[0, 1] > 0.9
    assert not ANATOMY.about_studies("anatomy_agreement.fit.F")
    assert ANATOMY.about_studies("anatomy_agreement.given_fit.F")
    columns["anatomy_plausible[F].inside"] = np.full(40, 2, dtype=np.int8)
    faults = dict(ANATOMY.column_faults(columns))
    assert faults == {"anatomy_plausible[F].inside": "a picture is inside the region, 1, or not, 0"}


def test_wins_are_counted_by_hand():
    # Two variables and their costs: study 0 and 1 agree, 2 and 3 are exchanged.
    frontal = np.array([[2.0, 0.0], [-2.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    lateral = frontal[[0, 1, 3, 2]]
    wins = wins_of(frontal, lateral)
    assert wins[0].tolist() == [0, 1, 1, 1]
    # 2 with the laterals of 0, 1 and 3, and the frontals of these with its own lateral.
    assert wins[2].tolist() == [0.5, 0.5, 0, 0]
    assert np.diagonal(wins).tolist() == [0, 0, 0, 0]
    assert (wins_of(frontal, np.zeros((4, 2)))[~np.eye(4, dtype=bool)] == 0.5).all()


def test_few_studies_and_none_are_null_with_the_reason(studies):
    metric = AnatomyAgreement(anatomy_called("phantom"), BOTH)
    (none,) = metric.compute()
    assert (none.value, none.reason) == (None, "no study was scored")
    metric.update([0], studies[:1], own(studies[:1]))
    (one,) = metric.compute()
    assert one.reason == "agreement above chance needs two studies or more"
    assert all(ANATOMY.knows_reason(score.reason) for score in (none, one))
    with pytest.raises(InputError, match="the sample at position 7 has no lateral"):
        metric.update([7], studies[:1], [{F: studies[0].frontal}])
    with pytest.raises(InputError, match="phantom-anatomy-F: judge: want finite values"):
        metric.update([7], studies[:1], [{F: 2 * studies[0].frontal + 1, L: studies[0].lateral}])


def test_patients_with_several_studies_are_drawn_together(studies):
    samples = own(studies[:60])
    metric = AnatomyAgreement(PhantomAnatomy(), BOTH)
    metric.update(range(60), studies[:60], samples[1:] + samples[:1])
    (alone,) = metric.compute()
    with resampling_patients([str(i // 6) for i in range(60)]):
        (together,) = metric.compute()
    assert alone.value == together.value
    assert alone.ci95 != together.ci95


def test_a_track_says_who_measures_or_has_no_such_score():
    assert ANATOMY.metrics(BOTH, replaced(PHANTOM, backbones={})) == []
    wrong = replaced(PHANTOM, backbones={"anatomy": "eye"})
    with pytest.raises(InputError, match=r"backbones\.anatomy is 'eye'; known: phantom, cxas"):
        ANATOMY.metrics(BOTH, wrong)
    kinds = [type(m) for m in ANATOMY.metrics(Task.parse("T->F"), PHANTOM)]
    assert kinds == [AnatomyPlausible]
