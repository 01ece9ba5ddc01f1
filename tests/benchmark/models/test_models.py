"""The reference points on a few simulated studies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from codixr.data.openi import NORMAL_IMPRESSION
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.hooks import LearnsFromTrack, SeesTruth
from codixr_bench.model import Sample
from codixr_bench.models.constant import ConstantModel, typical_report
from codixr_bench.models.noise import NoiseModel
from codixr_bench.models.real import RealModel
from codixr_bench.models.retrieval import RetrievalModel
from codixr_bench.task import GROUPS, Task
from helpers.bench_fakes import SIDE, FakeDataset

TRAIN = FakeDataset(40, side=32)


def made(model: Any, task: Task, studies: Sequence[Study], seeds: Sequence[int]) -> list[Sample]:
    conditions = [{m: study.get(m) for m in task.inputs} for study in studies]
    return list(model.generate(conditions, task, seeds))


def test_only_real_sees_the_truth() -> None:
    models = [RealModel(), RetrievalModel(), ConstantModel(), NoiseModel()]
    assert [isinstance(m, SeesTruth) for m in models] == [True, False, False, False]
    assert [isinstance(m, LearnsFromTrack) for m in models] == [False, True, True, True]


def test_real_copies_and_cannot_generate() -> None:
    task = Task.parse("L->F+T")
    (sample,) = RealModel().reproduce([TRAIN[3]], task)
    assert sample[Modality.T] == TRAIN[3].report
    with pytest.raises(InputError):
        RealModel().generate([{}], task, [0])


@pytest.mark.parametrize("task", GROUPS["all"], ids=lambda task: task.name)
def test_retrieval_finds_a_training_study_by_itself_in_every_task(task: Task) -> None:
    model = RetrievalModel()
    model.prepare(TRAIN, task)
    exact = 0
    for position in range(len(TRAIN)):
        study = TRAIN[position]
        (sample,) = made(model, task, [study], [0])
        exact += all(np.array_equal(sample[m], study.get(m)) for m in task.outputs)
    # Reports of five words of six repeat: by T alone another study may have the same.
    assert exact >= (len(TRAIN) if set(task.inputs) - {Modality.T} else len(TRAIN) // 3)


def test_retrieval_does_not_depend_on_brightness_contrast_or_the_batch() -> None:
    task = Task.parse("F->T")
    model = RetrievalModel()
    model.prepare(TRAIN, task)
    frontal = TRAIN[7].frontal
    assert frontal is not None
    assert model.nearest({Modality.F: 0.4 * frontal + np.float32(0.3)}, task) == 7
    assert model.nearest({Modality.F: np.zeros_like(frontal)}, task) == 0


def test_retrieval_needs_training_studies() -> None:
    with pytest.raises(InputError, match="needs training studies"):
        RetrievalModel().prepare(None, Task.parse("F->T"))


def test_constant_is_the_mean_picture_and_the_medoid_report() -> None:
    task = Task.parse("T->F+L")
    model = ConstantModel()
    model.prepare(TRAIN, task)
    first, second = made(model, task, [TRAIN[0], TRAIN[1]], [1, 2])
    expected = np.mean([TRAIN[i].frontal for i in range(len(TRAIN))], axis=0)
    assert np.allclose(first[Modality.F], expected, atol=1e-6)
    assert first[Modality.F].dtype == np.float32
    assert first[Modality.F].shape == (1, 32, 32)
    assert (first[Modality.L] == second[Modality.L]).all()


def test_the_typical_report_overlaps_most_with_all_others() -> None:
    reports = ["no effusion", "cardiomegaly", "no edema no effusion", "no effusion", "pacemaker"]
    assert typical_report(reports) == "no effusion"
    assert typical_report(["b a", "a b"]) == "b a", "the first of equals"
    assert typical_report(["", ""]) == ""


def test_constant_without_training_studies_says_a_fixed_sentence() -> None:
    model = ConstantModel()
    model.prepare(None, Task.parse("F->T"))
    ((_, report),) = made(model, Task.parse("F->T"), [TRAIN[0]], [0])[0].items()
    assert report == NORMAL_IMPRESSION
    with pytest.raises(InputError, match="needs training pictures"):
        model.prepare(None, Task.parse("T->F"))


def test_noise_is_the_seeds_alone() -> None:
    task = Task.parse("L->F+T")
    model = NoiseModel()
    model.prepare(TRAIN, task)
    alone = made(model, task, [TRAIN[0]], [5])[0]
    among = made(model, task, [TRAIN[1], TRAIN[2]], [4, 5])[1]
    assert alone[Modality.T] == among[Modality.T]
    assert (alone[Modality.F] == among[Modality.F]).all()
    assert alone[Modality.F].shape == (1, 32, 32)
    assert 0 <= alone[Modality.F].min() < 0.1
    assert 0.9 < alone[Modality.F].max() < 1


def test_noise_has_training_words_at_a_training_length() -> None:
    task = Task.parse("F->T")
    model = NoiseModel()
    model.prepare(FakeDataset(10, SIDE), task)
    reports = [sample[Modality.T] for sample in made(model, task, [TRAIN[0]] * 30, range(30))]
    words = {word for report in reports for word in str(report).split()}
    assert words <= {"no", "effusion", "mild", "edema", "clear", "lungs"}
    assert {len(str(report).split()) for report in reports} == {5}
    assert len(set(reports)) > 20


def test_noise_without_training_studies_borrows_the_simulated_words() -> None:
    model = NoiseModel()
    model.prepare(None, Task.parse("F->T"))
    assert made(model, Task.parse("F->T"), [TRAIN[0]], [0])[0][Modality.T]
    with pytest.raises(InputError, match="needs a training picture"):
        model.prepare(None, Task.parse("T->F"))
