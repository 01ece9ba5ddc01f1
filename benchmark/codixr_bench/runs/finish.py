"""Scores become files: ``statistics.parquet``, ``grid.png``, ``report.html``, ``result.json``."""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import generic
from numpy.typing import NDArray
from pydantic import ValidationError

from codixr import messages
from codixr.atomic import make_folder, write_atomically
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.backbones import placement
from codixr_bench.hooks import Setting
from codixr_bench.metric import Metric
from codixr_bench.model import Sample
from codixr_bench.registry import family_warnings
from codixr_bench.result import Coverage, ModelInfo, Result, Spread, TrackInfo, make_result
from codixr_bench.result_files import RESULT_NAME, STATISTICS_NAME
from codixr_bench.runs.cross_check import cross_check, peers_of, worst
from codixr_bench.runs.figures import draw_anatomy, write_page
from codixr_bench.runs.grid import ROWS, save_grid
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.record import RunRecord
from codixr_bench.runs.references import metrics_of, references
from codixr_bench.runs.scoring import SampleSource, Scored, prepare_metrics, score_samples
from codixr_bench.runs.several import combined
from codixr_bench.runs.small_cells import with_counts
from codixr_bench.runs.within_condition import within_conditions
from codixr_bench.statistics import report_column
from codixr_bench.statistics.influence import as_pseudovalues
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

RUNS = Path("runs")
GRID_NAME = "grid.png"
SCALE = ("real", "noise")
"""Reference points whose results, where they lie beside, are shown as a scale."""


def encode_statistics(
    columns: Mapping[str, NDArray[generic]], n: int, reports: Sequence[str] | None = None
) -> bytes:
    """One row a study, in position order: a Parquet file; the same bytes for the same numbers.

    A column [n] is stored as it is, a column [n, k] as lists of k; ``reports``, where they may be
    shown, as text. ValueError for another length.
    """
    arrays: dict[str, pa.Array] = {}
    for name, values in columns.items():
        if len(values) != n:
            raise ValueError(f"statistics '{name}': {len(values)} rows for {n} studies")
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        width = int(np.prod(values.shape[1:]))
        arrays[name] = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
    if reports is not None:
        if len(reports) != n:
            raise ValueError(f"statistics: {len(reports)} reports for {n} studies")
        arrays[report_column.COLUMN] = report_column.encoded(reports)
    sink = io.BytesIO()
    table = pa.table(arrays) if arrays else pa.table({"position": pa.array(range(n), pa.int64())})
    pq.write_table(table, sink, compression="zstd", write_statistics=False)
    return sink.getvalue()


@dataclass(frozen=True)
class Maker:
    """What made the samples, as a result names it."""

    info: ModelInfo
    generation: Mapping[str, Setting] = field(default_factory=dict)
    """Seed and settings; empty for samples that another program made."""

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """The maker of a run; InputError for a name that cannot stand in a result."""
        info = model_info(record.model, record.model_version, record.checkpoint_sha256)
        return cls(info, {"seed": record.seed, **record.settings})


def model_info(name: str, version: str, checkpoint_sha256: str | None = None) -> ModelInfo:
    """Name, version and checkpoint; InputError for ones that cannot stand in a result."""
    try:
        return ModelInfo(name=name, version=version, checkpoint_sha256=checkpoint_sha256)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, e["loc"])) for e in error.errors(include_input=False))
        raise InputError(
            f"a model's {wrong} cannot stand in a result: names and versions have 1 to 80 letters, "
            "digits, spaces and _ . + : / @ ( ) , -"
        ) from error


@dataclass(frozen=True)
class ScoredRun:
    """A scored run: its result, its folder, and the results beside it that give it a scale."""

    result: Result
    folder: Path
    scale: tuple[Result, ...] = ()


SampleSet = tuple[SampleSource, Sequence[Metric]]
"""One sample a study, and new metrics for them."""


def finish(
    sets: Sequence[SampleSet],
    dataset: StudyDataset,
    track: Track,
    maker: Maker,
    folder: Path,
    *,
    data_dir: Path | None = None,
    show_content: bool = False,
    timings: Mapping[str, float] | None = None,
    with_peers: bool = False,
    wanted: tuple[str, ...] = (),
    thorough: bool = False,
    processes: Processes | None = None,
) -> ScoredRun | None:
    """Score all samples and write the files, ``result.json`` last.

    Several ``sets`` are several samples a study: their scores are averaged. ``wanted`` names
    what was asked for by --metrics. ``with_peers`` has each score computed by a library too, for
    ``Result.cross_check``. ``thorough`` lets searches for copies take their time. Of several
    ``processes`` each scores a share; those that do not lead return None.

    Raises InputError when samples are missing or damaged, or the disk is full.
    """
    k, source = len(sets), sets[0][0]
    messages.say("codixr-bench", f"scoring {k * len(dataset):,} samples")
    began = time.perf_counter()
    sharing = processes if processes is not None and processes.size > 1 else None
    evaluation = Evaluation(track, dataset, data_dir, thorough=thorough, sharing=sharing)
    shows = track.shows_content and dataset.split != "secret"
    keep_reports = shows and track.simulated and k == 1
    scored, checks = [], []
    for samples, metrics in sets:
        prepare_metrics(metrics, evaluation)
        held = references(samples.task, evaluation, wanted)
        prepare_metrics(metrics_of(held), evaluation)
        peers = peers_of(metrics) if with_peers else []
        one = score_samples(
            samples, dataset, metrics, peers, held, processes, keep_reports=keep_reports
        )
        if one is None:
            continue
        checks.append(cross_check(one.scores, peers) if with_peers else ())
        shown = with_counts(one.scores, one.statistics, real_patients=not track.simulated)
        scored.append(replace(one, scores=shown))
    if not scored:
        return None
    whole, spread = _together(scored, sets, dataset)
    seconds = time.perf_counter() - began
    result = make_result(
        task=source.task,
        track=_track_info(track, dataset),
        model=maker.info,
        generation={**maker.generation, **({"samples_per_study": k} if k > 1 else {})},
        coverage=Coverage(expected=len(dataset), scored=whole.n),
        scores=whole.scores,
        timings={**(timings or {}), "score": round(seconds, 3)},
        spread=spread,
        cross_check=worst(checks),
        warnings=(*family_warnings(whole.scores), *whole.warnings),
        device=placement.described(),
    )
    make_folder(folder)
    values = {score.name: score.value for score in result.scores}
    statistics = as_pseudovalues(whole.statistics, values)
    stored = encode_statistics(statistics, len(dataset), whole.reports)
    write_atomically(folder / STATISTICS_NAME, stored)
    grid = None
    if shows or show_content:
        _draw_grid(folder, source, dataset, result, simulated=track.simulated)
        grid = (folder / GRID_NAME).read_bytes()
        draw_anatomy(folder, whole.statistics)
    scale = scale_beside(folder, result)
    write_page(folder, result, scale, grid)
    result.save(folder / RESULT_NAME)
    return ScoredRun(result, folder, scale)


def _track_info(track: Track, dataset: StudyDataset) -> TrackInfo:
    return TrackInfo(
        name=track.name,
        version=track.version,
        fingerprint=dataset.fingerprint,
        split=dataset.split,
        n=len(dataset),
        key_sha256=getattr(dataset, "key_sha256", None),
    )


def _together(
    scored: Sequence[Scored], sets: Sequence[SampleSet], dataset: StudyDataset
) -> tuple[Scored, tuple[Spread, ...]]:
    """The sets' mean, with how much several samples of a study differ from one another."""
    if len(sets) == 1:
        return scored[0], ()
    whole, spread = combined(scored)
    if any(metric.name.startswith("diversity") for metric in sets[0][1]):
        within, columns = within_conditions([samples for samples, _ in sets], dataset)
        whole = replace(
            whole, scores=[*whole.scores, *within], statistics={**whole.statistics, **columns}
        )
        spread = (*spread, *(Spread(name=score.name) for score in within))
    return whole, spread


def scale_beside(folder: Path, result: Result) -> tuple[Result, ...]:
    """The results of ``real`` and ``noise`` that are of the same studies.

    They are looked for beside ``folder``, in ``runs/TRACK-N/TASK`` and in ``runs/TRACK/TASK``. The
    same studies: the same task, track, fingerprint, split and n; a file that cannot be read is
    passed over.
    """
    track, task = result.track, Task.parse(result.task).folder
    usual = [RUNS / of / task for of in (f"{track.name}-{track.n}", track.name)]
    found = []
    for name in SCALE:
        if name == result.model.name:
            continue
        for path in (parent / name for parent in (folder.resolve().parent, *usual)):
            beside = _readable(path / RESULT_NAME)
            if beside is not None and (beside.task, beside.track) == (result.task, result.track):
                found.append(beside)
                break
    return tuple(found)


def _readable(path: Path) -> Result | None:
    try:
        return Result.load(path)
    except InputError:
        return None


def _draw_grid(
    folder: Path, source: SampleSource, dataset: StudyDataset, result: Result, *, simulated: bool
) -> None:
    """The first studies: conditions, generated, real; whoever calls has asked for content."""
    samples: list[Sample] = []
    for _, batch in source.batches():
        samples += batch
        if len(samples) >= ROWS:
            break
    positions = range(min(ROWS, len(samples)))
    save_grid(
        folder / GRID_NAME,
        source.task,
        positions,
        [dataset[position] for position in positions],
        samples[:ROWS],
        show_content=True,
        title=f"{result.task} · {result.model.name} · {result.track.name} {result.track.split}",
        caption=_caption(result, len(positions), simulated=simulated),
    )


def _caption(result: Result, shown: int, *, simulated: bool) -> str:
    """How many of how many studies, what they are made from, and of whom they are."""
    seed, checkpoint = result.generation.get("seed"), result.model.checkpoint_sha256
    parts = [
        f"the first {shown} of {result.track.n:,} studies",
        "" if seed is None else f"seed {seed}",
        f"{result.model.name} {result.model.version}",
        "" if checkpoint is None else f"checkpoint {checkpoint[:8]}",
        "simulated" if simulated else "patients",
    ]
    return " · ".join(part for part in parts if part)
