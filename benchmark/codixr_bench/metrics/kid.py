"""Kernel distance (KID): the unbiased squared MMD of two sets of features, over pairs of pictures.

Kernel (x·y / d + 1)³, as Bińkowski et al. 2018 and torch-fidelity. torch-fidelity draws 100 subsets
of 1,000 and gives their mean; that estimates this number, which depends on no draw. It may lie
below 0. Memory is flat: kernels are made in blocks, and only their row sums are kept.

The cross term's mean is unbiased where the two pictures of a pair are independent. A picture made
for a study and the study's own real picture are not, so where row i of both sides is of one study,
pairs of one study are left out, and pairs of one patient: what is left is the U-statistic of
Gretton et al. 2012 (lemma 6, eq. 4), unbiased however the two pictures of a study depend on each
other. Without that a model scores too low, ``real`` even below 0.
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


def paired_kernel_distance(
    first: FeatureRows, second: FeatureRows, groups: NDArray[np.integer] | None = None
) -> Influences:
    """The distance of two sets whose rows i are of one study, without pairs of one patient.

    Args:
        first: n pictures.
        second: n pictures, of the same studies.
        groups: [n], the number of each study's patient; each study a patient of its own by default.

    Returns:
        The distance, and each study's influence on it as those of ``first``; 0 for the second.

    Raises:
        ValueError: other numbers of pictures, or fewer than two patients.
    """
    n = len(first)
    if len(second) != n:
        raise ValueError(f"{n} and {len(second)} pictures are not pairs")
    patient = np.arange(n) if groups is None else np.asarray(groups)
    # Of each study, the others that are another patient's.
    others = n - np.bincount(patient)[patient] if n else np.zeros(0)
    if n < 2 or not others.all():
        raise ValueError("a kernel distance needs the pictures of two patients")
    sums = np.zeros(n)
    at = 0
    with Progress("kernel of pairs", n, unit="pictures") as bar:
        for x_block, y_block in zip(first.read(), second.read(), strict=True):
            x, y = x_block.astype(np.float64), y_block.astype(np.float64)
            here, other_at = slice(at, at + len(x)), 0
            for x_other, y_other in zip(first.read(), second.read(), strict=True):
                there = slice(other_at, other_at + len(x_other))
                if there.start >= here.start:
                    u, v = x_other.astype(np.float64), y_other.astype(np.float64)
                    # Of equal sides the four cancel exactly.
                    h = _kernel(x, u) - _kernel(x, v) + _kernel(y, v) - _kernel(y, u)
                    h[patient[here, None] == patient[None, there]] = 0.0
                    if there != here:
                        sums[there] += h.sum(axis=0)
                    sums[here] += h.sum(axis=1)
                other_at += len(x_other)
            at += len(x)
            bar.advance(len(x))
    pairs = float(others.sum())
    value = float(sums.sum() / pairs)
    # The derivative of a ratio of two sums over pairs, by a study's weight.
    influence = 2.0 * n * (sums - value * others) / pairs
    return Influences(value, influence - influence.mean(), np.zeros(n))


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
