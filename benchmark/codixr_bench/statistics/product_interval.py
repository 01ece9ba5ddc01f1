"""95 % of a geometric mean of ratios of sums, times a factor in [0, 1]: BLEU is one.

The product of K ratios is worked on, not its K-th root: where the last ratio rests on a handful of
hits, the product is proportional to it, and has its lopsided interval (``mid_p``). The variance of
its logarithm is taken over patients, with that of each ratio no smaller than what few patients
allow (``ratio_trials``).
"""

import numpy as np

from codixr_bench.statistics.effective_draws import Array, Bounds, mid_p, ratio_trials


def product_interval(
    parts: Array, wholes: Array, factor: Array, factor_by_patient: Array
) -> Bounds:
    """Of (product of K ratios) ** (1 / K) times ``factor``, from [..., K, P] of each patient.

    Args:
        parts: what counts, 0 to ``wholes``.
        wholes: what could count.
        factor: [...].
        factor_by_patient: [..., P], by how much each patient moves the factor's logarithm.
    """
    orders = parts.shape[-2]
    hits, total = parts.sum(axis=-1), wholes.sum(axis=-1)
    ratio = hits / np.maximum(total, 1.0)
    patients = parts.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = np.where(total > 0, ratio_trials(parts, wholes), 1.0)
        moved = (parts - ratio[..., None] * wholes) / hits[..., None]
        correction = np.float64(patients) / (patients - 1)
        own = np.square(moved).sum(axis=-1) * correction
        least = (1.0 - ratio) / (ratio * trials)
        whole = np.square(moved.sum(axis=-2) + orders * factor_by_patient).sum(axis=-1) * correction
        variance = whole + np.maximum(least - own, 0.0).sum(axis=-1)
        product = np.prod(ratio, axis=-1) * factor**orders
        worth = (1.0 - product) / (product * variance)
        # All hits: the last ratio alone tells how far below 1 it may be.
        worth = np.where(product < 1.0, worth, trials[..., -1] / orders)
        usual = (product > 0) & np.isfinite(worth)
        low, high = mid_p(np.where(usual, product, 0.0), np.where(usual, worth, 1.0))
    # Without a hit of some order the ratios' own upper ends give the highest product.
    highest = (
        np.prod(mid_p(ratio, trials)[1], axis=-1) * np.where(factor > 0, factor, 1.0) ** orders
    )
    root = 1.0 / orders
    return np.where(usual, low, 0.0) ** root, np.where(usual, high, highest) ** root
