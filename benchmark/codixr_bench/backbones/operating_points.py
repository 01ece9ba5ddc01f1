"""Operating points: the probability from which a class counts as present, by policy and name.

They are found once, on real studies of the validation split, and reused for every model: a
threshold tuned on the evaluated set flatters what it is tuned on. Ties between scores are never
cut apart; a threshold lies midway to the next lower score.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError

PRECISION = 0.8
"""What ``ppv80`` asks for."""

Array = NDArray[np.float64]
Labels = NDArray[np.int8]
_Quality = Callable[[Array, Array, float, float], Array]


def _f1(hits: Array, called: Array, present: float, absent: float) -> Array:
    return 2.0 * hits / (called + present)


def _youden(hits: Array, called: Array, present: float, absent: float) -> Array:
    return hits / present - (called - hits) / absent


def _ppv80(hits: Array, called: Array, present: float, absent: float) -> Array:
    # The most sensitive cut that is precise enough; where none is, the most precise one.
    precision = hits / called
    if (precision >= PRECISION).any():
        return np.where(precision >= PRECISION, hits, -1.0)
    return precision


POLICIES: dict[str, _Quality] = {
    "f1max-on-real-val": _f1,
    "youden-on-real-val": _youden,
    "ppv80-on-real-val": _ppv80,
}
"""Policy -> what its threshold maximises; the first of equals, from the highest cut down."""


def operating_points(
    policy: str, scores: Array, labels: Labels, classes: Sequence[str]
) -> NDArray[np.float64]:
    """The threshold of each class, [k], by a policy of ``POLICIES``.

    Args:
        policy: e.g. ``f1max-on-real-val``.
        scores: [n, k] of the classifier on real validation pictures; higher is more present.
        labels: [n, k]; known where 0 or 1, the others are left out.
        classes: the names of the k classes, for errors.

    Raises:
        InputError: an unknown policy, or a class whose known labels are all of one kind.
    """
    if policy not in POLICIES:
        raise InputError(f"operating point '{policy}' is unknown; known: {', '.join(POLICIES)}")
    points = np.empty(len(classes))
    for c, name in enumerate(classes):
        known = labels[:, c] >= 0
        present = labels[known, c] == 1
        if not present.any() or present.all():
            raise InputError(
                f"operating point '{policy}': the {int(known.sum())} known labels of '{name}' are "
                "all of one kind; tune on more validation studies"
            )
        points[c] = _best_cut(POLICIES[policy], scores[known, c], present)
    return points


def _best_cut(quality: _Quality, scores: Array, present: NDArray[np.bool_]) -> float:
    order = np.argsort(-scores, kind="stable")
    falling = scores[order].astype(np.float64)
    last_of_ties = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    hits = np.cumsum(present[order], dtype=np.float64)[last_of_ties]
    called = last_of_ties + 1.0
    total = float(present.sum())
    best = int(np.argmax(quality(hits, called, total, len(present) - total)))
    cut = falling[last_of_ties[best]]
    below = falling[last_of_ties[best] + 1] if best + 1 < len(last_of_ties) else cut
    return float(0.5 * (cut + below))
