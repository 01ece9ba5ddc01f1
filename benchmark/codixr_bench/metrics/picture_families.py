"""Distances between pictures, made for a task on a track; their backbones loaded, floors found."""

from collections.abc import Sequence
from pathlib import Path

from codixr import messages
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.phantom_judge import judge_pass
from codixr_bench.backbones.published import SCORE_NAMES, PublishedBackbone, published
from codixr_bench.backbones.real_features import RealFeatures, features_of_dataset
from codixr_bench.metric import Metric
from codixr_bench.metrics.distances import PictureDistances
from codixr_bench.task import Task
from codixr_bench.track import Track

PHANTOM = "phantom"


def frechet(task: Task, track: Track) -> list[Metric]:
    """A distance a generated view and backbone of the track's ``backbones.fid``.

    The recipe names one or several: ``phantom``, or ``inception,xrv``.
    """
    named = [name.strip() for name in track.backbones.get("fid", "").split(",") if name.strip()]
    if not named:
        raise InputError(f"track '{track.name}': backbones.fid names none; known: {_known()}")
    return _distances(task, track, named)


def inception(task: Task, track: Track) -> list[Metric]:
    """``fid_inception`` on any track."""
    return _distances(task, track, ["inception"])


def xrv(task: Task, track: Track) -> list[Metric]:
    """``fid_xrv`` on any track."""
    return _distances(task, track, ["xrv"])


def xrv_chex(task: Task, track: Track) -> list[Metric]:
    """``fid_xrv_chex`` on any track: the network that never saw MIMIC."""
    return _distances(task, track, ["xrv-chex"])


def dinov2(task: Task, track: Track) -> list[Metric]:
    """``fid_dinov2_l`` on any track."""
    return _distances(task, track, ["dinov2-l"])


def load_distances(metrics: Sequence[Metric]) -> None:
    """Load the backbones before hours of work.

    Published weights that are missing are noted on stderr, once, and their scores will be null;
    InputError for a backbone that belongs to this package.
    """
    noted: set[str] = set()
    for metric in metrics:
        if not isinstance(metric, PictureDistances):
            continue
        backbone = metric.backbone
        if not isinstance(backbone, PublishedBackbone):
            _ = backbone.signature
        elif backbone.absent is None:
            try:
                backbone.load()
            except InputError as error:
                if backbone.backbone not in noted:
                    messages.note("codixr-bench", f"{metric.name}: {error}")
                noted.add(backbone.backbone)


def prepare_distances(
    metrics: Sequence[Metric], track: Track, dataset: StudyDataset, data_dir: Path | None
) -> None:
    """Load backbones, find kept features, and the disjoint real studies of the floors.

    The floor's studies, as many as are evaluated, come from the validation split where it is large
    enough, else from the training split, as many as there are; a track that has neither gets none.
    """
    load_distances(metrics)
    distances = [m for m in metrics if isinstance(m, PictureDistances) and not m.absent]
    for metric in distances:
        if getattr(metric.backbone, "keeps", False):
            metric.real_features = RealFeatures(dataset, metric.view, metric.backbone)
    n = len(dataset)
    wanting = [m for m in distances if m.floor_features is None]
    splits = [split for split in ("val", "train") if split in track.splits]
    if not wanting or not splits or n < 2:
        return
    enough = [split for split in splits if track.splits[split] >= n]
    split = enough[0] if enough else max(splits, key=lambda name: track.splits[name])
    other = track.dataset(split, min(n, track.splits[split]), data_dir)
    images = getattr(other, "images", None)
    for metric in wanting:
        if callable(images):
            images(metric.view)
        metric.floor_features = features_of_dataset(other, metric.view, metric.backbone)


def _distances(task: Task, track: Track, named: Sequence[str]) -> list[Metric]:
    return [
        PictureDistances(_backbone(name, view, track), view, task)
        for name in named
        for view in task.outputs
        if view.is_image
    ]


def _backbone(name: str, view: Modality, track: Track) -> Backbone:
    if name == PHANTOM:
        return judge_pass(view)
    if name in SCORE_NAMES:
        return published(name)
    raise InputError(f"track '{track.name}': backbones.fid is '{name}'; known here: {_known()}")


def _known() -> str:
    return ", ".join((PHANTOM, *SCORE_NAMES))
