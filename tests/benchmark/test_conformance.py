"""``check_model`` finds each kind of fault, one at a time, and nothing else in a good model."""

import numpy as np
import pytest

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.models.constant import ConstantModel
from codixr_bench.models.noise import NoiseModel
from codixr_bench.models.real import RealModel
from codixr_bench.task import Task
from codixr_bench.testing import Report, check_model
from helpers.bench_fakes import FakeDataset, SeededModel


class Good(SeededModel):
    """Follows its seed and all its inputs, reports too."""

    def _sample(self, condition, task, seed):
        made = dict(super()._sample(condition, task, seed))
        told = sum(sum(c.encode()) for c in condition.values() if isinstance(c, str))
        seen = sum(float(c.sum()) for c in condition.values() if not isinstance(c, str))
        for modality in task.outputs:
            if modality.is_image:
                made[modality] = ((made[modality] + told / 997) % 1.0).astype(np.float32)
            else:
                made[modality] += f" {told} {seen:.3f}"
        return made


def checked(model: object, tasks: str | list[str] = "L+T->F", side: int = 8) -> Report:
    return check_model(model, tasks, studies=FakeDataset(), image_size=side)


def kinds(model: object, tasks: str | list[str] = "L+T->F", side: int = 8) -> list[str]:
    return [fault.kind for fault in checked(model, tasks, side).faults]


def changed(**parts: object) -> object:
    """A good model with parts replaced."""
    return type("Changed", (Good,), parts)()


def each(make):
    """A ``generate`` that makes every sample by ``make(self, condition, task, seed)``."""
    return lambda self, conditions, task, seeds: [
        make(self, c, task, s) for c, s in zip(conditions, seeds, strict=True)
    ]


def altered(alter):
    """A ``generate`` that spoils the good model's samples."""
    return lambda self, conditions, task, seeds: [
        {m: alter(content) for m, content in sample.items()}
        for sample in Good.generate(self, conditions, task, seeds)
    ]


def test_a_good_model_passes_every_task() -> None:
    report = checked(Good(), "all")
    assert report.passed, str(report)
    assert len(report.tasks) == 12
    assert "does what the benchmark asks" in str(report)


@pytest.mark.parametrize("model", [NoiseModel(), ConstantModel()])
def test_reference_points_that_declare_what_they_ignore_pass(model) -> None:
    model.train_limit = 8
    if isinstance(model, ConstantModel):
        model.uses_seeds = False
    report = check_model(model, ["T->F", "F->T"], n=2)
    assert report.passed, str(report)


def test_the_reference_that_copies_the_truth_is_no_model() -> None:
    report = checked(RealModel())
    assert [fault.kind for fault in report.faults] == ["interface"]
    assert "is given the truth" in str(report)


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda x: x[0], "has shape [8, 8], not [1, 8, 8]"),
        (lambda x: x[:, :4], "has shape [1, 4, 8]"),
        (lambda x: x.astype(np.float64), "has type float64, not float32"),
        (lambda x: x * 255, "not in [0, 1]"),
        (lambda x: x - 1, "not in [0, 1]"),
        (lambda x: x * np.float32("nan"), "64 values that are NaN or infinite"),
        (lambda x: x.tolist(), "is a list, not a NumPy array"),
        (lambda x: "text", "is a str, not a NumPy array"),
    ],
)
def test_a_wrong_picture_is_told_in_words(alter, said: str) -> None:
    report = checked(changed(generate=altered(alter)))
    assert [fault.kind for fault in report.faults] == ["sample"]
    assert f"L+T->F: the sample of study 0" in str(report)  # noqa: F541
    assert said in str(report)


def test_missing_and_extra_modalities_are_told() -> None:
    model = changed(generate=each(lambda self, c, task, seed: {Modality.T: "words"}))
    assert "holds T instead of F" in str(checked(model))


def test_a_wrong_number_of_samples_is_told() -> None:
    def fewer(self, conditions, task, seeds):
        return Good.generate(self, conditions, task, seeds)[:-1]

    report = checked(changed(generate=fewer))
    assert [fault.kind for fault in report.faults] == ["count"]
    assert "4 studies gives 3 samples" in str(report)


def test_a_crash_is_told_with_its_line() -> None:
    def crash(self, conditions, task, seeds):
        raise RuntimeError("no such layer")

    report = checked(changed(generate=crash))
    assert [fault.kind for fault in report.faults] == ["crash"]
    assert "generate() of 4 studies raises RuntimeError: no such layer (crash, line" in str(report)


def test_ignored_seeds_are_told_unless_declared() -> None:
    fixed = each(lambda self, c, task, seed: self._sample(c, task, 7))
    assert kinds(changed(generate=fixed)) == ["seeds ignored"]
    assert kinds(changed(generate=fixed, uses_seeds=False)) == []


def test_noise_from_elsewhere_is_not_reproducible() -> None:
    rng = np.random.default_rng()
    model = changed(
        generate=each(lambda self, c, task, seed: self._sample(c, task, int(rng.integers(2**32))))
    )
    assert kinds(model) == ["not reproducible"]


def test_noise_of_the_batch_is_batch_dependent() -> None:
    def by_first(self, conditions, task, seeds):
        return Good.generate(self, conditions, task, [seeds[0] + i for i in range(len(seeds))])

    def by_mean(self, conditions, task, seeds):
        made = Good.generate(self, conditions, task, seeds)
        mean = np.mean([sample[Modality.F] for sample in made], axis=0)
        return [{Modality.F: (sample[Modality.F] + mean) / 2} for sample in made]

    assert kinds(changed(generate=by_first)) == ["batch-dependent"]
    assert kinds(changed(generate=by_mean)) == ["batch-dependent"]


@pytest.mark.parametrize("ignored", ["L", "T"])
def test_the_input_that_is_ignored_is_named(ignored: str) -> None:
    def blind(self, c, task, seed):
        kept = {m: content for m, content in c.items() if m != ignored}
        rest = Task.of(kept, task.outputs)
        return self._sample(kept, rest, seed)

    report = checked(changed(generate=each(blind)))
    assert [fault.kind for fault in report.faults] == ["condition ignored"]
    assert f"{ignored} is ignored" in str(report)


def test_a_model_that_ignores_its_inputs_says_so() -> None:
    def blind(self, c, task, seed):
        return self._sample({}, Task((), task.outputs), seed)

    assert kinds(changed(generate=each(blind))) == ["condition ignored"] * 2
    assert kinds(changed(generate=each(blind), uses_conditions=False)) == []


def test_empty_reports_and_blank_pictures_are_told() -> None:
    def empty(self, c, task, seed):
        return {m: " " if m == "T" else np.full((1, 8, 8), 0.5, np.float32) for m in task.outputs}

    report = checked(
        changed(generate=each(empty), uses_seeds=False, uses_conditions=False), "L->F+T"
    )
    assert [fault.kind for fault in report.faults] == ["blank picture", "empty report"]
    assert "4 of 4 reports are empty" in str(report)


def test_a_model_that_changes_its_inputs_is_told() -> None:
    def spoil(self, c, task, seed):
        made = self._sample(c, task, seed)
        c[Modality.L][:] = 0
        return made

    assert kinds(changed(generate=each(spoil))) == ["inputs changed"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"name": "two\nlines"}, "cannot stand in a result"),
        ({"settings": {"steps": [1, 2]}}, "settings has to map names to text"),
        ({"supports": lambda self, task: False}, "supports() says no to this task"),
    ],
)
def test_what_is_wrong_with_the_interface_is_told(parts: dict, said: str) -> None:
    report = checked(changed(**parts))
    assert [fault.kind for fault in report.faults] == ["interface"]
    assert said in str(report)


def test_a_class_that_is_no_model_is_told_what_it_lacks() -> None:
    assert "it lacks name, version, supports, generate" in str(checked(object()))


def test_a_group_leaves_out_what_is_not_supported_and_something_has_to_be() -> None:
    only = changed(supports=lambda self, task: task.name == "F->T")
    report = checked(only, "all")
    assert report.passed
    assert report.tasks == ("F->T",)
    assert kinds(changed(supports=lambda self, task: False), "all") == ["interface"]


def test_the_callers_own_mistakes_are_errors() -> None:
    with pytest.raises(ValueError, match="two studies or more"):
        check_model(Good(), n=1)
    with pytest.raises(InputError, match="not a modality"):
        checked(Good(), "X->F")
