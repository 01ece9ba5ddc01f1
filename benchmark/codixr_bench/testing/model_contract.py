"""``check_model``: says in plain words what a model does otherwise than the benchmark asks.

    from codixr_bench.testing import check_model
    report = check_model(MyModel(), tasks=["T->F", "F->T"])
    assert report.passed, str(report)

A few simulated studies go through the model several times: again, one at a time, in another order,
with other seeds, with other inputs. What should not change must not, and what should must.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.hooks import (
    LearnsFromTrack,
    SeesTruth,
    SizesPictures,
    train_limit,
    uses_conditions,
    uses_seeds,
)
from codixr_bench.model import Conditions, Content, GenerativeModel, Sample
from codixr_bench.runs.finish import model_info
from codixr_bench.runs.sample_check import conditions_of, fault_of
from codixr_bench.runs.seeds import study_seed
from codixr_bench.task import GROUPS, Task, parse_tasks
from codixr_bench.testing.report import Fault, Kind, Report

TOLERANCE = 1e-3
"""Between pictures that should be equal: rounding may differ with the batch, noise may not."""


def check_model(
    model: GenerativeModel,
    tasks: str | Sequence[str] = "all",
    *,
    studies: StudyDataset | None = None,
    n: int = 4,
    image_size: int | None = 64,
) -> Report:
    """Try a model on a few studies of each task that it supports.

    Args:
        model: what is going to be run.
        tasks: a task, a group, or several; those that the model does not support are left out
            when a group asks for them, and are faults when they are named.
        studies: where the inputs come from; the phantom track's test studies by default.
        n: studies a call, at least 2.
        image_size: side of the pictures asked for; None for any square.

    Raises ValueError for n below 2 and InputError for an unknown task: those are the caller's.
    """
    if n < 2:
        raise ValueError("check_model needs two studies or more, to tell them apart")
    if interface := list(_interface_faults(model)):
        return Report(str(getattr(model, "name", type(model).__name__)), (), tuple(interface))
    faults: list[Fault] = []
    tried: list[str] = []
    dataset = studies or _phantom(n)
    for task, named in _tasks(tasks):
        if not model.supports(task):
            if named:
                faults.append(Fault("interface", task.name, "supports() says no to this task"))
            continue
        tried.append(task.name)
        faults += _Trial(model, task, dataset, n, image_size).faults()
    if not tried and not faults:
        faults.append(Fault("interface", "", "supports() says no to every task"))
    return Report(model.name, tuple(tried), tuple(faults))


def _tasks(asked: str | Sequence[str]) -> Iterator[tuple[Task, bool]]:
    """(task, whether it was named itself)."""
    for text in [asked] if isinstance(asked, str) else asked:
        for task in parse_tasks(text):
            yield task, text.strip().lower() not in GROUPS


def _interface_faults(model: object) -> Iterator[Fault]:
    lacking = [p for p in ("name", "version", "supports", "generate") if not hasattr(model, p)]
    if lacking:
        yield Fault("interface", "", f"it lacks {', '.join(lacking)}")
        return
    if isinstance(model, SeesTruth):
        yield Fault("interface", "", "it is given the truth (`reproduce`): a reference, no model")
    try:
        model_info(model.name, model.version)  # type: ignore[attr-defined]
    except InputError as error:
        yield Fault("interface", "", str(error))
    settings = getattr(model, "settings", {})
    plain = isinstance(settings, Mapping) and all(
        isinstance(key, str) and (value is None or isinstance(value, str | int | float | bool))
        for key, value in settings.items()
    )
    if not plain:
        yield Fault("interface", "", "settings has to map names to text, numbers, booleans or None")


class _Trial:
    """A model on one task."""

    def __init__(
        self,
        model: GenerativeModel,
        task: Task,
        dataset: StudyDataset,
        n: int,
        image_size: int | None,
    ) -> None:
        self.model = model
        self.task = task
        self.image_size = image_size
        chosen = [dataset[position] for position in range(min(n, len(dataset)))]
        needed = uses_conditions(model)
        self.inputs = [
            conditions_of(study, task, i, needed=needed) for i, study in enumerate(chosen)
        ]
        self.seeds = [study_seed(study.study_id, task, 0) for study in chosen]
        self.others = [study_seed(study.study_id, task, 1) for study in chosen]

    def faults(self) -> list[Fault]:
        """What is wrong, the first things first; after a crash nothing more is tried."""
        try:
            if isinstance(self.model, SizesPictures):
                self.model.use_image_size(self.image_size)
            if isinstance(self.model, LearnsFromTrack):
                self.model.prepare(_phantom(train_limit(self.model), "train"), self.task)
            first = self._generate(self.inputs, self.seeds)
            found = list(self._output_faults(first))
            if found:
                return found
            return [*self._content_faults(first), *self._behaviour_faults(first)]
        except _TriedError as error:
            return [error.fault]

    def _fault(self, kind: Kind, what: str) -> Fault:
        return Fault(kind, self.task.name, what)

    def _generate(self, inputs: Sequence[Conditions], seeds: Sequence[int]) -> list[Sample]:
        """Call the model; _TriedError where it crashes or changes its inputs."""
        given = [{m: _copy(content) for m, content in one.items()} for one in inputs]
        try:
            samples = list(self.model.generate(given, self.task, list(seeds)))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
            batch = f"generate() of {len(inputs)} studies" if len(inputs) > 1 else "one study alone"
            raise _TriedError(self._fault("crash", f"{batch} raises {what}")) from error
        if len(samples) != len(inputs):
            what = f"generate() of {len(inputs)} studies gives {len(samples)} samples"
            raise _TriedError(self._fault("count", what))
        changed = any(
            set(one) != set(kept) or any(_differ(one[m], kept[m], 0.0) for m in kept)
            for one, kept in zip(given, inputs, strict=True)
        )
        if changed:
            what = "generate() changes the inputs it is given: copy them first"
            raise _TriedError(self._fault("inputs changed", what))
        return samples

    def _output_faults(self, samples: Sequence[Sample]) -> Iterator[Fault]:
        for position, sample in enumerate(samples):
            if fault := fault_of(sample, self.task, self.image_size):
                yield self._fault("sample", f"the sample of study {position} {fault}")
                return

    def _content_faults(self, samples: Sequence[Sample]) -> Iterator[Fault]:
        for modality in self.task.outputs:
            contents = [sample[modality] for sample in samples]
            if modality.is_image:
                flat = sum(float(np.ptp(c)) == 0.0 for c in contents if not isinstance(c, str))
                if flat:
                    what = f"{flat} of {len(contents)} pictures have one value only ({modality})"
                    yield self._fault("blank picture", what)
            elif empty := sum(not str(content).strip() for content in contents):
                what = f"{empty} of {len(contents)} reports are empty: they score as empty"
                yield self._fault("empty report", what)

    def _behaviour_faults(self, first: Sequence[Sample]) -> Iterator[Fault]:
        if changed := self._changed(first, self._generate(self.inputs, self.seeds)):
            what = (
                f"the same inputs and seeds give another {changed} the second time: draw all noise "
                "from the study's seed, e.g. numpy.random.default_rng(seed)"
            )
            yield self._fault("not reproducible", what)
            return
        alone = [
            sample
            for one, seed in zip(self.inputs, self.seeds, strict=True)
            for sample in self._generate([one], [seed])
        ]
        back = self._generate(self.inputs[::-1], self.seeds[::-1])[::-1]
        for other, how in ((alone, "alone"), (back, "in another order")):
            if changed := self._changed(first, other):
                what = (
                    f"a study's {changed} is another one when it is made {how}: draw each study's "
                    "noise from its own seed, and use no statistics of the batch"
                )
                yield self._fault("batch-dependent", what)
                return
        if uses_seeds(self.model) and not self._changed(
            first, self._generate(self.inputs, self.others)
        ):
            what = (
                "other seeds give the same samples; if nothing is drawn at random, say so: "
                "uses_seeds = False"
            )
            yield self._fault("seeds ignored", what)
        if uses_conditions(self.model):
            yield from self._ignored(first)

    def _ignored(self, first: Sequence[Sample]) -> Iterator[Fault]:
        """Inputs that can be exchanged between studies without any effect."""
        for modality in self.task.inputs:
            moved = [*self.inputs[1:], self.inputs[0]]
            exchanged = [
                {**one, modality: other[modality]}
                for one, other in zip(self.inputs, moved, strict=True)
            ]
            if not self._changed(first, self._generate(exchanged, self.seeds)):
                what = (
                    f"another study's {modality} gives the same samples: {modality} is ignored; "
                    "a model that ignores all its inputs says so: uses_conditions = False"
                )
                yield self._fault("condition ignored", what)

    def _changed(self, first: Sequence[Sample], second: Sequence[Sample]) -> str:
        """The modality that differs in any study, or nothing; a fault of the second is one, too."""
        for one, other in zip(first, second, strict=True):
            if fault := fault_of(other, self.task, self.image_size):
                raise _TriedError(self._fault("sample", f"a sample of a later call {fault}"))
            for modality in self.task.outputs:
                if _differ(one[modality], other[modality], TOLERANCE):
                    return str(modality)
        return ""


class _TriedError(Exception):
    """A fault after which nothing more can be tried."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _differ(one: Content, other: Content, tolerance: float) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one is not other and one != other
    return one.shape != other.shape or float(np.abs(one - other).max(initial=0.0)) > tolerance


def _copy(content: Content) -> Content:
    return content if isinstance(content, str) else content.copy()


def _phantom(n: int | None, split: Literal["train", "test"] = "test") -> StudyDataset:
    from codixr.data.phantom import PhantomDataset

    dataset: StudyDataset = PhantomDataset(split, limit=n)
    return dataset
