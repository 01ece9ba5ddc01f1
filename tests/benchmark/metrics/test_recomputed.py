"""What a run's statistics hold gives its scores again, beside those of the real outputs."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.modality import Modality
from codixr_bench.registry import family_of
from codixr_bench.runs.seeds import study_seed
from codixr_bench.statistics.influence import INFLUENCE
from codixr_bench.task import Task
from codixr_bench.track import Track
from helpers.metric_fakes import by_name

N = 48
DATA = PhantomDataset("test", limit=N)
DATA.images(Modality.F)
STUDIES = [DATA[i] for i in range(N)]
REAL = [{Modality.F: study.frontal, Modality.T: study.report} for study in STUDIES]
TASK = Task.parse("L->F+T")
NAMES = "classification,second_classification,frd,judge_gap,served_share,diversity,diversity_report"


def noisy(study, sample):
    """Every third picture is noisy, every fourth another study's, every other report the first."""
    position = STUDIES.index(study)
    rng = np.random.default_rng(study_seed(study.study_id, TASK, 0))
    picture = (REAL[position - 1] if position % 4 == 0 else sample)[Modality.F]
    noise = rng.normal(0.0, 0.09 if position % 3 == 0 else 0.01, picture.shape)
    report = sample[Modality.T] if position % 2 else REAL[0][Modality.T]
    made = np.clip(picture + noise, 0.0, 1.0).astype(np.float32)
    return {Modality.F: made, Modality.T: report}


def run(samples):
    """Scores by name, and the statistics."""
    scores, columns = {}, {}
    for metric in Track.load("phantom").metrics(TASK, tuple(NAMES.split(","))):
        metric.update(range(N), STUDIES, samples)
        scores |= by_name(metric.compute())
        columns |= metric.statistics()
    return scores, columns


MADE, COLUMNS = run([noisy(*pair) for pair in zip(STUDIES, REAL, strict=True)])
_, OF_REAL = run(REAL)
PLAIN = {n: c for n, c in COLUMNS.items() if not n.endswith(INFLUENCE)}


@pytest.mark.parametrize(
    "name", ["frd", "judge_gap", "served_share", "diversity_image", "diversity_report"]
)
def test_a_score_beside_real_ones_follows_from_both_runs_statistics(name: str) -> None:
    family = family_of(name)
    found = family.recomputed(PLAIN, OF_REAL)[name]
    within = family.recomputed_within * max(1.0, abs(MADE[name].value))
    assert found.value == pytest.approx(MADE[name].value, abs=within)
    assert found.by_study.mean() == pytest.approx(0.0, abs=1e-6)
    spread = max(1.0, float(found.by_study.std()))
    np.testing.assert_allclose(found.by_study, COLUMNS[f"{name}.influence"], atol=0.02 * spread)


@pytest.mark.parametrize("name", ["template_share", "distinct_2"])
def test_what_reports_have_of_words_follows_from_the_runs_own_statistics(name: str) -> None:
    found = family_of(name).influences(PLAIN)[name]
    assert found.value == MADE[name].value
    np.testing.assert_allclose(found.by_study, COLUMNS[f"{name}.influence"], atol=1e-12)


def test_the_samples_are_such_that_studies_differ_in_each_score() -> None:
    for name in ("judge_gap", "served_share", "diversity_report", "template_share"):
        assert COLUMNS[f"{name}.influence"].std() > 0.02, name


def test_other_pairs_than_the_real_outputs_have_are_an_error() -> None:
    forged = PLAIN | {"diversity_image.apart": np.roll(PLAIN["diversity_image.apart"], 1)}
    with pytest.raises(ValueError, match="other pairs"):
        family_of("diversity_image").recomputed(forged, OF_REAL)


def test_columns_are_small_numbers_and_hold_no_text() -> None:
    widths = {name: column[0].size * column.itemsize for name, column in PLAIN.items()}
    assert widths["frd.features"] <= 2 * 160
    assert sum(widths.values()) < 1200
    assert all(column.dtype.kind in "iuf" for column in PLAIN.values())
