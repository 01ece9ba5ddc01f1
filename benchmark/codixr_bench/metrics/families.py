"""The built-in families of metrics, made for a task on a track (named in ``registry.METRICS``).

Your own is a function of the same form: ``metrics(task, track) -> list[Metric]``.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from codixr import messages
from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Backbone
from codixr_bench.backbones.phantom_judge import JudgePass, judge_pass
from codixr_bench.backbones.prompt_space import PromptSpace
from codixr_bench.backbones.published import PublishedBackbone, published
from codixr_bench.backbones.published_judge import DEFAULT, PublishedJudge
from codixr_bench.metric import Metric
from codixr_bench.metrics.bleu import BleuMetric
from codixr_bench.metrics.classification import ClassificationMetric
from codixr_bench.metrics.clinical import ClinicalMetric
from codixr_bench.metrics.consistency import (
    ConsistencyMetric,
    Side,
    clip_agreement,
    report_image_agreement,
    view_agreement,
)
from codixr_bench.metrics.copies import NearCopyImage, NearCopyReport
from codixr_bench.metrics.picture_families import load_distances, prepare_distances
from codixr_bench.metrics.rouge import RougeMetric
from codixr_bench.task import Task
from codixr_bench.track import Track

_PUBLISHED = {"xrv": "all", "xrv-chex": "chex", "xrv-mimic": "mimic"}
"""Classifier -> how a second judge's scores begin."""


def classification(task: Task, track: Track) -> list[Metric]:
    """AUROC and F1 a generated view, by the track's ``backbones.classifier``.

    ``phantom`` judges both views. ``xrv,xrv-chex``: torchxrayvision's judge frontal ones, the
    second under names of its own (``chex_auroc_macro``), at ``backbones.operating_points``.
    """
    named = [name.strip() for name in track.backbones.get("classifier", "").split(",")]
    if not set(named) <= set(_PUBLISHED):
        return [
            ClassificationMetric(_judge(track, "classifier", m), m, task)
            for m in task.outputs
            if m.is_image
        ]
    if Modality.F not in task.outputs:
        return []
    policy = track.backbones.get("operating_points", DEFAULT)
    return [
        ClassificationMetric(
            published_judge(name, policy), Modality.F, task, _PUBLISHED[name] if number else ""
        )
        for number, name in enumerate(named)
    ]


def bleu(task: Task, track: Track) -> list[Metric]:
    """BLEU-1..4 and sacrebleu of generated reports."""
    return [BleuMetric()] if Modality.T in task.outputs else []


def rouge(task: Task, track: Track) -> list[Metric]:
    """ROUGE-L of generated reports."""
    return [RougeMetric()] if Modality.T in task.outputs else []


def consistency(task: Task, track: Track) -> list[Metric]:
    """Agreement of two outputs: by the track's ``backbones``, those that its recipe names."""
    if len(task.outputs) != 2:
        return []
    first, second = task.outputs
    found: list[Metric] = []
    if second.is_image:
        found.append(view_agreement(*(_judge(track, "classifier", m) for m in task.outputs)))
    elif (named := track.backbones.get("labeler")) is not None:
        if named != "phantom-grammar":
            raise InputError(
                f"track '{track.name}': backbones.labeler is '{named}'; known here: phantom-grammar"
            )
        from codixr.data.phantom.grammar import labels_from_report

        judge = _judge(track, "classifier", first)
        found.append(report_image_agreement(first, judge, labels_from_report, named))
    if (named := track.backbones.get("prompt")) is not None:
        if named != "codixr-tiny":
            raise InputError(
                f"track '{track.name}': backbones.prompt is '{named}'; known here: codixr-tiny"
            )
        found.append(clip_agreement(*(Side(m, PromptSpace(m)) for m in task.outputs)))
    return found


def near_copy_image(task: Task, track: Track) -> list[Metric]:
    """``near_copy_image`` a generated view: near copies of training pictures."""
    named = [name.strip() for name in track.backbones.get("fid", "").split(",") if name.strip()]
    if not named:
        return []
    # XRV's features know chests better than Inception's.
    best = "xrv" if "xrv" in named else named[0]
    return [
        NearCopyImage(judge_pass(view) if best == "phantom" else published(best), view, task)
        for view in task.outputs
        if view.is_image
    ]


def near_copy_report(task: Task, track: Track) -> list[Metric]:
    """``near_copy_report``: near copies of training reports."""
    return [NearCopyReport()] if Modality.T in task.outputs else []


def radeval(task: Task, track: Track) -> list[Metric]:
    """RadGraph F1, RaTEScore and BERTScore of generated reports."""
    names = ("radgraph_f1", "ratescore", "bertscore")
    return [ClinicalMetric("radeval", names)] if Modality.T in task.outputs else []


def green(task: Task, track: Track) -> list[Metric]:
    """GREEN of generated reports: a language model, for a GPU."""
    return [ClinicalMetric("green", ("green",))] if Modality.T in task.outputs else []


def load_backbones(metrics: Sequence[Metric]) -> None:
    """Load what the metrics compute with: InputError for missing weights, before hours of work."""
    load_distances(metrics)
    _load_judges(metrics)
    for metric in metrics:
        if isinstance(metric, ClassificationMetric) and not metric.absent:
            _ = metric.classifier.signature
        elif isinstance(metric, ConsistencyMetric):
            _ = [side.reader.signature for side in metric.sides]


def prepare_metrics(
    metrics: Sequence[Metric], track: Track, dataset: StudyDataset, data_dir: Path | None
) -> None:
    """What the metrics need of the track beside the evaluated studies, before they are scored.

    Backbones, kept features and floors of the distances; operating points of the judges; training
    studies of the near copies.
    """
    prepare_distances(metrics, track, dataset, data_dir)
    _load_judges(metrics)
    for judge in _published_judges(metrics):
        if judge.absent or judge.tuned:
            continue
        if "val" not in track.splits:
            raise InputError(
                f"track '{track.name}' has no validation split to find the operating point "
                f"'{judge.threshold_policy}' on; leave backbones.operating_points out"
            )
        judge.tune(track.dataset("val", None, data_dir))
    copies = [m for m in metrics if isinstance(m, NearCopyImage | NearCopyReport)]
    train = track.training(data_dir) if copies else None
    for metric in copies:
        if isinstance(metric, NearCopyImage):
            _load_or_note(metric.backbone, metric.name)
        metric.prepare(train)


def _load_judges(metrics: Sequence[Metric]) -> None:
    """Load published classifiers; a note on stderr, once, for weights that are absent."""
    for judge in _published_judges(metrics):
        _load_or_note(judge.backbone, "classification")


def _load_or_note(backbone: Backbone, what: str) -> None:
    if isinstance(backbone, PublishedBackbone) and backbone.absent is None:
        try:
            backbone.load()
        except InputError as error:
            messages.note("codixr-bench", f"{what}: {error}")


def _published_judges(metrics: Sequence[Metric]) -> list[PublishedJudge]:
    found = [m.classifier for m in metrics if isinstance(m, ClassificationMetric)]
    return [judge for judge in found if isinstance(judge, PublishedJudge)]


@cache
def published_judge(name: str, policy: str) -> PublishedJudge:
    """The process's one judge of this name and operating point: it is tuned once."""
    return PublishedJudge(published(name), policy)


def _judge(track: Track, use: str, view: Modality) -> JudgePass:
    """The backbone that the track's recipe names; one object a view serves both uses."""
    named = track.backbones.get(use)
    if named != "phantom":
        raise InputError(
            f"track '{track.name}': backbones.{use} is '{named}'; known: phantom, or for "
            f"classification {', '.join(_PUBLISHED)}"
        )
    return judge_pass(view)
