"""Two judges of one picture: who serves the first doesn't serve the second, nor the formulas."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.judge import load_judge
from codixr.data.phantom.second_judge import load_second_judge
from codixr.modality import Modality
from codixr_bench.metric import INFLUENCE
from codixr_bench.metrics.image_attributes import ImageAttributes
from codixr_bench.metrics.judge_gap import ALPHA, JUDGE_GAP, JudgeGap, judge_gap
from codixr_bench.metrics.judges import judge_of, second_judge_of
from codixr_bench.metrics.picture_search import PictureSearch
from codixr_bench.metrics.plain_gap import PlainGap, macro_auroc
from codixr_bench.metrics.plain_reader import PlainReader
from codixr_bench.metrics.repeats import NO_TRAINING
from codixr_bench.metrics.served_share import SERVED_SHARE, ServedShare
from codixr_bench.metrics.training_search import pictures_of
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track

PHANTOM = Track.load("phantom")
N = 96


@pytest.fixture(scope="module")
def studies():
    data = PHANTOM.dataset("test", N)
    return [data[i] for i in range(N)]


def scored(metric, studies, pictures) -> dict[str, Score]:
    metric.update(range(len(studies)), studies, [{metric.view: p} for p in pictures])
    return {score.name: score for score in metric.compute()}


def gap(view, studies, pictures) -> Score:
    metric = JudgeGap(judge_of(PHANTOM, view), second_judge_of(PHANTOM, view), view)
    return scored(metric, studies, pictures)["judge_gap"]


def textures(studies, *, both: bool, steps: int = 60) -> np.ndarray:
    """Grey noise, pushed until one judge, or both, see in it what they see in the real pictures."""
    judge, other = load_judge(Modality.F).model, load_second_judge(Modality.F).model
    real = torch.from_numpy(np.stack([study.frontal for study in studies]))
    with torch.no_grad():
        target, logits = judge.features(real), judge(real)
        features, answers = other.outputs(real)
    x = 0.5 + 0.05 * torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.01)
    for _ in range(steps):
        picture = x.clamp(0, 1)
        loss = functional.mse_loss(judge.features(picture), target)
        loss = loss + 0.1 * functional.mse_loss(judge(picture), logits)
        if both:
            mine, said = other.outputs(picture)
            loss = loss + functional.mse_loss(mine, features)
            loss = loss + 0.1 * functional.mse_loss(said[..., 0], answers[..., 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return x.detach().clamp(0, 1).numpy()


@pytest.mark.parametrize("view", [Modality.F, Modality.L])
def test_real_pictures_have_no_gap_and_no_warning(studies, view):
    score = gap(view, studies, [study.get(view) for study in studies])
    assert score.value == 0.0
    assert judge_gap(score) == 1.0
    assert list(JUDGE_GAP.warnings({"judge_gap": score})) == []


@pytest.mark.slow
def test_textures_made_for_the_first_judge_are_found_by_the_second(studies):
    made = textures(studies, both=False)
    first, second = judge_of(PHANTOM, Modality.F), second_judge_of(PHANTOM, Modality.F)
    labels = np.array([[study.labels[c] == 1 for c in first.classes] for study in studies])
    right = [float(((j.probabilities(made) >= j.thresholds) == labels).mean())
             for j in (first, second)]  # fmt: skip
    assert right[0] > 0.97
    score = gap(Modality.F, studies, made)
    assert judge_gap(score) < 1e-4
    (warning,) = JUDGE_GAP.warnings({"judge_gap": score})
    assert warning.code == "judge_gap"
    assert warning.limit == ALPHA


@pytest.fixture(scope="module")
def reader() -> PlainReader:
    """What 2,000 training studies teach."""
    train, search = PhantomDataset("train", limit=2000), PictureSearch()
    search.learn(pictures_of(train, Modality.F))
    found = PlainReader(Modality.F, PATHOLOGIES)
    found.learn(search, train.label_matrix(PATHOLOGIES))
    return found


def plain_gap(reader, studies, pictures) -> Score:
    metric = PlainGap(judge_of(PHANTOM, Modality.F), reader)
    metric.absent = None
    return scored(metric, studies, pictures)["plain_gap"]


def test_a_linear_reader_of_low_pass_pixels_reads_the_findings(reader):
    data = PHANTOM.dataset("test", 400)
    pictures = np.asarray(data.images(Modality.F))[:, None].astype("f4") / np.float32(255)
    known = data.label_matrix(PATHOLOGIES)
    said = reader.probabilities(pictures)
    auroc = [roc_auc_score(y[y >= 0], p[y >= 0]) for y, p in zip(known.T, said.T, strict=True)]
    assert np.mean(auroc) > 0.9
    assert reader.signature == "plain-reader-F|ridge:100|train:2000"
    # Grain that networks may take for something is nothing to it.
    grain = np.where(np.indices((64, 64)).sum(axis=0) % 2, 0.02, -0.02)
    moved = reader.probabilities(np.clip(pictures + grain, 0.02, 0.98).astype("f4"))
    assert np.abs(moved - said).max() < 0.15


def test_the_macro_auroc_is_the_library_s_and_its_influences_are_those_of_leaving_out():
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, (80, 3))
    scores = np.round(rng.normal(labels, 1.5), 1)
    value, influence = macro_auroc(scores, labels)

    def by_library(kept):
        of = [(labels[kept, c], scores[kept, c]) for c in range(3)]
        return np.mean([roc_auc_score(y[y >= 0], p[y >= 0]) for y, p in of])

    every = np.arange(80)
    assert value == pytest.approx(by_library(every))
    assert influence.sum() == pytest.approx(0.0, abs=1e-9)
    without = np.array([by_library(np.delete(every, i)) for i in every])
    assert 79 * (value - without) == pytest.approx(influence, abs=0.03)
    assert macro_auroc(scores, np.ones((80, 3))) is None


def test_honest_pictures_leave_no_gap_to_the_linear_reader(reader, studies):
    real = [study.frontal for study in studies]
    others = real[1:] + real[:1]
    for pictures in (real, [gaussian_filter(p, (0, 1, 1)) for p in real], others):
        assert judge_gap(plain_gap(reader, studies, pictures)) > ALPHA


def test_the_gap_to_the_linear_reader_follows_from_both_runs_statistics(reader, studies):
    judge, sides = judge_of(PHANTOM, Modality.F), []
    labels = np.array([[study.labels.get(name) for name in PATHOLOGIES] for study in studies])
    real = [study.frontal for study in studies]
    for pictures in ([gaussian_filter(p, (0, 1, 1)) for p in real], real):
        metric = PlainGap(judge, reader)
        metric.absent = None
        score = scored(metric, studies, pictures)["plain_gap"]
        said = judge.probabilities(np.stack(pictures))
        columns = {k: v for k, v in metric.statistics().items() if not k.endswith(INFLUENCE)}
        for i, name in enumerate(PATHOLOGIES):
            columns[f"classification.probability.{name}"] = said[:, i]
            known = [-1 if label not in (0, 1) else label for label in labels[:, i]]
            columns[f"classification.label.{name}"] = np.array(known)
        sides.append((score, metric.statistics(), columns))
    (score, stored, columns), (_, _, of_real) = sides
    found = JUDGE_GAP.recomputed(columns, of_real)["plain_gap"]
    assert found.value == pytest.approx(score.value, abs=1e-6)
    assert found.by_study == pytest.approx(stored["plain_gap.influence"], abs=1e-3)


def test_without_training_studies_there_is_no_linear_reader(studies):
    metric = PlainGap(judge_of(PHANTOM, Modality.F), PlainReader(Modality.F, PATHOLOGIES))
    score = scored(metric, studies[:2], [study.frontal for study in studies[:2]])["plain_gap"]
    assert (score.value, score.reason) == (None, NO_TRAINING)
    assert JUDGE_GAP.knows_reason(NO_TRAINING)
    assert metric.statistics() == {}


def served(studies, pictures) -> Score:
    metric = ServedShare(judge_of(PHANTOM, Modality.F), Modality.F)
    return scored(metric, studies, pictures)["served_share"]


@pytest.mark.slow
def test_textures_made_for_both_judges_leave_no_gap_between_them_and_are_strange(reader, studies):
    made = textures(studies, both=True)
    assert judge_gap(gap(Modality.F, studies, made)) > ALPHA
    assert judge_gap(plain_gap(reader, studies, made)) < 1e-4
    score = served(studies, made)
    assert score.value > 0.7
    (warning,) = SERVED_SHARE.warnings({"served_share": score})
    assert warning.code == "judge_gap"


def test_honest_pictures_serve_no_judge_whether_grainy_or_blurred(studies):
    rng = np.random.default_rng(0)
    real = [study.frontal for study in studies]
    grainy = [np.clip(p + rng.normal(0, 0.04, p.shape), 0, 1).astype("f4") for p in real]
    blurred = [gaussian_filter(p, (0, 1, 1)) for p in real]
    for pictures in (real, grainy, blurred):
        score = served(studies, pictures)
        assert score.value == 0.0
        assert list(SERVED_SHARE.warnings({"served_share": score})) == []


def test_noise_that_serves_no_judge_is_no_gap(studies):
    rng = np.random.default_rng(0)
    grainy = [np.clip(s.frontal + rng.normal(0, 0.02, s.frontal.shape), 0, 1).astype("f4")
              for s in studies]  # fmt: skip
    assert judge_gap(gap(Modality.F, studies, grainy)) > ALPHA


def test_mirrored_pictures_have_the_findings_on_the_wrong_side(studies):
    def attributes(pictures):
        metric = ImageAttributes(second_judge_of(PHANTOM, Modality.F), Modality.F)
        return {n.removeprefix("image_attribute_f1_"): s.value
                for n, s in scored(metric, studies, pictures).items()}  # fmt: skip

    real = attributes([study.frontal for study in studies])
    mirrored = attributes([study.frontal[:, :, ::-1] for study in studies])
    assert real["side"] > 0.8
    assert mirrored["side"] < 0.35
    assert mirrored["zone"] > 0.6 * real["zone"]


def test_a_lateral_picture_is_not_asked_for_a_side(studies):
    metric = ImageAttributes(second_judge_of(PHANTOM, Modality.L), Modality.L)
    found = scored(metric, studies, [study.lateral for study in studies])
    assert set(found) == {f"image_attribute_f1_{a}" for a in ("zone", "severity", "device")}


def test_both_judges_score_by_default_under_names_of_their_own():
    names = {metric.name for metric in PHANTOM.metrics(Task.parse("T->F+L"))}
    for view in ("F", "L"):
        assert {f"classification[{view}]", f"second_classification[{view}]",
                f"fid_phantom[{view}]", f"fid_phantom_second[{view}]",
                f"image_attributes[{view}]", f"judge_gap[{view}]",
                f"served_share[{view}]"} <= names  # fmt: skip
