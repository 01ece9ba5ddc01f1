"""A model that makes one output for a set of labels has collapsed; real outputs have not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate
from skimage.metrics import structural_similarity

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metrics import diversity
from codixr_bench.metrics.diversity import (
    DIVERSITY,
    LEAST,
    Diversity,
    _of_pairs,
    ms_ssim,
    vendi,
)
from codixr_bench.metrics.label_pairs import label_keys, partners
from codixr_bench.metrics.repeated_pictures import MOST, TOO_FEW_PICTURES, repeated
from codixr_bench.metrics.report_diversity import DIVERSITY_REPORT
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import by_name

N = 120
DATA = PhantomDataset("test", limit=N)
DATA.images(Modality.F)
STUDIES = [DATA[i] for i in range(N)]
REAL = [{Modality.F: s.frontal, Modality.T: s.report} for s in STUDIES]


def scored(family, task, samples):
    (metric,) = family.metrics(Task.parse(task), Track.load("phantom"))
    metric.update(range(N), STUDIES, samples)
    return by_name(metric.compute()), metric


def prototypes():
    keys = [tuple(study.labels.values()) for study in STUDIES]
    return [REAL[keys.index(key)] for key in keys]


def test_real_outputs_have_1_and_one_output_for_all_has_0():
    found, _ = scored(DIVERSITY, "T->F", REAL)
    assert [score.value for score in found.values()] == pytest.approx([1.0, 1.0, 0.0])
    assert list(DIVERSITY.warnings(found)) == []
    found, _ = scored(DIVERSITY, "T->F", [REAL[0]] * N)
    assert [score.value for score in found.values()] == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)
    warning, other = DIVERSITY.warnings(found)
    assert (warning.code, warning.limit) == ("collapse", LEAST["diversity_image"])
    assert (other.code, other.limit) == ("collapse", MOST)
    found, _ = scored(DIVERSITY_REPORT, "F->T", REAL)
    assert found["diversity_report"].value == pytest.approx(1.0)
    assert list(DIVERSITY_REPORT.warnings(found)) == []
    found, _ = scored(DIVERSITY_REPORT, "F->T", [REAL[0]] * N)
    assert found["diversity_report"].value == 0.0
    assert found["template_share"].value == 1.0
    assert [one.code for one in DIVERSITY_REPORT.warnings(found)] == ["collapse"]


def test_a_prototype_for_each_set_of_labels_is_a_collapse_and_real_ones_are_none():
    found, _ = scored(DIVERSITY, "T->F", prototypes())
    assert found["diversity_image"].value == pytest.approx(0.0, abs=1e-9)
    assert {one.code for one in DIVERSITY.warnings(found)} == {"collapse"}
    found, _ = scored(DIVERSITY_REPORT, "F->T", prototypes())
    assert found["diversity_report"].value == 0.0
    assert {one.code for one in DIVERSITY_REPORT.warnings(found)} == {"collapse"}
    found, _ = scored(DIVERSITY, "T->F", REAL)
    assert list(DIVERSITY.warnings(found)) == []


def test_one_scale_is_scikit_images_similarity_of_contrast_and_structure():
    one, two = STUDIES[0].frontal[0], STUDIES[1].frontal[0]
    assert ms_ssim(one[None], one[None])[0] == pytest.approx(1.0)
    near = np.clip(one + 0.01, 0, 1)
    assert ms_ssim(one[None], two[None])[0] < ms_ssim(one[None], near[None])[0]
    # Of pictures with the same mean everywhere the last scale's luminance is 1.
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (2, 64, 64))
    from codixr_bench.metrics import diversity

    kept = diversity._WEIGHTS
    try:
        diversity._WEIGHTS = np.array([1.0])
        ours = ms_ssim(one[None] + noise[:1], two[None] + noise[1:])[0]
    finally:
        diversity._WEIGHTS = kept
    theirs = structural_similarity(
        (one + noise[0]).astype(float),
        (two + noise[1]).astype(float),
        data_range=1.0,
        use_sample_covariance=False,
    )
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("n", [200, 1100])
def test_the_vendi_score_is_its_definition_and_its_influences_are_those_of_leaving_out(n):
    rng = np.random.default_rng(0)
    pictures = rng.random((n, 64, 64)).astype(np.float32)
    pictures[: n // 2] = pictures[0]
    rows = pictures.reshape(n, 32, 2, 32, 2).mean(axis=(2, 4)).reshape(n, -1).astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(rows @ rows.T / n)
    values = values[values > 1e-12]
    score, influence = vendi(pictures)
    assert score == pytest.approx(np.exp(-(values * np.log(values)).sum()))
    assert vendi(np.repeat(pictures[:1], 9, axis=0))[0] == pytest.approx(1.0)
    without = np.array([vendi(np.delete(pictures, i, axis=0))[0] for i in (0, n - 1)])
    lost = (n - 1) * (score - without)
    assert influence[n - 1] - influence[0] == pytest.approx(lost[1] - lost[0], rel=0.15)


def test_partners_have_the_same_labels_and_go_round():
    keys = label_keys(STUDIES)
    other = partners(keys)
    assert (keys[other[other >= 0]] == keys[other >= 0]).all()
    assert sorted(other[other >= 0]) == sorted(np.flatnonzero(other >= 0))
    assert partners(np.array([3, 5, 3, 7])).tolist() == [2, -1, 0, -1]


def test_distinct_pairs_of_words_are_counted():
    found, metric = scored(DIVERSITY_REPORT, "F->T", [{Modality.T: "no edema no edema"}] * N)
    # "no edema" twice and "edema no" once in each report.
    assert found["distinct_2"].value == pytest.approx(2 / (3 * N))
    influences = [c for n, c in metric.statistics().items() if n.endswith(".influence")]
    assert influences
    assert all(abs(c.sum()) < 1e-9 for c in influences)


def test_pairs_that_share_pictures_have_the_similarity_of_pairs_alone() -> None:
    pictures = np.random.default_rng(0).random((700, 64, 64), dtype=np.float32)
    # Rings of several lengths, some longer than a block, as studies of equal labels make them.
    second = np.concatenate([np.roll(ring, -1) for ring in np.split(np.arange(700), [2, 5, 320])])
    first = np.random.default_rng(1).permutation(700)
    together = _of_pairs(pictures, first, second[first])
    for i in (0, 3, 350, 699):
        alone = ms_ssim(pictures[first[i]][None], pictures[second[first[i]]][None])
        assert together[i] == alone[0]


def test_a_few_pictures_hidden_under_noise_or_moved_are_found_and_smooth_ones_are_honest() -> None:
    stored = np.asarray(PhantomDataset("test", limit=400).images(Modality.F))
    real = stored[:200].astype(np.float32) / np.float32(255)
    other = stored[200:].astype(np.float32) / np.float32(255)
    rng = np.random.default_rng(0)
    few = np.tile(other[:20], (10, 1, 1))
    mirrored = np.where(np.arange(200)[:, None, None] % 2, few, few[:, :, ::-1])
    for name, made in (
        ("as they are", few),
        ("noise", few + rng.normal(0, 0.05, few.shape)),
        ("mirrored, noise", mirrored + rng.normal(0, 0.03, few.shape)),
        ("other greys", few * rng.uniform(0.85, 1.0, (200, 1, 1))),
        ("a little turned", np.stack([rotate(p, a, reshape=False, order=1, mode="nearest")
                                      for p, a in zip(few, rng.uniform(-2, 2, 200), strict=True)])),
    ):  # fmt: skip
        found = repeated(np.clip(made, 0, 1).astype(np.float32), real)
        assert found.mean() > 0.6, name
    for made in (other, gaussian_filter(other, (0, 1, 1)), gaussian_filter(other, (0, 2, 2))):
        assert repeated(made, real).mean() <= 0.02


def test_pictures_that_repeat_others_are_a_collapse_and_few_studies_tell_nothing() -> None:
    data = PhantomDataset("test", limit=60)
    data.images(Modality.F)
    studies = [data[i] for i in range(60)]
    rng = np.random.default_rng(0)

    def warned(n: int, pictures) -> tuple[Score, list[str]]:
        metric = Diversity(Modality.F, Task.parse("T->F"))
        metric.update(range(n), studies[:n], [{Modality.F: p} for p in pictures[:n]])
        found = {score.name: score for score in metric.compute()}
        assert abs(metric.statistics().get("repeats_image.influence", np.zeros(1)).sum()) < 1e-9
        warnings = list(DIVERSITY.warnings({"repeats_image": found["repeats_image"]}))
        return found["repeats_image"], [w.message for w in warnings]

    hidden = [
        np.clip(studies[i % 5].frontal + rng.normal(0, 0.05, (1, 64, 64)), 0, 1).astype(np.float32)
        for i in range(60)
    ]
    score, messages = warned(60, hidden)
    assert score.value > 0.8
    assert messages == [
        f"repeats_image: {score.value:.3f} of the outputs repeat another output; 0.2 may"
    ]
    score, messages = warned(60, [study.frontal for study in studies])
    assert (score.value, messages) == (0.0, [])
    score, messages = warned(20, hidden)
    assert (score.value, score.reason, messages) == (None, TOO_FEW_PICTURES, [])
    assert DIVERSITY.knows_reason(TOO_FEW_PICTURES)


@pytest.mark.slow
def test_ms_ssim_and_the_vendi_score_are_those_of_their_packages(monkeypatch) -> None:
    """They are no dependencies: ``pip install --no-deps pytorch-msssim vendi-score``."""
    peer = pytest.importorskip("pytorch_msssim", reason="pip install --no-deps pytorch-msssim")
    other = pytest.importorskip("vendi_score.vendi", reason="pip install --no-deps vendi-score")
    torch = pytest.importorskip("torch")
    pictures = np.concatenate([one[Modality.F] for one in REAL]).astype(np.float32)
    # It refuses windows of 7 at this size; of so wide a spread, its own are even.
    monkeypatch.setattr(diversity, "_WINDOW", 3)
    weights = diversity._WEIGHTS / diversity._WEIGHTS.sum()
    halves = (torch.from_numpy(side[:, None]) for side in (pictures[:60], pictures[60:]))
    theirs = peer.ms_ssim(
        *halves, 1.0, size_average=False, win_size=3, win_sigma=50.0, weights=weights.tolist()
    )
    ours = diversity.ms_ssim(pictures[:60], pictures[60:])
    assert ours == pytest.approx(theirs.numpy(), abs=1e-5)
    rows = pictures.reshape(N, 32, 2, 32, 2).mean(axis=(2, 4)).reshape(N, -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert diversity.vendi(pictures)[0] == pytest.approx(other.score_K(rows @ rows.T), rel=1e-6)
