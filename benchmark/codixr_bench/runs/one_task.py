"""One task of a run: generate what is missing, then score all.

``FOLDER/samples/`` is the SampleStore; ``result.json`` (aggregates only), ``statistics.parquet``
(one row a study, no id), ``grid.png`` and ``report.html`` stand beside it. A run that is started
again finds what is there and makes the rest: the same bytes, except for the timings in
``result.json``.
"""

import shutil
from contextlib import ExitStack
from pathlib import Path

from codixr import messages
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.hooks import (
    ChecksTrack,
    LearnsFromTrack,
    SizesPictures,
    checkpoint_of,
    needs_training,
    settings_of,
    train_limit,
)
from codixr_bench.model import GenerativeModel
from codixr_bench.result_files import RESULT_NAME, STATISTICS_NAME
from codixr_bench.runs.figures import HEADS
from codixr_bench.runs.finish import (
    GRID_NAME,
    Maker,
    ScoredRun,
    finish,
)
from codixr_bench.runs.finished import SCORED_NAME, finished, note_finished
from codixr_bench.runs.generation import Generated, generate
from codixr_bench.runs.options import RunOptions
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.record import RECORD_NAME, RunRecord
from codixr_bench.runs.scoring import load_networks
from codixr_bench.runs.store import SampleStore
from codixr_bench.show.page import REPORT_NAME
from codixr_bench.task import Task
from codixr_bench.track import Track

SAMPLES = "samples"


def samples_folder(folder: Path, sample: int) -> Path:
    """Where a run's folder has each study's first sample (0), second (1), …."""
    return folder / (f"{SAMPLES}-{sample}" if sample else SAMPLES)


def refuse_early(model: GenerativeModel, task: Task, track: Track) -> None:
    """InputError when the model or the track's data cannot serve the task; nothing is written."""
    track.check(task, model)
    if not model.supports(task):
        raise InputError(f"model '{model.name}' does not support the task '{task}'")
    if isinstance(model, ChecksTrack):
        model.check_track(track.name, track.image_size, simulated=track.simulated)
    if needs_training(model) and "train" not in track.splits:
        raise InputError(
            f"model '{model.name}' needs training studies, and track '{track.name}' has none; "
            "use --track phantom"
        )
    if isinstance(model, LearnsFromTrack) and "train" not in track.splits:
        if isinstance(model, SizesPictures):
            model.use_image_size(track.image_size)
        model.prepare(None, task)  # it may need them for this task only


def make_samples(
    model: GenerativeModel,
    task: Task,
    track: Track,
    options: RunOptions,
    processes: Processes,
    folder: Path,
    sample: int = 0,
) -> tuple[SampleStore, StudyDataset, Generated]:
    """Generate what is missing of one sample a study; all processes return when all is there.

    ``sample`` says which: the first goes to ``folder/samples``, the second to ``samples-1``.

    Raises InputError as ``refuse_early``, ``SampleStore.create`` and ``generate``.
    """
    refuse_early(model, task, track)
    dataset, train, record = planned(model, task, track, options, sample)
    Maker.of(record)
    if not options.overwrite:
        _refuse_orphan(folder)
    store = SampleStore.create(
        samples_folder(folder, sample), record, overwrite=options.overwrite, leads=processes.leads
    )
    try:
        if processes.leads:
            if not track.simulated:
                store.keep_private()
                messages.note(
                    "codixr-bench",
                    f"'{store.folder}' may hold pictures and words of patients: only you can read "
                    "it; keep it where your agreement allows",
                )
            elif options.split == "secret":
                store.keep_private()
            if options.overwrite:
                made = (RESULT_NAME, STATISTICS_NAME, GRID_NAME, REPORT_NAME, SCORED_NAME, *HEADS)
                for name in made:
                    (folder / name).unlink(missing_ok=True)
                if sample == 0:
                    remove_more_samples(folder)
            render(dataset, task)
        processes.barrier()
        if not processes.leads:
            render(dataset, task)
        generated = generate(
            model,
            task,
            dataset,
            store,
            image_size=track.image_size,
            batch_size=options.batch_size,
            processes=processes,
            prepare=lambda: _prepare(model, train, task),
            title=_title(model, task, options, sample) if processes.leads else None,
            show_messages=track.shows_content or options.show_content,
        )
    except BaseException:
        store.close()
        raise
    return store, dataset, generated


def planned(
    model: GenerativeModel, task: Task, track: Track, options: RunOptions, sample: int
) -> tuple[StudyDataset, StudyDataset | None, RunRecord]:
    """The studies to evaluate, those to learn from, and the run's record; nothing is written."""
    dataset = track.dataset(options.split, options.limit, options.data_dir)
    train: StudyDataset | None = None
    if isinstance(model, SizesPictures):
        model.use_image_size(track.image_size)
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
        sample=sample,
    )
    return dataset, train, record


def _title(model: GenerativeModel, task: Task, options: RunOptions, sample: int) -> str | None:
    if not options.progress:
        return None
    several = (options.samples_per_study or 1) > 1
    return f"{task} {model.name}" + (f", sample {sample + 1}" if several else "")


def remove_more_samples(folder: Path) -> None:
    """Remove what another run left of second, third, … samples."""
    for record in folder.glob(f"{SAMPLES}-*/{RECORD_NAME}"):
        shutil.rmtree(record.parent)


def _prepare(model: GenerativeModel, train: StudyDataset | None, task: Task) -> None:
    if isinstance(model, LearnsFromTrack):
        model.prepare(train, task)


def _refuse_orphan(folder: Path) -> None:
    """InputError for a folder with a result but no samples: it may be another run's."""
    if (folder / RESULT_NAME).exists() and not (folder / SAMPLES / RECORD_NAME).exists():
        raise InputError(
            f"'{folder}' holds a '{RESULT_NAME}' without its samples: "
            "use another --out, or --overwrite to replace it"
        )


def render(dataset: StudyDataset, task: Task) -> None:
    """Have a simulated dataset render its pictures once and for all, where it can and must."""
    images = getattr(dataset, "images", None)
    if callable(images):
        for modality in (*task.inputs, *task.outputs):
            if modality.is_image:
                images(modality)


def run_task(
    model: GenerativeModel,
    task: Task,
    track: Track,
    options: RunOptions,
    processes: Processes,
    folder: Path,
) -> ScoredRun | None:
    """Generate and score one task into ``folder``; None in processes that do not lead.

    A run that is finished is read, not scored again.

    Raises InputError as ``make_samples`` and ``finish``; unknown metrics
    and missing weights before anything is made.
    """
    k = options.samples_per_study or 1
    metrics = [track.metrics(task, options.metrics) for _ in range(k)]
    if not options.overwrite:
        refuse_early(model, task, track)
        places = [
            (samples_folder(folder, at), planned(model, task, track, options, at)[2])
            for at in range(k)
        ]
        if (before := finished(folder, places, metrics[0], track, options)) is not None:
            messages.say(
                "codixr-bench",
                f"{task}: finished before, nothing is scored again (to do so: "
                f"codixr-bench score --samples {folder})",
            )
            return before if processes.leads else None
    if processes.leads:
        load_networks(metrics[0])
    with ExitStack() as open_stores:
        stores, seconds = [], 0.0
        for sample in range(k):
            store, dataset, generated = make_samples(
                model, task, track, options, processes, folder, sample
            )
            open_stores.callback(store.close)
            stores.append(store)
            seconds += generated.seconds
        scored = finish(
            list(zip(stores, metrics, strict=True)),
            dataset,
            track,
            Maker.of(stores[0].record),
            folder,
            data_dir=options.data_dir,
            show_content=options.show_content,
            timings={"generate": round(seconds, 3)},
            wanted=options.metrics,
            thorough=options.thorough,
            processes=processes,
        )
        if scored is None:
            return None
        places = [(store.folder, store.record) for store in stores]
        note_finished(folder, places, metrics[0], track, options)
        return scored
