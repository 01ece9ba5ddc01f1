"""A model that makes one output for a set of labels has collapsed; real outputs have not."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.metrics.diversity import DIVERSITY, LEAST, _of_pairs, ms_ssim, vendi
from codixr_bench.metrics.label_pairs import label_keys, partners
from codixr_bench.metrics.report_diversity import DIVERSITY_REPORT
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
    assert [score.value for score in found.values()] == pytest.approx([1.0, 1.0])
    found, _ = scored(DIVERSITY, "T->F", [REAL[0]] * N)
    assert [score.value for score in found.values()] == pytest.approx([0.0, 0.0], abs=1e-6)
    (warning,) = DIVERSITY.warnings(found)
    assert (warning.code, warning.limit) == ("collapse", LEAST["diversity_image"])
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
    assert [one.code for one in DIVERSITY.warnings(found)] == ["collapse"]
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
