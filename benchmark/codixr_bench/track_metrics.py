"""The built-in families of metrics, made for a task on a track (named in ``registry.METRICS``).

Your own is a function of the same form: ``metrics(task, track) -> list[Metric]``.
"""

from collections.abc import Sequence

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metrics.bleu import BleuMetric
from codixr_bench.metrics.classification import ClassificationMetric
from codixr_bench.metrics.consistency import (
    ConsistencyMetric,
    Side,
    clip_agreement,
    report_image_agreement,
    view_agreement,
)
from codixr_bench.metrics.judge import JudgePass, judge_pass
from codixr_bench.metrics.metric import Metric
from codixr_bench.metrics.prompt_space import PromptSpace
from codixr_bench.metrics.rouge import RougeMetric
from codixr_bench.picture_metrics import load_distances
from codixr_bench.task import Task
from codixr_bench.track import Track


def classification(task: Task, track: Track) -> list[Metric]:
    """AUROC and F1 a generated view, by the track's ``backbones.classifier``."""
    return [
        ClassificationMetric(_judge(track, "classifier", m), m, task)
        for m in task.outputs
        if m.is_image
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


def load_backbones(metrics: Sequence[Metric]) -> None:
    """Load what the metrics compute with: InputError for missing weights, before hours of work."""
    load_distances(metrics)
    for metric in metrics:
        if isinstance(metric, ClassificationMetric):
            _ = metric.classifier.signature
        elif isinstance(metric, ConsistencyMetric):
            _ = [side.reader.signature for side in metric.sides]


def _judge(track: Track, use: str, view: Modality) -> JudgePass:
    """The backbone that the track's recipe names; one object a view serves both uses."""
    named = track.backbones.get(use)
    if named != "phantom":
        raise InputError(f"track '{track.name}': backbones.{use} is '{named}'; known here: phantom")
    return judge_pass(view)
