"""Kernel distance (KID): the unbiased squared MMD of two sets of features, over all pairs.

Kernel (x·y / d + 1)³, as Bińkowski et al. 2018 and torch-fidelity. torch-fidelity draws 100 subsets
of 1,000 and gives their mean; that estimates this number, which depends on no draw. It may lie
below 0. Memory is flat: kernels are made in blocks, and only their row sums are kept.
"""

import numpy as np
from numpy.typing import NDArray

from codixr.progress import Progress
from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metrics.frechet import Influences

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def kernel_distance(first: FeatureRows, second: FeatureRows) -> Influences:
    """The distance and each picture's influence on it; ValueError for fewer than two a side."""
    n, m = len(first), len(second)
    if min(n, m) < 2:
        raise ValueError("a kernel distance needs two pictures")
    within_first, within_second = _sums_within(first), _sums_within(second)
    across_first, across_second = _sums_across(first, second)
    own_first, own_second = within_first / (n - 1), within_second / (m - 1)
    value = own_first.mean() + own_second.mean() - 2.0 * across_first.sum() / (n * m)
    one = 2.0 * (own_first - across_first / m)
    two = 2.0 * (own_second - across_second / n)
    return Influences(float(value), one - one.mean(), two - two.mean())


def _kernel(x: Matrix, y: Matrix) -> Matrix:
    kernel: Matrix = (x @ y.T / x.shape[1] + 1.0) ** 3
    return kernel


def _sums_within(rows: FeatureRows) -> Vector:
    """Row sums of the kernel of a set with itself, without the diagonal: [n]."""
    sums = np.zeros(len(rows))
    at = 0
    with Progress("kernel within a set", len(rows), unit="pictures") as bar:
        for block in rows.read():
            x, other_at = block.astype(np.float64), 0
            here = slice(at, at + len(x))
            for other in rows.read():
                there = slice(other_at, other_at + len(other))
                if there.start >= here.start:
                    kernel = _kernel(x, other.astype(np.float64))
                    if there == here:
                        np.fill_diagonal(kernel, 0.0)
                    else:
                        sums[there] += kernel.sum(axis=0)
                    sums[here] += kernel.sum(axis=1)
                other_at += len(other)
            at += len(x)
            bar.advance(len(x))
    return sums


def _sums_across(first: FeatureRows, second: FeatureRows) -> tuple[Vector, Vector]:
    """Row and column sums of the kernel between two sets: [n], [m]."""
    sums = (np.zeros(len(first)), np.zeros(len(second)))
    at = 0
    with Progress("kernel between the sets", len(first), unit="pictures") as bar:
        for block in first.read():
            x, other_at = block.astype(np.float64), 0
            for other in second.read():
                kernel = _kernel(x, other.astype(np.float64))
                sums[0][at : at + len(x)] += kernel.sum(axis=1)
                sums[1][other_at : other_at + len(other)] += kernel.sum(axis=0)
                other_at += len(other)
            at += len(x)
            bar.advance(len(x))
    return sums
