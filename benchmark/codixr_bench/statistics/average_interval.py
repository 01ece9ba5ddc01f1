"""95 % of an average of scores by class, from the classes' own intervals.

Zou and Donner's recovery of variances (2008; "MOVER"): the lower end of a weighted mean lies below
it by the root of the summed squares of the weighted distances between each class's value and its
lower end; the upper likewise. So a class of six positives keeps its long and lopsided interval in
the average, and ten classes at 1 give an average of 1 with a real interval. Classes of the same
patients hang together: their correlation, estimated from what each patient does to each class, is
in the sum.
"""

import numpy as np

from codixr_bench.statistics.effective_draws import Array, Bounds, Z


def average_interval(
    values: Array,
    bounds: Bounds,
    weights: Array,
    by_patient: Array,
    weights_by_patient: Array | None = None,
    centres: Array | None = None,
) -> Bounds:
    """Of averages of k classes.

    Args:
        values: [..., k], NaN for a class that is left out.
        bounds: two of [..., k].
        weights: [..., k], of any sum; 1 for a plain mean.
        by_patient: [..., k, P], what each patient does to a class's value, up to a factor a class.
        weights_by_patient: [..., k, P], each patient's part of the weights, where they are counts
            that other patients would give otherwise; None for fixed weights.
        centres: [..., k], the values without their small-sample bias, which an average of many
            classes does not average out; None where the values have none.
    """
    counted = np.isfinite(values)
    values = np.where(counted, values, 0.0)
    share = np.where(counted, weights, 0.0)
    total = share.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = share / total
        mean = (share * values).sum(axis=-1)
        centres = values if centres is None else np.where(counted, centres, 0.0)
        centre = (share * centres).sum(axis=-1)
        moved = np.where(counted[..., None], by_patient, 0.0)
        norm = np.sqrt(np.square(moved).sum(axis=-1, keepdims=True))
        moved = np.where(norm > 0, moved / np.where(norm > 0, norm, 1.0), 0.0)
        of_weights = 0.0
        if weights_by_patient is not None:
            away = np.where(counted, values - mean[..., None], 0.0)
            drawn = np.einsum("...k,...kp->...p", away, weights_by_patient) / total
            of_weights = Z**2 * np.square(drawn).sum(axis=-1)
    ends = []
    for end, sign in zip(bounds, (-1.0, 1.0), strict=True):
        far = share * np.where(counted, np.maximum(sign * (end - centres), 0.0), 0.0)
        apart = np.square(far).sum(axis=-1)
        together = np.square(np.einsum("...k,...kp->...p", far, moved)).sum(axis=-1)
        own = np.square(far * (norm[..., 0] > 0)).sum(axis=-1)
        ends.append(centre + sign * np.sqrt(np.maximum(apart + together - own, 0.0) + of_weights))
    return np.clip(np.minimum(ends[0], mean), 0.0, 1.0), np.clip(
        np.maximum(ends[1], mean), 0.0, 1.0
    )
