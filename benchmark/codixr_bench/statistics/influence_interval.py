"""95 % intervals from influences: what each study does to a score, instead of resampling it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.significance import quantile

Array = NDArray[np.float64]

_NORMAL = 1.959964
"""Half of a 95 % interval, in standard errors."""


def standard_error(
    influence: Array, patients: Sequence[str] | NDArray[np.generic] | None = None
) -> tuple[float, float]:
    """Of a score with these influences [n], mean zero; and its degrees of freedom.

    Studies of one patient (``patients`` [n] names or numbers them) count as one draw. The variance
    of a sample variance is (kurtosis - 1)/n of its square; a chi-square of 2 n / (kurtosis - 1)
    degrees has the same (Satterthwaite).
    """
    sums = influence if patients is None else by_patient(influence, patients)
    squares = np.square(sums)
    total, fourths = float(squares.sum()), float(np.square(squares).sum())
    return error_from_sums(len(sums), len(influence), total, fourths)


def error_from_sums(draws: int, n: int, squares: float, fourths: float) -> tuple[float, float]:
    """``standard_error`` of ``n`` studies of ``draws`` patients, from the sums of powers of theirs.

    Each patient's influences are added up first; ``squares`` and ``fourths`` are over the patients.
    """
    if draws < 2 or squares <= 0.0:
        return 0.0, 1.0
    kurtosis = draws * fourths / squares**2
    df = min(draws - 1.0, 2.0 * draws / max(kurtosis - 1.0, 1e-12))
    return float(np.sqrt(squares * draws / (draws - 1)) / n), max(1.0, df)


def half_width(error: float, df: float) -> float:
    """Half of a 95 % interval: Student's t times the standard error."""
    return quantile(0.025, df) * error


def influence_interval(
    value: float,
    influence: Array,
    patients: Sequence[str] | NDArray[np.generic] | None = None,
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> Interval:
    """``value`` ± t · standard error, cut at ``lowest`` and ``highest``.

    It speaks of the score's expectation at this n: a bias that a score has at every n, as Fréchet
    distances do, is in both.
    """
    error, df = standard_error(influence, patients)
    half = half_width(error, df)
    return max(lowest, min(value - half, value)), min(highest, max(value + half, value))


def kernel_interval(value: float, half: float) -> Interval:
    """95 % of a kernel distance whose symmetric interval would be ``value`` ± ``half``.

    Notable: the variance of a squared MMD grows with it (its first-order part is of its size), so
    that a symmetric interval misses on one side: above, 7 % of the time at 200 pictures. This one
    holds the distances at which ``value`` would be no surprise, with a variance that grows in
    proportion from one standard error below 0 on, as Wilson's does for a share (Wilson 1927).

    Args:
        value: the unbiased squared MMD (Gretton et al. 2012); may be below 0.
        half: half the length of the symmetric interval, in the same units; 0 gives ``value`` twice.
    """
    if half <= 0.0:
        return value, value
    error = half / _NORMAL
    shift = half**2 / (2.0 * (max(value, 0.0) + error))
    reach = float(np.hypot(shift, half))
    return value + shift - reach, value + shift + reach


def share_interval(share: float, error: float, draws: int) -> Interval:
    """Wilson's 95 % interval of a share of pictures, never empty at 0 or 1 (Wilson 1927).

    Args:
        share: in [0, 1].
        error: its standard error, which says how many independent draws it is worth.
        draws: pictures or patients; counts where the error is 0.
    """
    n = share * (1.0 - share) / error**2 if error > 0.0 else float(draws)
    shrink = 1.0 + _NORMAL**2 / n
    middle = (share + _NORMAL**2 / (2 * n)) / shrink
    half = _NORMAL / shrink * float(np.sqrt(share * (1 - share) / n + (_NORMAL / (2 * n)) ** 2))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def by_patient(influence: Array, patients: Sequence[str] | NDArray[np.generic]) -> Array:
    """[n] -> [patients]: the studies of each added up."""
    _, group = np.unique(np.asarray(patients), return_inverse=True)
    sums: Array = np.bincount(group, weights=influence).astype(np.float64)
    return sums
