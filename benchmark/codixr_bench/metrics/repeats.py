"""What repeated outputs have in common, pictures or reports: when their share is a warning."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score, WarningCode
from codixr_bench.statistics.significance import binomial_tail
from codixr_bench.track import Evaluation

NO_TRAINING = "the track has no training studies to compare with"
CHANCE = 0.01
"""A warning's: how often a model without any copy may get it."""
_CONFIDENCE = 0.95
_SLACK = 1.5
"""The accidental share is itself an estimate, of some hundreds of held-out studies."""


def repeat_warnings(
    scores: Mapping[str, Score],
    of_training: str,
    of_test: str,
    accidental: float,
    testable: float = 1.0,
) -> Iterator[ResultWarning]:
    """``copies`` and ``copies_of_test``, where the share is more than chance explains.

    Args:
        scores: of one family, by name.
        of_training: the score that is the share of copies of training studies.
        of_test: that of copies of evaluated ones.
        accidental: the share that counts without being a copy.
        testable: the share of the studies that could count at all.
    """
    codes: tuple[tuple[WarningCode, str], ...] = (
        ("copies", of_training),
        ("copies_of_test", of_test),
    )
    for code, base in codes:
        found: list[Score] = []
        for name, score in scores.items():
            if name.partition("[")[0] == base and score.value is not None:
                trials = round(score.n * testable)
                hits = math.floor(score.value * trials + 0.5)
                if binomial_tail(hits, trials, _SLACK * accidental) < CHANCE:
                    found.append(score)
        if found:
            worst = max(found, key=lambda score: score.value or 0.0)
            share = worst.value or 0.0
            numbers = [f"{share:.3f}", f"{accidental:g}"]
            names = [score.name for score in found]
            yield ResultWarning.of(code, names, numbers, value=share, limit=accidental)


def surely_under(distances: NDArray[np.float64], share: float) -> float:
    """A distance that at most this share of real studies come under, with 95 % confidence.

    It is the k-th smallest of the held-out ones': k is the largest that leaves the share true with
    that confidence, e.g. 2 of 500 for 1 %; 1 where they are too few to be sure.
    """
    k = 1
    while binomial_tail(k + 1, len(distances), share) > _CONFIDENCE:
        k += 1
    return float(np.sort(distances)[k - 1])


def training_outputs(samples: Sequence[Sample], evaluation: Evaluation) -> list[Sample]:
    """Outputs of training studies in the place of these, as they are."""
    train = evaluation.training()
    if train is None:
        return list(samples)
    studies = [train[i % len(train)] for i in range(len(samples))]
    return [
        {m: content for m in sample if (content := study.get(m)) is not None}
        for study, sample in zip(studies, samples, strict=True)
    ]
