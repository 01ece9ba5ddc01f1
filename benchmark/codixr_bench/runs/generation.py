"""Studies → conditions → model → SampleStore: the first half of a run.

A study's noise comes from its own seed and chunks fix the batches, so a run that is repeated, or
killed and started again, makes the same bytes; other batch sizes and numbers of processes change a
picture by float32 rounding at most. Processes share the chunks by stride and meet on the disk.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.hooks import SeesTruth, uses_conditions
from codixr_bench.model import Conditions, Content, GenerativeModel, Sample
from codixr_bench.runs.crash import ModelError
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.seeds import study_seed
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task

BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Generated:
    """What one process did: samples made now, samples kept from before, seconds of generation."""

    made: int
    kept: int
    seconds: float


def generate(
    model: GenerativeModel,
    task: Task,
    dataset: StudyDataset,
    store: SampleStore,
    *,
    image_size: int | None,
    batch_size: int = BATCH_SIZE,
    processes: Processes | None = None,
    prepare: Callable[[], None] | None = None,
    title: str | None = None,
    show_messages: bool = True,
) -> Generated:
    """Make what is missing of a run; returns when all processes have.

    Args:
        model: anything with ``generate``; one that sees the truth is asked to ``reproduce``.
        task: the inputs to show and the outputs to keep.
        dataset: the evaluated studies; position i of the store is study i.
        store: where the samples go, already checked against this run's record.
        image_size: side of the pictures the track evaluates, or None for any.
        batch_size: studies a call of the model, within a chunk.
        processes: this process among those of the run.
        prepare: called first, when there is anything to make.
        title: of the progress bar on stderr; None for no bar.
        show_messages: whether a crash may quote the model's message, which may quote a study.

    Raises:
        InputError: a sample that is not what the task asks for, or a study that lacks an input,
            named by its position; a full disk.
        ModelError: the model crashed; names the study's position. What was made is kept.
    """
    processes = processes or Processes()
    mine = [chunk for chunk in store.chunks if chunk % processes.size == processes.rank]
    todo = store.missing(mine)
    made = sum(len(store.positions(chunk)) for chunk in todo)
    kept = sum(len(store.positions(chunk)) for chunk in mine) - made
    began = time.perf_counter()
    if todo:
        if prepare is not None:
            prepare()
            began = time.perf_counter()
        if title is not None and kept:
            title += f" ({kept} kept)"
        with Progress(title or "", made, unit="studies", quiet=title is None) as bar:
            for chunk in todo:
                samples = store.read_part(chunk)
                bar.advance(len(samples))
                try:
                    for batch in _split(store.positions(chunk)[len(samples) :], batch_size):
                        samples += _make(
                            model,
                            task,
                            dataset,
                            batch,
                            store.record.seed,
                            image_size,
                            show_messages,
                        )
                        bar.advance(len(batch))
                except BaseException:
                    store.write_part(chunk, samples)
                    raise
                store.write(chunk, samples)
    seconds = time.perf_counter() - began
    processes.barrier()
    return Generated(made=made, kept=kept, seconds=seconds)


def conditions_of(study: Study, task: Task, position: int, *, needed: bool = True) -> Conditions:
    """The task's inputs of one study, and nothing else of it.

    Raises InputError, naming the position, for a study that lacks an input; unless ``needed`` is
    False: then the conditions lack it too.
    """
    conditions: dict[Modality, Content] = {}
    for modality in task.inputs:
        content = study.get(modality)
        if content is not None:
            conditions[modality] = content
        elif needed:
            raise InputError(
                f"the study at position {position} has no {modality}, which '{task}' is given"
            )
    return conditions


def check_sample(
    sample: Sample, task: Task, position: int, image_size: int | None, model_name: str
) -> None:
    """InputError, naming the position, for a sample that is not what ``task`` asks for.

    Pictures have to be float32 [1, S, S], finite, in [0, 1]; reports are text, maybe empty.
    """
    fault = fault_of(sample, task, image_size)
    if fault is not None:
        raise InputError(
            f"model '{model_name}', '{task}': its sample at position {position} {fault}"
        )


def fault_of(sample: object, task: Task, image_size: int | None) -> str | None:
    """What is wrong with a sample, to follow "the sample …"; None where nothing is."""
    if not isinstance(sample, Mapping):
        return f"is a {type(sample).__name__}, not a mapping of modalities"
    if set(sample) != set(task.outputs):
        got = "+".join(sorted(map(str, sample))) or "nothing"
        return f"holds {got} instead of {'+'.join(task.outputs)}"
    for modality in task.outputs:
        fault = _content_fault(sample[modality], modality, image_size)
        if fault is not None:
            return f"{fault} ({modality})"
    return None


def _content_fault(content: object, modality: Modality, image_size: int | None) -> str | None:
    if not modality.is_image:
        if not isinstance(content, str):
            return f"is a {type(content).__name__}, not text"
        try:
            content.encode()
        except UnicodeEncodeError:
            return "is text that cannot be written as UTF-8"
        return None
    if not isinstance(content, np.ndarray):
        return f"is a {type(content).__name__}, not a NumPy array"
    if content.dtype != np.float32:
        return f"has type {content.dtype}, not float32"
    side = image_size or (content.shape[-1] if content.ndim else 0)
    if content.shape != (1, side, side) or side == 0:
        return f"has shape {list(content.shape)}, not [1, {side or 'S'}, {side or 'S'}]"
    if not np.isfinite(content).all():
        return f"has {int((~np.isfinite(content)).sum())} values that are NaN or infinite"
    if content.min() < 0 or content.max() > 1:
        return f"has values from {content.min():.3g} to {content.max():.3g}, not in [0, 1]"
    return None


def _make(
    model: GenerativeModel,
    task: Task,
    dataset: StudyDataset,
    positions: range,
    run_seed: int,
    image_size: int | None,
    show_messages: bool,
) -> list[Sample]:
    studies = [dataset[position] for position in positions]
    needed = uses_conditions(model) and not isinstance(model, SeesTruth)
    conditions = [
        conditions_of(study, task, position, needed=needed)
        for position, study in zip(positions, studies, strict=True)
    ]
    seeds = [study_seed(study.study_id, task, run_seed) for study in studies]

    def call(chosen: slice) -> Sequence[Sample]:
        if isinstance(model, SeesTruth):
            return model.reproduce(studies[chosen], task)
        return model.generate(conditions[chosen], task, seeds[chosen])

    try:
        samples = call(slice(None))
    except InputError:
        raise
    except Exception as error:
        raise _located(model.name, task, positions, call, error, show_messages) from error
    if len(samples) != len(positions):
        raise InputError(
            f"model '{model.name}', '{task}': {len(samples)} samples for {len(positions)} "
            f"studies, positions {positions.start} to {positions.stop - 1}"
        )
    for position, sample in zip(positions, samples, strict=True):
        check_sample(sample, task, position, image_size, model.name)
    return list(samples)


def _located(
    name: str,
    task: Task,
    positions: range,
    call: Callable[[slice], Sequence[Sample]],
    error: Exception,
    show_messages: bool,
) -> ModelError:
    """The crash of a batch, by the first of its studies that crashes alone."""
    what = f"model '{name}', '{task}': crashed on"
    if len(positions) > 1:
        for number, position in enumerate(positions):
            try:
                call(slice(number, number + 1))
            except Exception as alone:
                where = f"{what} the study at position {position}"
                return ModelError(where, alone, show_message=show_messages)
        where = f"{what} the studies at positions {positions.start} to {positions.stop - 1} "
        where += "together, on none of them alone (try a smaller --batch-size)"
        return ModelError(where, error, show_message=show_messages)
    where = f"{what} the study at position {positions.start}"
    return ModelError(where, error, show_message=show_messages)


def _split(positions: range, size: int) -> Iterator[range]:
    for start in range(positions.start, positions.stop, size):
        yield range(start, min(start + size, positions.stop))
