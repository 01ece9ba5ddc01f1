"""Planted copies of training studies are found, and real studies are not taken for them."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.altered_copies import altered_limits
from codixr_bench.metrics.altered_search import AlteredSearch
from codixr_bench.metrics.compared_cells import at_side, by_twos
from codixr_bench.metrics.copies import (
    COPIES_IMAGE,
    NO_TRAINING,
    PINNED,
    PINNED_BY,
    CopiesImage,
    Limits,
    held_out_limits,
)
from codixr_bench.metrics.picture_search import (
    LEAST,
    QUICK,
    THOROUGH,
    PictureSearch,
)
from codixr_bench.metrics.training_search import NOT_SEARCHED
from codixr_bench.registry import METRICS, load_model
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track
from helpers.metric_fakes import by_name
from helpers.planting import HIDING, blurred, hidden

KNOWN = 400


def pictures(split: str, view: Modality = Modality.F, n: int | None = None) -> np.ndarray:
    stored = PhantomDataset(split, limit=n).images(view)
    return np.asarray(stored).astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def search() -> PictureSearch:
    found = PictureSearch()
    found.learn(pictures("train", n=KNOWN))
    return found


@pytest.fixture(scope="module")
def limits(search: PictureSearch) -> Limits:
    found = held_out_limits(search, iter(pictures("val")))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def threshold(limits: Limits) -> float:
    return limits.copy


@pytest.mark.parametrize("name", HIDING)
def test_a_copy_is_found_whatever_hides_it(
    name: str, search: PictureSearch, threshold: float
) -> None:
    planted = hidden(name, pictures("train", n=KNOWN)[:40])
    found = search.nearest(planted)
    assert (found.place == np.arange(40)).mean() >= 0.95
    assert (found.distance < threshold).mean() >= 0.95


def test_real_pictures_sharp_or_smooth_are_no_copies(
    search: PictureSearch, threshold: float
) -> None:
    real = pictures("test", n=200)
    assert (search.nearest(real).distance < threshold).mean() <= 0.02
    assert (search.nearest(blurred(real)).distance < threshold).mean() <= 0.02


def test_two_training_pictures_over_each_other_are_found_and_real_ones_are_none(
    search: PictureSearch, limits: Limits
) -> None:
    known, rng = pictures("train", n=KNOWN), np.random.default_rng(0)
    one, other = (known[rng.permutation(KNOWN)[:100]] for _ in range(2))
    for share, least in ((0.5, 0.8), (0.65, 0.5)):
        made = share * one + (1 - share) * other
        for shown in (made, made + rng.normal(0, 0.03, made.shape)):
            found = search.mixes(np.clip(shown, 0, 1).astype(np.float32))
            assert (found < limits.mix).mean() > least
    real = pictures("test", n=200)
    assert (search.mixes(real) < limits.mix).mean() <= 0.02
    assert (search.mixes(blurred(real)) < limits.mix).mean() <= 0.02


def test_noise_and_one_grey_are_no_copies(search: PictureSearch, threshold: float) -> None:
    rng = np.random.default_rng(0)
    nothing = np.stack(
        [rng.random((64, 64)), np.full((64, 64), 0.5), rng.normal(0.5, 0.1, (64, 64)).clip(0, 1)]
    ).astype(np.float32)
    assert (search.nearest(nothing).distance > 3 * threshold).all()


def test_a_shifted_copy_needs_the_thorough_search(threshold: float) -> None:
    from scipy import ndimage

    known = pictures("train", n=KNOWN)
    moved = ndimage.shift(known[:20], (0, 3, -2), order=1, mode="nearest")
    for starts, least, most in ((QUICK, 0.0, 0.8), (THOROUGH, 0.95, 1.0)):
        search = PictureSearch(starts, 40)
        search.learn(known)
        share = (search.nearest(moved).place == np.arange(20)).mean()
        assert least <= share <= most


def test_the_thorough_search_knows_sums_and_authentic_pictures_as_the_quick_one_does(
    search: PictureSearch,
) -> None:
    thorough = PictureSearch(THOROUGH, 40)
    thorough.learn(pictures("train", n=KNOWN))
    known = pictures("train", n=20)
    made = np.concatenate([0.5 * known[:10] + 0.5 * known[10:], pictures("test", n=20)])
    assert thorough.mixes(made) == pytest.approx(search.mixes(made), abs=1e-3)
    assert np.array_equal(thorough.nearest(made).authentic, search.nearest(made).authentic)
    with pytest.raises(ValueError, match="the picture as it is"):
        PictureSearch(THOROUGH[1:])


def test_what_is_left_out_is_not_found(search: PictureSearch) -> None:
    known = pictures("train", n=KNOWN)[:10]
    found = search.nearest(known, leave_out=np.arange(10))
    assert (found.place != np.arange(10)).all()
    assert search.to(known, np.arange(10)) == pytest.approx(np.zeros(10), abs=0.5)


def test_a_picture_is_authentic_where_its_neighbour_has_a_nearer_one(
    search: PictureSearch,
) -> None:
    known = pictures("train", n=KNOWN)
    features = search._known
    picture = pictures("test", n=3)
    found = search.nearest(picture)
    for one, authentic in zip(picture, found.authentic, strict=True):
        # By brute force, from the definition.
        own = PictureSearch()
        own.learn(known)
        mine = own.among([one])._known[0]
        apart = np.linalg.norm(features - mine, axis=1)
        nearest = int(apart.argmin())
        others = np.linalg.norm(features - features[nearest], axis=1)
        others[nearest] = np.inf
        assert authentic == (apart[nearest] >= others.min())
    assert not search.nearest(known[:5] + np.float32(0.001)).authentic.any()


def test_larger_pictures_are_averaged_down() -> None:
    picture = pictures("test", n=1)[0]
    large = picture.repeat(4, 0).repeat(4, 1)
    assert at_side(large) == pytest.approx(picture, abs=1e-6)
    assert at_side(np.ones((100, 80), dtype=np.float32)).shape == (64, 64)


def test_too_few_known_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match=f"needs {LEAST}"):
        PictureSearch().learn(pictures("test", n=8))


def evaluation(n: int = 60) -> Evaluation:
    # As of real studies, whose pictures need no rendering: few evaluated ones are searched too.
    track = replace(Track.load("phantom"), simulated=False)

    class Small(Evaluation):
        def split(self, name, limit=None):
            return super().split(name, 200)

    return Small(track, track.dataset("test", n))


def scored(task: str, made: np.ndarray):
    where = evaluation(len(made))
    metric, _ = COPIES_IMAGE.metrics(Task.parse(task), where.track)
    metric.prepare(where)
    studies = [where.dataset[i] for i in range(len(made))]
    view = metric.view
    metric.update(range(len(made)), studies, [{view: picture[None]} for picture in made])
    return metric, by_name(metric.compute())


def test_copies_of_training_and_of_evaluated_studies_are_told_apart() -> None:
    real, train = pictures("test", n=60), pictures("train", n=200)
    made = pictures("val", n=60)
    made[:6] = hidden("noise .025", train[:6])
    made[6:15] = hidden("mirrored", real[20:29])
    made[15:18] = real[15:18]
    metric, found = scored("T->F", made)
    assert found["copies_image"].value == pytest.approx(6 / 60, abs=2 / 60)
    assert found["copies_of_test_image"].value == pytest.approx(12 / 60, abs=2 / 60)
    low, high = found["copies_image"].ci95
    assert low < 0.1 < high
    assert found["authpct"].higher_is_better
    assert "|search:quick|train:200|" in found["copies_image"].signature
    codes = {one.code: one for one in COPIES_IMAGE.warnings(found)}
    assert set(codes) == {"copies", "copies_of_test"}
    assert codes["copies"].value == found["copies_image"].value
    assert codes["copies"].limit == 0.01
    assert "copies_image: 0." in codes["copies"].message
    columns = metric.statistics()
    mine = [name for name in COPIES_IMAGE.scores if "altered" not in name]
    assert set(columns) == {f"{name}.influence" for name in mine}
    assert all(abs(column.sum()) < 1e-9 for column in columns.values())


def test_a_study_s_own_picture_may_be_told_from_the_other_view_but_not_looked_up() -> None:
    real, frontal = pictures("test", Modality.L, n=60), pictures("test", n=60)
    search = PictureSearch()
    search.learn(pictures("train", n=KNOWN))
    apart = np.square(search.features(frontal)[:, None] - search.known[None]).sum(axis=2)
    likest = np.argsort(apart, axis=1)[:, :3]
    # What the frontal views tell: the mean lateral view of those who look most alike.
    told = pictures("train", Modality.L, n=KNOWN)[likest].mean(axis=1)
    rng = np.random.default_rng(0)
    for task, made, share in (
        ("F->L", told, 0.0),
        ("F->L", real, 1.0),
        ("F->L", real + rng.normal(0, 0.05, real.shape), 1.0),
        ("F->L", hidden("contrast .8", real), 1.0),
        ("T->L", hidden("noise .05", real), 1.0),
    ):
        _, found = scored(task, np.clip(made, 0, 1).astype(np.float32))
        assert found["copies_of_test_image"].value == pytest.approx(share, abs=0.05), task


def test_a_shard_travels_and_the_order_does_not_count() -> None:
    where = evaluation(8)
    studies = [where.dataset[i] for i in range(8)]
    made = [{Modality.F: p[None]} for p in pictures("train", n=8)]

    def metric() -> CopiesImage:
        one, _ = COPIES_IMAGE.metrics(Task.parse("T->F"), where.track)
        one.prepare(where)
        return one

    whole = metric()
    whole.update(range(8), studies, made)
    parts = [metric(), metric()]
    for part, some in zip(parts, (range(5, 8), range(5)), strict=True):
        part.update(some, [studies[i] for i in some], [made[i] for i in some])
    parts[0].merge(pickle.loads(pickle.dumps(parts[1])))
    assert parts[0].compute() == whole.compute()


def test_a_track_without_training_studies_gives_null_with_the_reason() -> None:
    metric = CopiesImage(Modality.F, Task.parse("T->F"))
    metric.update([0], [PhantomDataset("test")[0]], [{Modality.F: pictures("test", n=1)}])
    for score in metric.compute():
        assert (score.value, score.reason) == (None, NO_TRAINING)
    assert metric.statistics() == {}


def test_a_missing_output_is_an_error() -> None:
    metric = CopiesImage(Modality.F, Task.parse("T->F"))
    with pytest.raises(InputError, match="position 7 has no frontal picture"):
        metric.update([7], [PhantomDataset("test")[0]], [{}])


def test_a_metric_is_made_for_each_view_and_a_first_look_waits_for_no_rendering() -> None:
    assert {"copies_image", "copies_report"} <= set(METRICS)
    track = Track.load("phantom")
    names = [m.name for m in track.metrics(Task.parse("T->F+L"), ("copies_image",))]
    kinds = ("copies_image", "copies_altered_image")
    assert names == [f"{kind}[{view}]" for view in "FL" for kind in kinds]
    where = Evaluation(track, track.dataset("test", 8))
    for metric in track.metrics(Task.parse("T->F"), ("copies_image",)):
        metric.prepare(where)
        metric.update([0], [where.dataset[0]], [{Modality.F: pictures("test", n=1)}])
        assert {score.reason for score in metric.compute()} == {NOT_SEARCHED}


@pytest.mark.slow
def test_two_hundred_studies_are_searched_for_among_all_training_studies() -> None:
    track = Track.load("phantom")
    where = Evaluation(track, track.dataset("test", 200))
    metric, _ = track.metrics(Task.parse("T->F"), ("copies_image",))
    metric.prepare(where)
    metric.update([0], [where.dataset[0]], [{Modality.F: pictures("test", n=1)}])
    assert "|train:8000|under:2.23|sums:" in metric.compute()[0].signature


@pytest.mark.slow
@pytest.mark.parametrize("view", [Modality.F, Modality.L])
@pytest.mark.parametrize("thorough", [False, True])
def test_the_pinned_thresholds_are_those_of_held_out_studies(
    view: Modality, thorough: bool
) -> None:
    search = PictureSearch(THOROUGH, 40) if thorough else PictureSearch()
    search.learn(pictures("train", view))
    held = [PhantomDataset("test", seed=seed).images(view) for seed in PINNED_BY]
    stored = np.concatenate([np.asarray(one) for one in held])
    found = held_out_limits(search, iter(stored.astype(np.float32) / np.float32(255)))
    pinned = PINNED["phantom", "2", 64, view, thorough]
    assert (found.copy, found.mix) == pytest.approx((pinned.copy, pinned.mix), abs=0.002)


@pytest.mark.slow
@pytest.mark.parametrize("view", [Modality.F, Modality.L])
def test_one_percent_of_planted_copies_is_found_among_all_training_studies(
    view: Modality,
) -> None:
    """The table of docs/metrics/copies.md, and what real test studies give."""
    search, known = PictureSearch(), pictures("train", view)
    search.learn(known)
    limits = PINNED["phantom", "2", 64, view, False]
    limit = limits.copy

    def share(made: np.ndarray) -> float:
        looks = search.looks(made)
        copied = (search.nearest(looks).distance < limit) | (search.mixes(looks) < limits.mix)
        return float(copied.mean())

    real = pictures("test", view)
    sharp, smooth = share(real), share(blurred(real))
    print(f"\n{view}: real {sharp:.4f}, smooth {smooth:.4f}")
    # .01 and the upper end of its 95 % interval at 2,000.
    assert max(sharp, smooth) <= 0.0155
    which = np.random.default_rng(0).permutation(len(known))[:200]
    for name in HIDING:
        found = search.nearest(hidden(name, known[which]))
        recall = (found.distance < limit).mean()
        print(f"| {name} | {recall:.3f} |")
        assert recall >= 0.95, name


@pytest.mark.slow
def test_codixr_copies_no_studies_that_it_never_saw() -> None:
    """What its smooth pictures alone do to each search, measured: nothing that is a warning."""
    never = PhantomDataset("test", seed=9001).images(Modality.F)
    known = np.asarray(never).astype(np.float32) / np.float32(255)
    task, test, model = Task.parse("T->F"), PhantomDataset("test", limit=200), load_model("codixr")
    conditions = [{Modality.T: test[i].report} for i in range(200)]
    made = []
    for first in range(0, 200, 50):
        some = range(first, first + 50)
        samples = model.generate([conditions[i] for i in some], task, list(some))
        made += [sample[Modality.F][0] for sample in samples]
    shown = np.stack(made).astype(np.float32)
    search, bent = PictureSearch(), AlteredSearch()
    for one in (search, bent):
        one.learn(known)
    limits = held_out_limits(search, iter(pictures("val")))
    altered = altered_limits(bent, iter(pictures("val")))
    assert limits is not None
    assert altered is not None
    looks = search.looks(shown)
    counted = (search.nearest(looks).distance < limits.copy) | (search.mixes(looks) < limits.mix)
    print(f"\n{counted.mean():.4f} as copies, {altered.of(bent.nearest(shown)).mean():.4f} altered")
    assert counted.mean() <= 0.01
    assert altered.of(bent.nearest(shown)).mean() <= 0.01


def test_pictures_are_averaged_by_twos_to_the_bits_of_a_mean() -> None:
    small = np.random.default_rng(0).random((5, 64, 64), dtype=np.float32)
    assert np.array_equal(by_twos(small), small.reshape(5, 32, 2, 32, 2).mean(axis=(2, 4)))


def test_a_picture_that_was_looked_at_once_is_found_as_one_that_was_not(
    search: PictureSearch,
) -> None:
    made = hidden("noise .025", pictures("train", n=20))
    looks = search.looks(made)
    others = search.among(pictures("test", n=60))
    for one in (search, others):
        anew, again = one.nearest(made), one.nearest(looks)
        assert np.array_equal(anew.place, again.place)
        assert np.array_equal(anew.distance, again.distance)
        places = np.arange(20)
        assert np.array_equal(one.to(made, places), one.to(looks, places))
