"""Score samples that are there: a run's store, or a folder that another program made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codixr import messages
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.runs.external import ExternalSamples
from codixr_bench.runs.finish import Maker, SampleSet, ScoredRun, finish, model_info
from codixr_bench.runs.finished import note_finished
from codixr_bench.runs.one_task import SAMPLES, render, samples_folder
from codixr_bench.runs.options import RunOptions, open_track, run_folder
from codixr_bench.runs.processes import current_processes
from codixr_bench.runs.record import RECORD_NAME, RunRecord
from codixr_bench.runs.store import SampleStore
from codixr_bench.task import Task, parse_tasks
from codixr_bench.track import Track


@dataclass(frozen=True)
class Claims:
    """What the caller says the samples are; None where it is left to the run's record."""

    task: str | None = None
    track: str | None = None
    split: str | None = None
    limit: int | None = None
    model: str | None = None


def score_existing(
    samples: Path,
    claims: Claims,
    options: RunOptions,
    *,
    resize: bool = False,
    names: Path | None = None,
) -> ScoredRun | None:
    """Score a run's folder, its ``samples``, or a folder as ``external.py`` describes it.

    Of several processes each scores a share; those that do not lead return None.

    ``resize`` and ``names`` are ``ExternalSamples``'; a run's own samples need neither.

    Raises InputError for claims that a run's record contradicts, a folder that is neither, and
    whatever ``ExternalSamples`` and ``finish`` refuse.
    """
    if options.cross_check and current_processes().size > 1:
        raise InputError("--cross-check is of one process: start it without torchrun")
    for folder in (samples, samples / SAMPLES):
        if (folder / RECORD_NAME).is_file():
            if resize or names is not None:
                raise InputError(
                    f"'{folder}' holds a run of codixr-bench: leave --resize and --names out"
                )
            return _score_store(folder, claims, options)
    return _score_folder(samples, claims, options, resize, names)


def _score_store(folder: Path, claims: Claims, options: RunOptions) -> ScoredRun | None:
    """Score a run's store: its record says what it is, and claims may only agree."""
    store = SampleStore.open(folder)
    record = store.record
    asked = {
        "--task": (Task.parse(claims.task).name if claims.task else None, record.task),
        "--track": (claims.track, record.track),
        "--split": (claims.split, record.split),
        "--limit": (claims.limit, record.n),
        "--model": (claims.model, record.model),
    }
    for option, (wanted, made) in asked.items():
        if wanted is not None and wanted != made:
            raise InputError(
                f"{option} {wanted}: the samples in '{folder}' were made with {made}; "
                "leave the option out"
            )
    track = open_track(record.track, options)
    dataset = track.dataset(record.split, record.n, options.data_dir)
    if dataset.fingerprint != record.track_fingerprint:
        raise InputError(
            f"the data of track '{track.name}' are not those the samples in '{folder}' were "
            f"made for: fingerprint {record.track_fingerprint[:10]}… → {dataset.fingerprint[:10]}…"
        )
    stores = [store, *_more_stores(folder, record, options.samples_per_study)]
    sets = [(one, track.metrics(store.task, options.metrics)) for one in stores]
    render(dataset, store.task)
    home = folder.parent if folder.name == SAMPLES else folder
    into = options.out or home
    scored = _finish(sets, dataset, track, Maker.of(record), into, options)
    if into == home and scored is not None:
        places = [(one.folder, one.record) for one in stores]
        note_finished(home, places, sets[0][1], track, options)
    return scored


def _more_stores(folder: Path, record: RunRecord, wanted: int | None) -> list[SampleStore]:
    """The studies' second, third, … samples: ``wanted`` less one, or all that are there."""
    found: list[SampleStore] = []
    if folder.name != SAMPLES:
        return found
    while wanted is None or len(found) + 1 < wanted:
        place = samples_folder(folder.parent, len(found) + 1)
        if wanted is None and not (place / RECORD_NAME).is_file():
            break
        store = SampleStore.open(place)
        if differing := replace(record, sample=len(found) + 1).differences(store.record):
            raise InputError(
                f"'{place}' holds samples of another run ({'; '.join(differing)}): "
                "remove it, or score with --samples-per-study 1"
            )
        found.append(store)
    return found


def _score_folder(
    samples: Path, claims: Claims, options: RunOptions, resize: bool, names: Path | None
) -> ScoredRun | None:
    """Score pictures and reports that another program made."""
    if claims.task is None:
        raise InputError(
            f"'{samples}' holds no run of codixr-bench: say what the samples are, "
            "e.g. --task 'L+T->F'"
        )
    tasks = parse_tasks(claims.task)
    if len(tasks) != 1:
        raise InputError(f"--samples holds one task's samples: '{claims.task}' is a group")
    track = open_track(claims.track, options)
    track.check(tasks[0])
    metrics = track.metrics(tasks[0], options.metrics)
    name = claims.model or samples.resolve().name or "samples"
    maker = Maker(model_info(name, "external"))
    dataset = track.dataset(options.split, options.limit, options.data_dir)
    source = ExternalSamples(
        samples, tasks[0], len(dataset), track.image_size, resize=resize, names=names
    )
    for text, n in source.notes.items():
        messages.note("codixr-bench", f"'{samples}': {n:,} pictures: {text}")
    render(dataset, tasks[0])
    folder = run_folder(track, tasks[0], name, options)
    if (folder / SAMPLES / RECORD_NAME).exists():
        raise InputError(f"'{folder}' holds a run of its own: use another --out")
    return _finish([(source, metrics)], dataset, track, maker, folder, options)


def _finish(
    sets: Sequence[SampleSet],
    dataset: StudyDataset,
    track: Track,
    maker: Maker,
    folder: Path,
    options: RunOptions,
) -> ScoredRun | None:
    return finish(
        sets,
        dataset,
        track,
        maker,
        folder,
        data_dir=options.data_dir,
        show_content=options.show_content,
        with_peers=options.cross_check,
        wanted=options.metrics,
        thorough=options.thorough,
        processes=current_processes(),
    )
