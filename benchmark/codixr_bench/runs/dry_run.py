"""What a run would make, how long that takes and how much it takes, found by making a little of it.

A few studies are generated in memory, after a first call that is not counted (weights are loaded
and caches filled in it). Nothing is written into the run's folder.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from codixr.errors import InputError
from codixr_bench.hooks import LearnsFromTrack
from codixr_bench.model import GenerativeModel
from codixr_bench.result_files import RESULT_NAME
from codixr_bench.runs.batch_size import BatchSize
from codixr_bench.runs.generation import make_batch
from codixr_bench.runs.one_task import planned, refuse_early, samples_folder
from codixr_bench.runs.options import RunOptions
from codixr_bench.runs.store import SampleStore, encode_chunk
from codixr_bench.task import Task
from codixr_bench.track import Track

TRIED = 4
"""Studies that are made to see how long one takes."""


@dataclass(frozen=True)
class DryRun:
    """One task of a run that was not made."""

    task: str
    folder: Path
    studies: int
    samples: int
    """Of all studies together."""
    kept: int
    """Samples of them that are there already."""
    metrics: tuple[str, ...]
    prepare_seconds: float
    """Fitting the model to the training studies, and its first call."""
    seconds: float
    """To make the rest, on this machine as it is now."""
    bytes: int
    """Of the files of samples that would be made."""
    has_result: bool


def dry_run(
    model: GenerativeModel, task: Task, track: Track, options: RunOptions, folder: Path
) -> DryRun:
    """Plan one task; InputError as the run would have it, another run in the folder included."""
    refuse_early(model, task, track)
    metrics = tuple(metric.name for metric in track.metrics(task, options.metrics))
    sets = options.samples_per_study or 1
    kept = 0
    for sample in range(sets):
        dataset, train, record = planned(model, task, track, options, sample)
        store = SampleStore(samples_folder(folder, sample), record)
        if not options.overwrite:
            store.refuse_other_run()
            there = [chunk for chunk in store.chunks if store.path(chunk).is_file()]
            kept += sum(len(store.positions(chunk)) for chunk in there)
    n = len(dataset)
    missing = sets * n - kept
    prepared, each, size = 0.0, 0.0, 0.0
    if missing:
        began = time.perf_counter()
        if isinstance(model, LearnsFromTrack):
            model.prepare(train, task)
        tried = range(min(TRIED, BatchSize(options.batch_size).studies, n))
        if not tried:
            raise InputError("the split has no study")
        call = (model, task, dataset, tried, record, track.image_size, track.shows_content)
        make_batch(*call)
        prepared, began = time.perf_counter() - began, time.perf_counter()
        samples = make_batch(*call)
        each = (time.perf_counter() - began) / len(tried)
        size = len(encode_chunk(tried, samples, task)) / len(tried)
    return DryRun(
        task=task.name,
        folder=folder,
        studies=n,
        samples=sets * n,
        kept=kept,
        metrics=metrics,
        prepare_seconds=round(prepared, 3),
        seconds=round(each * missing, 3),
        bytes=round(size * missing),
        has_result=(folder / RESULT_NAME).is_file(),
    )
