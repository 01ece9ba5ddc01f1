"""The commands that make and score samples, from parsed arguments to an exit code."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from codixr import messages
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.metric import Metric
from codixr_bench.model import GenerativeModel
from codixr_bench.models.samples import folder_of
from codixr_bench.registry import load_model
from codixr_bench.runs.external import ExternalSamples
from codixr_bench.runs.finish import Maker, Outcome, finish, model_info, print_outcomes
from codixr_bench.runs.one_task import (
    SAMPLES,
    RunOptions,
    make_samples,
    refuse_early,
    render,
    run_folder,
    run_task,
)
from codixr_bench.runs.processes import current_world
from codixr_bench.runs.record import RECORD_NAME
from codixr_bench.runs.scoring import SampleSource
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import GROUPS, Task, parse_tasks
from codixr_bench.track import Track


def run(parsed: argparse.Namespace) -> int:
    """Generate and score: one task, or every task of a group that can run."""
    if (folder := folder_of(parsed.model)) is not None:
        return score(argparse.Namespace(**{**vars(parsed), "samples": folder, "model": None}))
    world = current_world()
    options = _options(parsed)
    tasks, track, model = _asked(parsed, options)
    outcomes = []
    for task in tasks:
        folder = _folder(task, track, model, options, parsed.task)
        outcome = run_task(model, task, track, options, world, folder)
        if outcome is not None:
            outcomes.append(outcome)
            _note(f"{task}: results in {folder}")
    world.close()
    if world.leads:
        print_outcomes(outcomes, as_json=parsed.json, group=_is_group(parsed.task))
    return 0


def generate(parsed: argparse.Namespace) -> int:
    """Only the first half: the samples of one task, or of every task of a group that can run."""
    world = current_world()
    options = _options(parsed)
    tasks, track, model = _asked(parsed, options)
    for task in tasks:
        folder = _folder(task, track, model, options, parsed.task)
        store, _, _ = make_samples(model, task, track, options, world, folder)
        store.close()
        if world.leads:
            _note(
                f"{task}: {len(store)} samples in {folder / SAMPLES}; "
                f"score them: codixr-bench score --samples {folder}"
            )
    world.close()
    return 0


def score(parsed: argparse.Namespace) -> int:
    """Only the second half: a run's samples, or a folder that another program made."""
    if current_world().size > 1:
        raise InputError("score runs in one process: start it without torchrun")
    options = _options(parsed)
    for folder in (parsed.samples, parsed.samples / SAMPLES):
        if (folder / RECORD_NAME).is_file():
            outcome = _score_store(folder, parsed, options)
            break
    else:
        outcome = _score_folder(parsed, options)
    _note(f"{outcome.result.task}: results in {outcome.folder}")
    print_outcomes([outcome], as_json=parsed.json)
    return 0


def _score_store(folder: Path, parsed: argparse.Namespace, options: RunOptions) -> Outcome:
    """Score a run's store: its record says what it is, and options may only agree."""
    store = SampleStore.open(folder)
    record = store.record
    asked = {
        "--task": (Task.parse(parsed.task).name if parsed.task else None, record.task),
        "--track": (parsed.track, record.track),
        "--split": (parsed.split, record.split),
        "--limit": (parsed.limit, record.n),
        "--model": (parsed.model, record.model),
    }
    for option, (wanted, made) in asked.items():
        if wanted is not None and wanted != made:
            raise InputError(
                f"{option} {wanted}: the samples in '{folder}' were made with {made}; "
                "leave the option out"
            )
    track = Track.load(record.track).with_data(options.data_dir)
    dataset = track.dataset(record.split, record.n, options.data_dir)
    if dataset.fingerprint != record.track_fingerprint:
        raise InputError(
            f"the data of track '{track.name}' are not those the samples in '{folder}' were "
            f"made for: fingerprint {record.track_fingerprint[:10]}… → {dataset.fingerprint[:10]}…"
        )
    metrics = track.metrics(store.task, options.metrics)
    render(dataset, store.task)
    home = folder.parent if folder.name == SAMPLES else folder
    folder = options.out or home
    return _finish(store, dataset, track, metrics, Maker.of(record), folder, options)


def _score_folder(parsed: argparse.Namespace, options: RunOptions) -> Outcome:
    """Score pictures and reports that another program made."""
    if parsed.task is None:
        raise InputError(
            f"'{parsed.samples}' holds no run of codixr-bench: say what the samples are, "
            "e.g. --task 'L+T->F'"
        )
    tasks = parse_tasks(parsed.task)
    if len(tasks) != 1:
        raise InputError(f"--samples holds one task's samples: '{parsed.task}' is a group")
    track = Track.load(parsed.track or "phantom").with_data(options.data_dir)
    track.check(tasks[0])
    metrics = track.metrics(tasks[0], options.metrics)
    name = parsed.model or parsed.samples.resolve().name or "samples"
    maker = Maker(model_info(name, "external"))
    dataset = track.dataset(options.split, options.limit, options.data_dir)
    samples = ExternalSamples(parsed.samples, tasks[0], len(dataset), track.image_size)
    render(dataset, tasks[0])
    folder = run_folder(track, tasks[0], name, options)
    if (folder / SAMPLES / RECORD_NAME).exists():
        raise InputError(f"'{folder}' holds a run of its own: use another --out")
    return _finish(samples, dataset, track, metrics, maker, folder, options)


def _finish(
    source: SampleSource,
    dataset: StudyDataset,
    track: Track,
    metrics: Sequence[Metric],
    maker: Maker,
    folder: Path,
    options: RunOptions,
) -> Outcome:
    return finish(
        source,
        dataset,
        track,
        metrics,
        maker,
        folder,
        data_dir=options.data_dir,
        show_content=options.show_content,
    )


def _options(parsed: argparse.Namespace) -> RunOptions:
    """Typed options from the arguments a command has."""
    given = vars(parsed)
    names = tuple(name.strip() for name in (given.get("metrics") or "").split(",") if name.strip())
    if given.get("metrics") is not None and not names:
        raise InputError("--metrics names none; leave it out for all (see `codixr-bench metrics`)")
    return RunOptions(
        split=given["split"] or "test",
        limit=given["limit"],
        data_dir=given["data"],
        seed=given.get("seed", 0),
        batch_size=given.get("batch_size", 64),
        chunk_size=given.get("chunk_size", 64),
        metrics=names,
        out=given["out"],
        overwrite=given.get("overwrite", False),
        show_content=given.get("show_content", False),
    )


def _asked(
    parsed: argparse.Namespace, options: RunOptions
) -> tuple[tuple[Task, ...], Track, GenerativeModel]:
    """Tasks, track and model, everything cheap checked before the model is loaded.

    Of a group, the tasks that cannot run here are left out with a note; InputError when none can.
    """
    tasks = parse_tasks(parsed.task)
    track = Track.load(parsed.track or "phantom").with_data(options.data_dir)
    faults: list[InputError] = []

    def runs(task: Task, model: GenerativeModel | None = None) -> bool:
        try:
            if model is None:
                track.check(task)
                if options.metrics:
                    track.metrics(task, options.metrics)
            else:
                refuse_early(model, task, track)
        except InputError as error:
            faults.append(error)
            return False
        return True

    possible = [task for task in tasks if runs(task)]
    if not possible:
        raise faults[0]
    track.dataset(options.split, options.limit, options.data_dir)
    model = load_model(parsed.model)
    possible = [task for task in possible if runs(task, model)]
    if not possible:
        raise faults[-1]
    if current_world().leads:
        for fault in faults:
            _note(f"left out: {fault}")
    return tuple(possible), track, model


def _folder(
    task: Task, track: Track, model: GenerativeModel, options: RunOptions, asked: str
) -> Path:
    """A task's folder; a group given ``--out`` gets one folder a task in it."""
    if options.out is not None and _is_group(asked):
        return options.out / task.folder
    return run_folder(track, task, model.name, options)


def _is_group(task: str) -> bool:
    return task.strip().lower() in GROUPS


def _note(text: str) -> None:
    messages.say("codixr-bench", text)
