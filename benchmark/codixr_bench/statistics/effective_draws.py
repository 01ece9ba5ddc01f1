"""How many independent yes-or-no draws a score in [0, 1] is worth, and its interval from those.

A share of n independent draws has the variance p (1 - p) / n. A score whose estimated variance is v
is worth p (1 - p) / v of them: more where the values vary less than yes and no do, fewer where
studies of one patient say the same thing. A variance that was estimated from a few patients says
little, and nothing where all agree (0 and 1 have a variance of 0): so it is mixed with the greatest
that there can be, in proportion to how many patients tell.

All functions take any leading axes, so that a simulation calls the very ones that a run does.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bounds = tuple[Array, Array]
"""Lower and upper ends, of one shape."""

Z = 1.959964
"""Half of a 95 % interval, in standard errors."""
_PRIOR = 0.75
"""Patients that the greatest variance is worth in the mixture; chosen by simulation."""
_STEPS = 48
"""Halvings of [0, 1]: 4e-15."""


def by_patient(values: Array, patients: NDArray[np.integer] | None) -> Array:
    """Sums over each patient's studies: [..., n] -> [..., patients].

    Args:
        values: a number a study.
        patients: [n], the number of each study's patient, 0 to P - 1; None: one study a patient.
    """
    if patients is None:
        return values
    order = np.argsort(patients, kind="stable")
    starts = np.flatnonzero(np.diff(patients[order], prepend=-1))
    sums: Array = np.add.reduceat(values[..., order], starts, axis=-1)
    return sums


def trust(parts: Array, wholes: Array) -> Array:
    """How far a variance estimated from [..., P] patients is believed, in [0, 1).

    By how many patients tell it: those that add to the score, or those that take from it, if they
    are fewer, each counted by its part.
    """
    tell = np.minimum(_contributors(parts), _contributors(wholes - parts)) - 1.0
    tell = np.maximum(tell, 0.0)
    return np.asarray(tell / (tell + _PRIOR), dtype=np.float64)


def ratio_trials(parts: Array, wholes: Array) -> Array:
    """Draws that a ratio of sums is worth: [..., P] of each patient -> [...].

    Args:
        parts: what counts, 0 to ``wholes``.
        wholes: what could count; 1 a study for a mean over studies.
    """
    total = wholes.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = parts.sum(axis=-1) / total
        most = np.square(wholes).sum(axis=-1) / total
        patients = (wholes > 0).sum(axis=-1)
        squares = np.square(parts - ratio[..., None] * wholes).sum(axis=-1)
        # As Student's t against the normal: its variance is (P - 1) / (P - 3).
        squares *= patients / np.maximum(patients - 3.0, 0.0)
        effect = squares / (ratio * (1.0 - ratio) * total)
        effect = np.where(np.isfinite(effect), effect, most)
        believed = trust(parts, wholes)
        mixed = believed * effect + (1.0 - believed) * most
        return np.asarray(total / np.minimum(mixed, most), dtype=np.float64)


def wilson(value: Array, trials: Array) -> Bounds:
    """Wilson's interval of a share worth ``trials`` draws (Wilson 1927); not empty at 0 and 1."""
    shrink = 1.0 + Z**2 / trials
    middle = (value + Z**2 / (2.0 * trials)) / shrink
    spread = value * (1.0 - value) / trials + np.square(Z / (2.0 * trials))
    half = Z / shrink * np.sqrt(np.maximum(spread, 0.0))
    return (
        np.clip(np.minimum(middle - half, value), 0.0, 1.0),
        np.clip(np.maximum(middle + half, value), 0.0, 1.0),
    )


def mid_p(value: Array, trials: Array) -> Bounds:
    """The mid-P exact interval of a share worth ``trials`` draws (Lancaster 1961).

    Its ends are the shares at which the chance of more hits than these plus half the chance of just
    these is 2.5 and 97.5 %. Unlike Wilson's, it covers with a single draw: .95 at least, where
    Wilson's covers .86 of the shares near .8. Trials need be no whole number.
    """
    from scipy.special import betainc

    value, trials = np.broadcast_arrays(np.clip(value, 0.0, 1.0), np.maximum(trials, 1e-9))
    hits = value * trials
    some, rest = np.maximum(hits, 1e-12), np.maximum(trials - hits, 1e-12)

    def below(share: Array) -> Array:
        """Chance that ``share`` gives as many hits or more, less half that of just as many."""
        more = np.where(hits < trials, betainc(hits + 1.0, rest, share), 0.0)
        as_many = np.where(hits > 0, betainc(some, rest + 1.0, share), 1.0)
        return np.asarray(0.5 * (more + as_many), dtype=np.float64)

    ends = []
    for chance in (0.025, 0.975):
        low, high = np.zeros(value.shape), np.ones(value.shape)
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            under = below(middle) < chance
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        ends.append(0.5 * (low + high))
    return np.where(hits <= 0, 0.0, ends[0]), np.where(hits >= trials, 1.0, ends[1])


def ratio_interval(parts: Array, wholes: Array) -> Bounds:
    """95 % of a ratio of sums in [0, 1], from [..., P] of each patient: ``mid_p``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = parts.sum(axis=-1) / wholes.sum(axis=-1)
    return mid_p(value, ratio_trials(parts, wholes))


def _contributors(parts: Array) -> Array:
    """(sum)² / sum of squares: how many patients a sum is of, each counted by its part."""
    squares = np.square(parts).sum(axis=-1)
    total = np.square(parts.sum(axis=-1))
    return np.asarray(np.divide(total, squares, out=np.zeros_like(total), where=squares > 0))
