"""Make some of a result's samples anew, with their own seeds, and hold them against its statistics.

The studies are drawn by chance, so that nobody can make just these honestly: a study's seed comes
from what it is, not from where it stands. Only metrics that read one study at a time are computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.data.study import Split, Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.comparing.reproduction import Compared, compare_studies
from codixr_bench.hooks import (
    LearnsFromTrack,
    SeesTruth,
    SizesPictures,
    checkpoint_of,
    settings_of,
    train_limit,
    uses_conditions,
)
from codixr_bench.metric import Columns, Metric
from codixr_bench.model import Content, GenerativeModel, Sample
from codixr_bench.result import Result
from codixr_bench.result_files import STATISTICS_NAME
from codixr_bench.runs.one_task import refuse_early
from codixr_bench.runs.sample_check import check_sample, conditions_of
from codixr_bench.runs.scoring import load_networks, prepare_metrics
from codixr_bench.runs.seeds import study_seed
from codixr_bench.statistics.influence import read_statistics
from codixr_bench.statistics.report_column import COLUMN, read_reports
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

ONE_STUDY = (
    "classification",
    "image_attributes",
    "anatomy",
    "bleu",
    "rouge",
    "report_labels",
    "attributes",
)
"""Families whose columns say something of each study alone."""
BATCH = 16


class ChosenStudies:
    """Some studies of a split, in the order given."""

    def __init__(self, dataset: StudyDataset, positions: Sequence[int]) -> None:
        self._dataset = dataset
        self.positions = tuple(positions)
        self.name = dataset.name
        self.version = dataset.version
        self.split: Split = dataset.split
        self.fingerprint = dataset.fingerprint
        self.modalities = dataset.modalities

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Study:
        return self._dataset[self.positions[index]]


@dataclass(frozen=True)
class Reproduced:
    """What came of one task."""

    positions: tuple[int, ...]
    compared: Compared


def differences_of(model: GenerativeModel, result: Result) -> list[str]:
    """What says before any sample that this is not the model of the result; empty for nothing."""
    found = []
    sha256 = checkpoint_of(model)
    if sha256 != result.model.checkpoint_sha256:
        found.append(
            f"checkpoint {_short(result.model.checkpoint_sha256)} in the row, {_short(sha256)} here"
        )
    stated = {key: value for key, value in result.generation.items() if key != "seed"}
    settings = settings_of(model)
    for key in sorted(settings.keys() & stated.keys()):
        if settings[key] != stated[key]:
            found.append(f"setting {key}: another value in the row")
    return found


def reproduce(
    model: GenerativeModel, result: Result, statistics: Path, studies: int, choice: int
) -> Reproduced:
    """Make ``studies`` samples of a result anew and compare them study by study.

    Args:
        model: what the row says made it.
        result: of a whole split.
        statistics: the file of its columns, one row a study.
        studies: how many.
        choice: the seed that draws them.

    Raises InputError for a result without a seed, one of other studies than the track's, statistics
    that are damaged or have nothing to compare, and as a run of the model does.
    """
    seed = result.generation.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError("the result has no seed: its samples were made by another program")
    track, task = Track.of_version(result.track.name, result.track.version), Task.parse(result.task)
    dataset = track.dataset(result.track.split)
    if (dataset.fingerprint, len(dataset)) != (result.track.fingerprint, result.track.n):
        raise InputError(f"the result is of other studies than track '{track.name}' has here")
    submitted = _submitted(statistics, result.track.n)
    refuse_early(model, task, track)
    drawn = np.random.default_rng(choice).permutation(len(dataset))[:studies]
    chosen = ChosenStudies(dataset, sorted(int(position) for position in drawn))
    metrics = track.metrics(task, tuple(f for f in ONE_STUDY if _has(track, task, f)))
    load_networks(metrics)
    prepare_metrics(metrics, Evaluation(track, dataset))
    _prepare(model, track, task)
    reports: list[Content] = []
    with Progress(f"reproducing {task}", len(chosen), unit="studies") as bar:
        for start in range(0, len(chosen), BATCH):
            batch = range(start, min(start + BATCH, len(chosen)))
            of = [chosen[index] for index in batch]
            samples = _samples(model, task, of, [chosen.positions[i] for i in batch], seed)
            for index, sample in zip(batch, samples, strict=True):
                check_sample(sample, task, chosen.positions[index], track.image_size, model.name)
            for metric in metrics:
                metric.update(batch, of, samples)
            reports += [sample[Modality.T] for sample in samples if Modality.T in task.outputs]
            bar.advance(len(batch))
    try:
        compared = compare_studies(
            submitted, chosen.positions, _with_reports(_columns(metrics), reports)
        )
    except ValueError as error:
        raise InputError(
            f"the statistics of {task} have no column that new samples could be held against; "
            "score the row again"
        ) from error
    return Reproduced(chosen.positions, compared)


def _samples(
    model: GenerativeModel, task: Task, studies: list[Study], positions: list[int], seed: int
) -> list[Sample]:
    if isinstance(model, SeesTruth):
        return list(model.reproduce(studies, task))
    conditions = [
        conditions_of(study, task, position, needed=uses_conditions(model))
        for study, position in zip(studies, positions, strict=True)
    ]
    seeds = [study_seed(study.study_id, task, seed) for study in studies]
    return list(model.generate(conditions, task, seeds))


def _prepare(model: GenerativeModel, track: Track, task: Task) -> None:
    if isinstance(model, SizesPictures):
        model.use_image_size(track.image_size)
    if isinstance(model, LearnsFromTrack):
        model.prepare(track.training(None, train_limit(model)), task)


def _columns(metrics: Sequence[Metric]) -> Columns:
    """As ``score_samples`` names them."""
    found: dict[str, np.ndarray] = {}
    for metric in metrics:
        for name, values in metric.statistics().items():
            found[name if name not in found else f"{metric.name}.{name}"] = np.asarray(values)
    return found


def _submitted(file: Path, n: int) -> Columns:
    """What the row gave of each study, its reports too."""
    columns, reports = read_statistics(file, n), read_reports(file, n, f"'{file}'")
    return _with_reports(columns, reports or ())


def _with_reports(columns: Columns, reports: Sequence[object]) -> Columns:
    return {**columns, COLUMN: np.array(reports, dtype=object)} if reports else columns


def _has(track: Track, task: Task, family: str) -> bool:
    try:
        return bool(track.metrics(task, (family,)))
    except InputError:
        return False


def _short(sha256: str | None) -> str:
    return f"{sha256[:10]}…" if sha256 else "none"


def statistics_beside(file: Path, task: Task) -> Path:
    """The statistics of a result in ``file``: a run's, or those of a row of the leaderboard.

    InputError when neither is there.
    """
    tried = (
        file.with_suffix("") / f"{task.folder}.parquet",
        file.with_name(STATISTICS_NAME),
    )
    for path in tried:
        if path.is_file():
            return path
    raise InputError(
        f"'{file}' has no statistics beside it ('{tried[0]}'): there is nothing to compare with"
    )
