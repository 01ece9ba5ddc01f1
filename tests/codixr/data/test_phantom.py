"""The simulated studies: what they contain, and that a study is a function of (seed, index)."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.phantom import SPLIT_SIZES, PhantomDataset, labels_from_report
from codixr.data.phantom.case import labels_of, sample_case
from codixr.data.phantom.dataset import SPLIT_STARTS, report_of, to_float
from codixr.data.phantom.grammar import MAX_WORDS
from codixr.data.phantom.render import render_views
from codixr.data.study import SPLITS
from codixr.errors import InputError
from codixr.modality import Modality


def digest(seed: int, index: int) -> str:
    return hashlib.sha256(np.stack(render_views(seed, index, 64)).tobytes()).hexdigest()


def test_reports_read_back_as_the_labels_of_truth_on_2000_studies():
    for index in range(2000):
        assert labels_from_report(report_of(0, index)) == labels_of(sample_case(0, index)), index


def test_prevalences_are_a_tenth_to_a_fifth_and_forty_percent_are_normal():
    n = 4000
    counts = Counter[str]()
    uncertain = 0
    for index in range(n):
        labels = labels_of(sample_case(3, index))
        counts.update(name for name, value in labels.items() if value == 1)
        uncertain += any(value == -1 for value in labels.values())
    assert 0.37 < counts["No Finding"] / n < 0.43
    assert 0.02 < uncertain / n < 0.08
    for name in (*PATHOLOGIES, "Support Devices"):
        assert 0.09 < counts[name] / n < 0.23, name


def test_labels_are_of_the_fourteen_and_unsimulated_ones_are_unknown():
    labels = labels_of(sample_case(0, 0))
    assert set(labels) == set(OBSERVATIONS)
    assert {name for name, value in labels.items() if value is None} == {
        "Pleural Other",
        "Fracture",
    }


def test_a_hedged_finding_is_drawn_half_of_the_time():
    hedged = [f for i in range(6000) for f in sample_case(1, i).findings if not f.certain]
    assert 0.35 < np.mean([f.drawn for f in hedged]) < 0.65
    assert {f.observation for f in hedged} == {"Pneumonia", "Pleural Effusion", "Atelectasis"}


def test_no_finding_means_none_of_the_ten_and_a_device_does_not_matter():
    seen = set()
    for index in range(500):
        labels = labels_of(sample_case(0, index))
        assert (labels["No Finding"] == 1) == all(labels[name] == 0 for name in PATHOLOGIES)
        seen.add((labels["No Finding"], labels["Support Devices"]))
    assert len(seen) == 4


def test_reports_are_short_and_of_a_small_vocabulary():
    reports = [report_of(0, index) for index in range(2000)]
    assert max(len(text.split()) for text in reports) <= MAX_WORDS
    words = {w for text in reports for w in text.replace(".", " ").replace(",", " ").split()}
    assert len(words) <= 150
    assert len(set(reports)) > 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no pleural effusion or pneumothorax.", {"No Finding": 1}),
        ("possible small left effusion.", {"Pleural Effusion": -1, "No Finding": 0}),
        (
            "mild hazy left mid zone opacity may represent pneumonia.",
            {"Lung Opacity": 1, "Pneumonia": -1},
        ),
        ("nasogastric tube in place.", {"Support Devices": 1, "No Finding": 1}),
        ("the heart is enlarged, mild. no edema.", {"Cardiomegaly": 1, "Edema": 0}),
    ],
)
def test_single_sentences_are_read(text, expected):
    labels = labels_from_report(text)
    assert {name: labels[name] for name in expected} == expected


def test_a_study_is_the_same_alone_again_and_in_another_process():
    here = [digest(0, index) for index in (8500, 8501, 42)]
    assert here == [digest(0, index) for index in (8500, 8501, 42)]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_phantom import digest;"
        "print(digest(0, 42)); print(digest(0, 8500))"
    )
    folder = str(Path(__file__).parent)
    out = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    ).stdout.split()
    assert out == [here[2], here[0]]


def test_splits_are_disjoint_and_of_the_announced_sizes():
    ids = {split: PhantomDataset(split).study_ids() for split in SPLITS}
    assert {split: len(names) for split, names in ids.items()} == SPLIT_SIZES
    assert len(set().union(*ids.values())) == sum(SPLIT_SIZES.values())
    assert ids["val"][3] == "phantom-0-00008003"


def test_a_study_has_two_float_pictures_of_whole_grey_levels_a_report_and_labels():
    study = PhantomDataset("test", limit=3)[1]
    for image in (study.frontal, study.lateral):
        assert image is not None
        assert image.shape == (1, 64, 64)
        assert image.dtype == np.float32
        assert image.min() >= 0.0
        assert image.max() <= 1.0
        assert np.array_equal(to_float(np.rint(image[0] * 255).astype(np.uint8)), image)
        assert 0.15 < image.mean() < 0.7
    assert study.report == report_of(0, SPLIT_STARTS["test"] + 1)
    assert study.get(Modality.T) == study.report


def test_seeds_and_indices_change_everything():
    assert len({digest(seed, index) for seed in (0, 1) for index in (0, 1)}) == 4


@pytest.mark.parametrize("index", [-1, 5, 10**9])
def test_an_index_outside_the_split_is_an_index_error(index):
    with pytest.raises(IndexError, match="of 5"):
        PhantomDataset("val", limit=5)[index]


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "dev"},
        {"split": "val", "size": 128},
        {"split": "val", "limit": 0},
        {"split": "val", "seed": -1},
    ],
)
def test_bad_arguments_are_input_errors(arguments):
    with pytest.raises(InputError):
        PhantomDataset(**arguments)


def test_fingerprints_name_the_recipe():
    base = PhantomDataset("val").fingerprint
    assert base == PhantomDataset("val", limit=10_000).fingerprint
    others = [
        PhantomDataset("test"),
        PhantomDataset("val", seed=1),
        PhantomDataset("val", size=256),
        PhantomDataset("val", limit=10),
    ]
    assert len({base, *(data.fingerprint for data in others)}) == 5
    assert len(base) == 64


def test_label_matrix_has_no_column_for_what_is_not_simulated():
    data = PhantomDataset("val")
    matrix = data.label_matrix(PATHOLOGIES)
    assert matrix.shape == (500, 10)
    assert matrix.dtype == np.int8
    assert set(np.unique(matrix)) == {-1, 0, 1}
    with pytest.raises(InputError, match="Fracture"):
        data.label_matrix(["Edema", "Fracture"])
    with pytest.raises(KeyError):
        data.label_matrix(["Bronchitis"])


def test_reports_and_labels_need_no_torch():
    code = (
        "import sys, time; began = time.perf_counter();"
        "from codixr.data.phantom import PhantomDataset; PhantomDataset('val').reports();"
        "assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


FROZEN_REPORTS = "94edc1fe6843b687bf519e0af5e33796d87a63ddf25960dc7ad9a070959398db"
FROZEN_PICTURES = {
    0: (83.82, 64.82, 70.29, 77.42),
    8003: (80.10, 61.20, 66.26, 80.28),
    8501: (131.27, 77.63, 105.82, 95.53),
}
"""Mean and deviation of F and of L in grey levels, version 2 of the recipe, as first rendered."""


def test_version_2_stays_as_it_was_trained_on():
    assert PhantomDataset.version == "2", "a new version needs new golden values"
    text = "\n".join(report_of(0, index) for index in range(1000))
    assert hashlib.sha256(text.encode()).hexdigest() == FROZEN_REPORTS
    for index, expected in FROZEN_PICTURES.items():
        frontal, lateral = render_views(0, index, 64)
        values = (frontal.mean(), frontal.std(), lateral.mean(), lateral.std())
        assert values == pytest.approx(expected, abs=0.02)
