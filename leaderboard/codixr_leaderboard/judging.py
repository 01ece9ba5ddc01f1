"""What the phantom's judge says of a row's pictures: its own, or made up?

A row carries the judge's features of each picture, its probabilities and its decisions. The last
layer of the judge is public, so the probabilities have to be those of the features, and the
decisions those of its thresholds.
"""

from collections.abc import Iterator

import numpy as np

from codixr_bench.backbones.judge_head import TOLERANCE, JudgeHead, judge_head
from codixr_bench.metrics.stored_features import FEATURES
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_leaderboard.checks import Problem
from codixr_leaderboard.statistics_file import Table

_DISTANCE = "fid_phantom"
_MACRO = "auroc_macro"


def judging_problems(result: Result, table: Table) -> Iterator[Problem]:
    """Where the columns of one view contradict the judge that the signature names."""
    outputs = [str(output) for output in Task.parse(result.task).outputs if output.is_image]
    for view in outputs:
        suffix = f"[{view}]" if len(outputs) > 1 else ""
        score = result.score(f"{_MACRO}{suffix}")
        head = judge_head(view)
        if score is None or f"weights:{head.sha256[:8]}" not in score.signature.split("|"):
            continue
        features = table.get(f"{_DISTANCE}{suffix}{FEATURES}")
        said = None if features is None else head.probabilities(features)
        for i, label in enumerate(head.classes):
            columns = [
                table.get(f"classification{suffix}.{kind}.{label}")
                for kind in ("probability", "predicted")
            ]
            if columns[0] is not None and columns[1] is not None:
                anew = None if said is None else said[:, i]
                yield from _problems(suffix, label, head, (columns[0], columns[1]), anew)


def _problems(
    suffix: str,
    label: str,
    head: JudgeHead,
    columns: tuple[np.ndarray, np.ndarray],
    anew: np.ndarray | None,
) -> Iterator[Problem]:
    probability, predicted = columns
    where = f"classification{suffix}.{label}"
    if anew is not None and float(np.abs(probability - anew).max()) > TOLERANCE:
        yield Problem(where, "the probabilities are not what the judge says of the features")
    if ((probability >= head.thresholds[label]) != (predicted > 0)).any():
        yield Problem(where, "the decisions are not those of the judge's threshold")
