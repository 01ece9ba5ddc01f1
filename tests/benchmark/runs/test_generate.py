from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Conditions, Sample
from codixr_bench.models.real import RealModel
from codixr_bench.runs.generation import generate
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.sample_check import conditions_of
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task
from helpers.bench_fakes import SIDE, FakeDataset, SeededModel, contents, record

TASK = Task.parse("L+T->F")


def make(folder: Path, model: Any = None, task: Task = TASK, n: int = 20, **options: Any) -> Path:
    store = SampleStore.create(folder, record(n=n, task=task.name))
    generate(model or SeededModel(), task, FakeDataset(n), store, image_size=SIDE, **options)
    store.close()
    return folder


@pytest.mark.parametrize("task", ["T->F", "L+T->F", "F->L+T", "F->T", "L->F+T"])
def test_the_samples_do_not_depend_on_the_batch_size(tmp_path: Path, task: str) -> None:
    whole = make(tmp_path / "64", task=Task.parse(task), batch_size=64)
    single = make(tmp_path / "3", task=Task.parse(task), batch_size=3)
    assert contents(whole) == contents(single)


def test_batches_stay_within_chunks(tmp_path: Path) -> None:
    model = SeededModel()
    make(tmp_path, model, batch_size=5)
    assert model.batches == [5, 3, 5, 3, 4]


def test_a_run_goes_on_where_it_stopped_and_makes_the_same_bytes(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    make(tmp_path / "resumed")
    (tmp_path / "resumed" / "chunk-00001.parquet").unlink()
    model = SeededModel()
    make(tmp_path / "resumed", model)
    assert model.batches == [8], "only the missing chunk is made"
    assert contents(whole) == contents(tmp_path / "resumed")


def test_two_processes_share_the_chunks_and_make_the_same_bytes(tmp_path: Path) -> None:
    class NoBarrier(Processes):
        def barrier(self) -> None:
            pass

    whole = make(tmp_path / "whole")
    models = [SeededModel(), SeededModel()]
    for rank in (1, 0):
        make(tmp_path / "two", models[rank], processes=NoBarrier(rank, 2))
    assert [model.batches for model in models] == [[8, 4], [8]]
    assert contents(whole) == contents(tmp_path / "two")


def test_a_complete_run_asks_the_model_for_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    model = SeededModel()
    asked: list[int] = []
    make(tmp_path, model, prepare=lambda: asked.append(1))
    assert (model.batches, asked) == ([], [])


class Wrong(SeededModel):
    def __init__(self, spoil: Callable[[Sample], Any]) -> None:
        super().__init__()
        self.spoil = spoil

    def generate(
        self, conditions: Sequence[Conditions], task: Task, seeds: Sequence[int]
    ) -> list[Sample]:
        samples = super().generate(conditions, task, seeds)
        if len(self.batches) == 2:
            samples[3] = self.spoil(samples[3])
        return samples


def picture(value: Any) -> Callable[[Sample], Any]:
    return lambda _: {Modality.F: value}


ZEROS = np.zeros((1, SIDE, SIDE), dtype=np.float32)
WRONG: dict[str, tuple[Callable[[Sample], Any], str]] = {
    "NaN": (picture(np.where(np.eye(SIDE)[None] > 0, np.nan, ZEROS)), "8 values that are NaN"),
    "range": (picture(ZEROS + np.float32(1.5)), "values from 1.5 to 1.5"),
    "double": (picture(ZEROS.astype(np.float64)), "has type float64"),
    "size": (picture(np.zeros((1, 9, 9), dtype=np.float32)), r"shape \[1, 9, 9\], not \[1, 8, 8\]"),
    "2-D": (picture(ZEROS[0]), r"has shape \[8, 8\]"),
    "0-D": (picture(np.float32(0)[()]), "is a float32"),
    "none": (picture(None), "is a NoneType"),
    "text": (picture("no effusion"), "is a str"),
    "more": (lambda s: {**s, Modality.L: ZEROS}, r"holds F\+L instead of F"),
    "less": (lambda _: {}, "holds nothing instead of F"),
    "array": (lambda s: s[Modality.F], "is a ndarray, not a mapping"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_sample_is_named_by_its_position(tmp_path: Path, kind: str) -> None:
    spoil, expected = WRONG[kind]
    if kind == "NaN":
        spoiled = spoil({})[Modality.F].astype(np.float32)
        spoil = picture(spoiled)
    with pytest.raises(InputError, match=f"position 11 .*{expected}"):
        make(tmp_path, Wrong(spoil))
    assert sorted(contents(tmp_path)) == ["chunk-00000.parquet", "run.json"]


@pytest.mark.parametrize("value", [None, float("nan"), b"bytes", "\ud800"])
def test_a_report_has_to_be_text(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InputError, match=r"position 11 .*text"):
        make(tmp_path, Wrong(lambda _: {Modality.T: value}), Task.parse("F->T"))


def test_a_model_that_loses_a_sample_is_refused(tmp_path: Path) -> None:
    class Loses(SeededModel):
        def generate(self, *arguments: Any) -> list[Sample]:
            return super().generate(*arguments)[1:]

    with pytest.raises(InputError, match="7 samples for 8 studies, positions 0 to 7"):
        make(tmp_path, Loses())


def test_conditions_are_the_inputs_and_a_missing_one_is_named_by_position() -> None:
    study = Study("id", "id", "test", report="no effusion")
    assert conditions_of(study, Task.parse("T->F"), 5) == {Modality.T: "no effusion"}
    with pytest.raises(InputError, match="position 5 has no L") as caught:
        conditions_of(study, TASK, 5)
    assert "id" not in str(caught.value).split()
    assert conditions_of(study, TASK, 5, needed=False) == {Modality.T: "no effusion"}


def test_real_gets_the_studies_and_copies_their_outputs(tmp_path: Path) -> None:
    make(tmp_path, RealModel(), Task.parse("L->F+T"))
    dataset = FakeDataset(20)
    for positions, samples in SampleStore.open(tmp_path).batches():
        for position, sample in zip(positions, samples, strict=True):
            assert sample[Modality.T] == dataset[position].report
            assert (sample[Modality.F] == dataset[position].frontal).all()
