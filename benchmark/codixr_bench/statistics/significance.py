"""Student's t, its quantiles, and Holm's correction: what a comparison needs of statistics.

Written out because SciPy takes half a second to import, which is half of what ``check`` may take;
the tests hold it against ``scipy.stats.t``.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

_TINY = 1e-300


def upper_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t with ``df`` > 0 degrees of freedom; an infinite ``t`` is fine."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * _incomplete_beta(0.5 * df, 0.5, df / (df + t * t))
    return half if t >= 0 else 1.0 - half


@lru_cache(maxsize=1024)
def quantile(tail: float, df: float) -> float:
    """The t with P(T > t) = ``tail``, for 0 < tail <= 0.5."""
    low, high = 0.0, 1.0
    while upper_tail(high, df) > tail and high < 1e12:
        high *= 2.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        if middle in (low, high):  # There is no number between them.
            break
        low, high = (middle, high) if upper_tail(middle, df) > tail else (low, middle)
    return 0.5 * (low + high)


def shown_p(p: float) -> str:
    """A p-value behind its letter: ``= 0.0123``, or ``< 0.0001``."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.4f}"


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the same order (Holm 1979): reject where at or below alpha.

    The chance of any false rejection stays at or below alpha, however the scores hang together.
    """
    m = len(p_values)
    adjusted = [1.0] * m
    running = 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def binomial_tail(hits: int, trials: int, share: float) -> float:
    """P(X >= ``hits``) of ``trials`` draws that each hit with the chance ``share``."""
    if hits <= 0:
        return 1.0
    if hits > trials:
        return 0.0
    return _incomplete_beta(float(hits), float(trials - hits + 1), share)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    # The continued fraction is quick below the mean, and the function is symmetric.
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Its continued fraction (DLMF 8.17.22), by the modified Lentz method."""

    def away_from_zero(value: float) -> float:
        return value if abs(value) > _TINY else _TINY

    c = 1.0
    d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / away_from_zero(1.0 + term * d)
            c = away_from_zero(1.0 + term / c)
            result *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return result
