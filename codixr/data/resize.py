"""Resampling, zero-padding and antialiased resizing of one axis, as one narrow matrix.

The weights are those of a triangle filter that widens with the reduction, as Pillow's BILINEAR
resize has them; a product of such steps is a sparse matrix too. Two of them, one an axis, take a
stored film to the final square, without the large pictures in between.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True, slots=True)
class AxisMatrix:
    """``weights`` (sparse [size, length], float32) and ``inside`` [size]: the sum of each row.

    ``inside`` is 1 where an output pixel sees film only, 0 where it sees border only.
    """

    weights: "sparse.csr_array"
    inside: NDArray[np.float32]


@lru_cache(maxsize=256)
def fit_matrix(length: int, resampled: int, side: int, size: int) -> AxisMatrix:
    """``length`` pixels → resized to ``resampled`` → centred in ``side`` → resized to ``size``."""
    before = (side - resampled) // 2
    steps = _triangle(side, size)[:, before : before + resampled]
    if resampled != length:
        steps = steps @ _triangle(length, resampled)
    weights = sparse.csr_array(steps, dtype=np.float64)
    inside = np.asarray(weights.sum(axis=1), np.float32).ravel()
    return AxisMatrix(weights.astype(np.float32), inside)


def _triangle(length: int, size: int) -> "sparse.csr_array":
    """Row i: the weights of the ``length`` input pixels in output pixel i of ``size``."""
    if length == size:
        return sparse.eye_array(length, format="csr")
    scale = length / size
    width = max(scale, 1.0)
    centres = (np.arange(size) + 0.5) * scale
    first = np.maximum((centres - width + 0.5).astype(int), 0)
    last = np.minimum((centres + width + 0.5).astype(int), length)
    columns = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
    rows = np.repeat(np.arange(size), last - first)
    column = np.concatenate(columns)
    values = np.maximum(1.0 - np.abs(column + 0.5 - centres[rows]) / width, 0.0)
    values /= np.bincount(rows, values, size)[rows]
    return sparse.csr_array((values, (rows, column)), shape=(size, length))
