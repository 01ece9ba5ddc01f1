"""What the peers of metrics share: the library's version, pairs of reports, scores by class."""

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.metric import PeerScore
from codixr_bench.metrics.per_class import AVERAGES
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.model import Sample

CLOSE = 1e-9
"""Tolerance of scores in [0, 1] that both sides compute by the same definition in float64."""

Pairs = list[tuple[str, str]]
"""(reference, generated)."""


def library(package: str) -> str | None:
    """``nltk 3.10.4``; None where it isn't installed."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None


class ReportPeer:
    """Keeps the reports, and has a library score them.

    Args:
        compute: pairs of reports -> scores.
    """

    def __init__(self, compute: Callable[[Pairs], list[PeerScore]]) -> None:
        self._compute = compute
        self._pairs: Pairs = []

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError as ``report_pairs``."""
        self._pairs += report_pairs(positions, studies, samples)

    def scores(self) -> list[PeerScore]:
        """What the library gives."""
        return self._compute(self._pairs)


class StatePeer:
    """Has a library score what the metric itself read of the samples: features, probabilities.

    Args:
        compute: called once all samples are read.
    """

    def __init__(self, compute: Callable[[], list[PeerScore]]) -> None:
        self._compute = compute

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """The metric has seen them."""

    def scores(self) -> list[PeerScore]:
        """What the library gives."""
        return self._compute()


def by_class(
    name: Callable[[str], str],
    score: Callable[[NDArray[Any], NDArray[Any]], float],
    values: NDArray[Any],
    labels: NDArray[Any],
    of_macro: int | None = None,
) -> list[PeerScore]:
    """scikit-learn's micro, macro and weighted average of a score by class.

    A class without known labels of both kinds is left out of macro and weighted, as we do.

    Args:
        name: of an average -> of our score.
        score: scikit-learn's, of (labels, values).
        values: predictions or probabilities, [n, k].
        labels: [n, k], known where 0 or 1.
        of_macro: how many of the first classes the macro average is of; all by default.
    """
    of = library("scikit-learn") or "scikit-learn"
    known = (labels == 0) | (labels == 1)
    defined = [c for c in range(labels.shape[1]) if len(np.unique(labels[known[:, c], c])) == 2]
    each = {c: score(labels[known[:, c], c], values[known[:, c], c]) for c in defined}
    weights = {c: int((labels[:, c] == 1).sum()) for c in defined}
    macro = [each[c] for c in defined if of_macro is None or c < of_macro]
    found: dict[str, float | None] = dict.fromkeys(AVERAGES)
    if len(np.unique(labels[known])) == 2:
        found["micro"] = score(labels[known], values[known])
    if macro:
        found["macro"] = float(np.mean(macro))
    if each:
        found["weighted"] = float(np.average(list(each.values()), weights=list(weights.values())))
    return [
        PeerScore(name(average), of, value, CLOSE, "undefined" if value is None else None)
        for average, value in found.items()
    ]


def by_judge(
    name: Callable[[str], str],
    probabilities: NDArray[Any],
    thresholds: NDArray[np.float64],
    labels: NDArray[Any],
) -> list[PeerScore]:
    """scikit-learn's AUROC of probabilities [n, k], and F1 of what the thresholds make of them.

    ``name`` turns ``auroc_macro`` into our score's name.
    """
    from sklearn.metrics import f1_score, roc_auc_score

    read = np.asarray(probabilities, dtype=np.float64)
    predicted = (read >= thresholds).astype(np.int8)
    return [
        *by_class(lambda average: name(f"auroc_{average}"), roc_auc_score, read, labels),
        *by_class(lambda average: name(f"f1_{average}"), f1_score, predicted, labels),
    ]
