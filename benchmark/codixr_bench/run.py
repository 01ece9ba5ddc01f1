"""A run: generate, then score; and where its files go.

``FOLDER/samples/`` is the SampleStore; ``result.json`` (aggregates only), ``statistics.parquet``
(one row a study, no id) and ``grid.png`` stand beside it. A run that is started again finds what is
there and makes the rest: the same bytes, except for the timings in ``result.json``.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from numpy import generic
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.generate import BATCH_SIZE, Generated, generate
from codixr_bench.hooks import (
    LearnsFromTrack,
    checkpoint_of,
    needs_training,
    settings_of,
    train_limit,
)
from codixr_bench.metrics.metric import Metric
from codixr_bench.model import GenerativeModel, Sample
from codixr_bench.record import RunRecord
from codixr_bench.samples import CHUNK_SIZE, SampleStore
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track
from codixr_bench.world import World

RUNS = Path("runs")
SAMPLES = "samples"


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for, beside its task, model and track."""

    split: str = "test"
    limit: int | None = None
    data_dir: Path | None = None
    seed: int = 0
    batch_size: int = BATCH_SIZE
    chunk_size: int = CHUNK_SIZE
    metrics: tuple[str, ...] = ()
    """Names of the metrics wanted; empty for all of the track's."""
    out: Path | None = None
    """The run's folder; None for ``runs/TRACK/TASK/MODEL``."""
    overwrite: bool = False
    show_content: bool = False
    progress: bool = True


class SampleSource(Protocol):
    """Samples by position: a SampleStore, or a folder that another program made."""

    task: Task

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def batches(self) -> Iterator[tuple[range, list[Sample]]]:
        """(positions, samples), in order."""
        ...


@dataclass(frozen=True)
class Scored:
    """What scoring gives: the scores, one row of statistics a study, and its seconds."""

    scores: list[Score]
    statistics: Mapping[str, NDArray[generic]]
    seconds: float


def run_folder(track: Track, task: Task, model_name: str, options: RunOptions) -> Path:
    """Where a run's files go: ``--out``, or ``runs/TRACK/TASK/MODEL``."""
    if options.out is not None:
        return options.out
    safe = "".join(c if c.isalnum() or c in "._-+" else "-" for c in model_name).lstrip(".")
    return RUNS / track.name / task.folder / (safe or "model")


def refuse_early(model: GenerativeModel, task: Task, track: Track) -> None:
    """InputError when the model or the track's data cannot serve the task; nothing is written."""
    track.check(task, model)
    if not model.supports(task):
        raise InputError(f"model '{model.name}' does not support the task '{task}'")
    if needs_training(model) and "train" not in track.splits:
        raise InputError(
            f"model '{model.name}' needs training studies, and track '{track.name}' has none; "
            "use --track phantom"
        )


def make_samples(
    model: GenerativeModel,
    task: Task,
    track: Track,
    options: RunOptions,
    world: World,
    folder: Path,
) -> tuple[SampleStore, StudyDataset, Generated]:
    """Generate what is missing in ``folder/samples``; all processes return when all is there.

    Raises InputError as ``refuse_early``, ``SampleStore.create`` and ``generate``.
    """
    refuse_early(model, task, track)
    dataset = track.dataset(options.split, options.limit, options.data_dir)
    train: StudyDataset | None = None
    settings = settings_of(model)
    if isinstance(model, LearnsFromTrack):
        train = track.training(options.data_dir, train_limit(model))
        settings["train_fingerprint"] = None if train is None else train.fingerprint
    record = RunRecord(
        task=task.name,
        track=track.name,
        track_version=track.version,
        track_fingerprint=dataset.fingerprint,
        split=options.split,
        n=len(dataset),
        seed=options.seed,
        model=model.name,
        model_version=model.version,
        checkpoint_sha256=checkpoint_of(model),
        settings=settings,
        chunk_size=options.chunk_size,
    )
    if world.leads:
        store = SampleStore.create(folder / SAMPLES, record, overwrite=options.overwrite)
        if options.overwrite:
            for name in ("result.json", "statistics.parquet", "grid.png"):
                (folder / name).unlink(missing_ok=True)
        render(dataset, task)
    else:
        store = SampleStore.create(
            folder / SAMPLES, record, overwrite=options.overwrite, leads=False
        )
    world.barrier()
    if not world.leads:
        render(dataset, task)

    def prepare() -> None:
        if isinstance(model, LearnsFromTrack):
            model.prepare(train, task)

    generated = generate(
        model,
        task,
        dataset,
        store,
        image_size=track.image_size,
        batch_size=options.batch_size,
        world=world,
        prepare=prepare,
        title=f"{task} {model.name}" if options.progress and world.leads else None,
    )
    return store, dataset, generated


def render(dataset: StudyDataset, task: Task) -> None:
    """Have a simulated dataset render its pictures once and for all, where it can and must."""
    images = getattr(dataset, "images", None)
    if callable(images):
        for modality in (*task.inputs, *task.outputs):
            if modality.is_image:
                images(modality)


def score_samples(source: SampleSource, dataset: StudyDataset, metrics: Sequence[Metric]) -> Scored:
    """Score every sample against its study; nothing is dropped.

    Raises InputError when the samples are not as many as the studies.
    """
    if len(source) != len(dataset):
        raise InputError(f"{len(source)} samples for {len(dataset)} studies: nothing is scored")
    began = time.perf_counter()
    seen = 0
    for positions, samples in source.batches():
        studies = [dataset[position] for position in positions]
        for metric in metrics:
            metric.update(positions, studies, samples)
        seen += len(positions)
    if seen != len(dataset):
        raise InputError(f"{seen} of {len(dataset)} samples could be read: nothing is scored")
    scores: list[Score] = []
    statistics: dict[str, NDArray[generic]] = {}
    for metric in metrics:
        scores += metric.compute()
        for name, values in metric.statistics().items():
            statistics[name if name not in statistics else f"{metric.name}.{name}"] = values
    return Scored(scores, statistics, time.perf_counter() - began)
