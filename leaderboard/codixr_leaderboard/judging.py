"""What the phantom's judges say of a row's pictures: their own, or made up?

A row carries the judges' features of each picture, probabilities and decisions. The last layer of
the first judge is public, so the probabilities have to be those of the features, and the decisions
those of its thresholds. No picture has a feature below 0 (a mean of ReLUs), and the second judge's
are a mean of layer norms. An agreement's numbers are the probabilities' logits.
"""

from collections.abc import Iterator

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr_bench.backbones.judge_head import TOLERANCE, judge_head, second_head
from codixr_bench.metrics.consistency import CLIPPED
from codixr_bench.metrics.stored_features import FEATURES
from codixr_bench.metrics.sums import outside
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.statistics_file import Table

_LOGITS = 1e-4
"""What logits of float32 probabilities may differ by, near 0."""


def judging_problems(result: Result, table: Table) -> Iterator[Problem]:
    """Where the columns of one view contradict the judges that the signatures name."""
    outputs = [str(output) for output in Task.parse(result.task).outputs if output.is_image]
    for view in outputs:
        suffix = f"[{view}]" if len(outputs) > 1 else ""
        if _is_judge(result, f"auroc_macro{suffix}", judge_head(view).sha256):
            yield from _first(view, suffix, table)
        if _is_judge(result, f"second_auroc_macro{suffix}", second_head(view).sha256):
            yield from _second(view, suffix, table)
        yield from _agreements(view, suffix, table)


def _is_judge(result: Result, name: str, sha256: str) -> bool:
    score = result.score(name)
    return score is not None and f"weights:{sha256[:8]}" in score.signature.split("|")


def _first(view: str, suffix: str, table: Table) -> Iterator[Problem]:
    head = judge_head(view)
    features = table.get(f"fid_phantom{suffix}{FEATURES}")
    said = None if features is None else head.probabilities(features)
    if features is not None and np.less(features, 0).any():
        yield Problem("statistics", f"'fid_phantom{suffix}{FEATURES}': a feature below 0")
    for i, label in enumerate(head.classes):
        where = f"classification{suffix}.{label}"
        probability = table.get(f"classification{suffix}.probability.{label}")
        if probability is None:
            continue
        if said is not None and _apart(probability, said[:, i]) > TOLERANCE:
            yield Problem(where, "the probabilities are not what the judge says of the features")
        yield from _decisions(where, probability, label, head.thresholds, table)


def _second(view: str, suffix: str, table: Table) -> Iterator[Problem]:
    head = second_head(view)
    features = table.get(f"fid_phantom_second{suffix}{FEATURES}")
    if features is not None and not head.are_of_pictures(features):
        said = f"'fid_phantom_second{suffix}{FEATURES}': no picture has such features"
        yield Problem("statistics", said)
    for label in PATHOLOGIES:
        where = f"second_classification{suffix}.{label}"
        probability = table.get(f"second_classification{suffix}.probability.{label}")
        if probability is not None:
            yield from _decisions(where, probability, label, head.thresholds, table)


def _decisions(
    where: str, probability: np.ndarray, label: str, thresholds: dict[str, float], table: Table
) -> Iterator[Problem]:
    if outside(probability, 0.0, 1.0):
        yield Problem(where, "a probability outside 0 to 1")
    predicted = table.get(f"{where.rpartition('.')[0]}.predicted.{label}")
    called = np.greater_equal(probability, thresholds[label])
    if predicted is not None and (called != np.greater(predicted, 0)).any():
        yield Problem(where, "the decisions are not those of the judge's threshold")


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(np.subtract(one, other)).max())


def _agreements(view: str, suffix: str, table: Table) -> Iterator[Problem]:
    """What agreements read of a picture is what the judge said of it."""
    columns = [table.get(f"classification{suffix}.probability.{name}") for name in PATHOLOGIES]
    kept = [column for column in columns if column is not None]
    for name in ("view_agreement", "report_image_agreement"):
        read = table.get(f"{name}.generated.{view}")
        if read is None or len(kept) < len(columns):
            continue
        p = np.column_stack(kept).astype(np.float64).clip(CLIPPED, 1.0 - CLIPPED)
        logits = np.log(p) - np.log1p(-p)
        if read.shape != logits.shape or not np.allclose(read, logits, rtol=_LOGITS, atol=_LOGITS):
            yield Problem(f"scores.{name}", "it is not of what the judge said of the pictures")
