"""How a run is to be made and scored, and the folder its files go to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codixr_bench.runs.finish import RUNS
from codixr_bench.runs.generation import BATCH_SIZE
from codixr_bench.runs.store import CHUNK_SIZE
from codixr_bench.task import Task
from codixr_bench.track import Track


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for, beside its task, model and track."""

    split: str = "test"
    split_key: Path | None = None
    """The file of a secret split's key."""
    limit: int | None = None
    data_dir: Path | None = None
    seed: int = 0
    samples_per_study: int | None = None
    """How many to make; None for one, and for all that are there where samples are scored."""
    batch_size: int | Literal["auto"] = BATCH_SIZE
    """Studies a call of the model; ``auto`` halves it where memory runs out."""
    chunk_size: int = CHUNK_SIZE
    metrics: tuple[str, ...] = ()
    """Names of the metrics wanted; empty for all of the track's."""
    out: Path | None = None
    """The run's folder; None for the usual one (``run_folder``)."""
    overwrite: bool = False
    show_content: bool = False
    labeler: tuple[str | None, Path | None] = (None, None)
    """What reads reports for label F1 instead of the track's labeler, and where it is installed."""
    model_arguments: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    """For the model's class, by name."""
    model_name: str | None = None
    """What results call the model, in place of its own name."""
    weights: tuple[tuple[str, Path], ...] = ()
    """Files to use as the weights of published backbones, by their names."""
    allow_unpinned: bool = False
    """Whether these may be other files than the published ones."""
    alignment: str | None = None
    """The encoder of pictures and texts for ``alignment``, ``transformers:FOLDER``."""
    cross_check: bool = False
    """Whether libraries compute the scores too."""
    thorough: bool = False
    """Whether searches for copies may take their time."""
    device: str = "auto"
    """Where models and the networks that score compute."""
    dtype: str = "auto"
    """Type of the model's weights; networks that score compute in float32."""
    pictures_at_once: int | None = None
    """In a pass of a network that scores; None leaves it to each."""
    progress: bool = True


def open_track(name: str | None, options: RunOptions) -> Track:
    """The track of a run, phantom without a name: with its data, labeler and weights.

    Networks compute on the run's device from here on. Raises InputError for an unknown track or
    labeler, for weights of an unknown backbone, and for a device that isn't here.
    """
    from codixr_bench.backbones import placement
    from codixr_bench.backbones.published import give_weights
    from codixr_bench.metrics.alignment import with_alignment

    placement.use(options.device, options.pictures_at_once)
    give_weights(dict(options.weights), allow_unpinned=options.allow_unpinned)
    track = Track.load(name or "phantom").with_data(options.data_dir)
    track = track.with_labeler(*options.labeler).with_split_key(options.split_key)
    return with_alignment(track, options.alignment)


def run_folder(track: Track, task: Task, model_name: str, options: RunOptions) -> Path:
    """Where a run's files go: ``--out``, or ``runs/TRACK/TASK/MODEL``; ``TRACK-N`` with a limit.

    Runs of other sizes are other runs: a quick look must not stand in the way of the whole split.
    """
    if options.out is not None:
        return options.out
    safe = "".join(c if c.isalnum() or c in "._-+" else "-" for c in model_name).lstrip(".")
    of = track.name if options.limit is None else f"{track.name}-{options.limit}"
    return RUNS / of / task.folder / (safe or "model")
