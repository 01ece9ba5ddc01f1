"""Studies → conditions → model → SampleStore: the first half of a run.

A study's noise comes from its own seed and chunks fix the batches, so a run that is repeated, or
killed and started again, makes the same bytes; other batch sizes and numbers of processes change a
picture by float32 rounding at most. Processes share the chunks by stride and meet on the disk.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.progress import Progress
from codixr_bench.hooks import SeesTruth, TellsProgress, uses_conditions
from codixr_bench.model import GenerativeModel, Sample
from codixr_bench.runs.batch_size import BatchSize, BatchTooLargeError
from codixr_bench.runs.crash import CRASHES, ModelError
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.record import RunRecord
from codixr_bench.runs.sample_check import check_sample, conditions_of
from codixr_bench.runs.seeds import study_seed
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task

BATCH_SIZE = 64
KEEP_EVERY = 60.0
"""Seconds after which a chunk's finished samples are kept, though the chunk is not whole."""


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
    batch_size: int | Literal["auto"] = BATCH_SIZE,
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
        batch_size: studies a call of the model, within a chunk; ``auto`` halves it where memory
            runs out.
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
        size = BatchSize(batch_size)
        with Progress(title or "", made, unit="studies", quiet=title is None) as bar:
            for chunk in todo:
                samples = store.read_part(chunk)
                bar.advance(len(samples))
                kept_at = time.monotonic()
                try:
                    while batch := store.positions(chunk)[len(samples) :][: size.studies]:
                        call = (model, task, dataset, batch, store.record, image_size)
                        try:
                            with _telling(model, bar, len(batch)):
                                samples += make_batch(*call, show_messages, size)
                        except BatchTooLargeError:
                            size.halve(len(batch))
                            continue
                        bar.advance(len(batch))
                        if time.monotonic() - kept_at > KEEP_EVERY:
                            store.write_part(chunk, samples)
                            kept_at = time.monotonic()
                except BaseException:
                    store.write_part(chunk, samples)
                    raise
                store.write(chunk, samples)
    seconds = time.perf_counter() - began
    processes.barrier()
    return Generated(made=made, kept=kept, seconds=seconds)


def make_batch(
    model: GenerativeModel,
    task: Task,
    dataset: StudyDataset,
    positions: range,
    record: RunRecord,
    image_size: int | None,
    show_messages: bool,
    size: BatchSize | None = None,
) -> list[Sample]:
    """The samples of some studies, checked.

    Raises as ``generate``, and BatchTooLargeError where memory ran out and ``size`` can be halved.
    """
    studies = [dataset[position] for position in positions]
    needed = uses_conditions(model) and not isinstance(model, SeesTruth)
    conditions = [
        conditions_of(study, task, position, needed=needed)
        for position, study in zip(positions, studies, strict=True)
    ]
    seeds = [study_seed(study.study_id, task, record.seed, record.sample) for study in studies]

    def call(chosen: slice) -> Sequence[Sample]:
        if isinstance(model, SeesTruth):
            return model.reproduce(studies[chosen], task)
        return model.generate(conditions[chosen], task, seeds[chosen])

    try:
        samples = call(slice(None))
    except InputError:
        raise
    except CRASHES as error:
        if size is not None and size.may_be_halved(error, len(positions)):
            raise BatchTooLargeError from error
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
    error: BaseException,
    show_messages: bool,
) -> ModelError:
    """The crash of a batch, by the first of its studies that crashes alone."""
    what = f"model '{name}', '{task}': crashed on"
    if len(positions) > 1:
        for number, position in enumerate(positions):
            try:
                call(slice(number, number + 1))
            except CRASHES as alone:
                where = f"{what} the study at position {position}"
                return ModelError(where, alone, show_message=show_messages)
        where = f"{what} the studies at positions {positions.start} to {positions.stop - 1} "
        where += "together, on none of them alone (try a smaller --batch-size, or auto)"
        return ModelError(where, error, show_message=show_messages)
    where = f"{what} the study at position {positions.start}"
    return ModelError(where, error, show_message=show_messages)


@contextmanager
def _telling(model: GenerativeModel, bar: Progress, studies: int) -> Iterator[None]:
    """Within, the bar shows how far the model says that it is with a batch, and that it works."""
    if isinstance(model, TellsProgress):

        def within(done: int, of: int) -> None:
            bar.within(studies, done / max(of, 1), f"{studies} at a time, step {done} of {of}")

        model.tell_progress(within)
    with bar.alive(f"{studies} at a time"):
        yield
