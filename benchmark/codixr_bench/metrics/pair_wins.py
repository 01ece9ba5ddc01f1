"""How often a study's own two views go better together than one of them with another study's."""

import numpy as np
from numpy.typing import NDArray

from codixr.data.anatomy_fit import fits
from codixr_bench.metric import Influence
from codixr_bench.statistics.bootstrap import in_chunks, resample_weights
from codixr_bench.statistics.influence import influence_of

TIED = 1e-3
"""Two fits that differ by less are equal: a batch's size alone moves the last digits."""
_CHUNK = 256

Array = NDArray[np.float64]


def wins_of(frontal: NDArray[np.generic], lateral: NDArray[np.generic]) -> NDArray[np.float32]:
    """[n, n]: whether study i's own pair beats its frontal with j's lateral, and the other way.

    The mean of the two: 1, 0.5 or 0; half for a tie. The diagonal is 0. ``frontal`` and
    ``lateral``: ``Pair.variables`` [n, c + 1].
    """
    fit = fits(np.asarray(frontal, dtype=np.float64), np.asarray(lateral, dtype=np.float64))
    own = np.diagonal(fit)
    beaten = np.zeros(fit.shape, dtype=np.float32)
    for others in (fit, fit.T):
        lead = own[:, None] - others
        beaten += 0.5 * np.where(np.abs(lead) < TIED, np.float32(0.5), lead > 0).astype(np.float32)
    np.fill_diagonal(beaten, 0.0)
    return beaten


def share_won(wins: NDArray[np.float32]) -> float:
    """Of all wins that there could be: the agreement."""
    n = len(wins)
    return float(wins.sum(dtype=np.float64) / (n * (n - 1)))


def resampled_share(wins: NDArray[np.float32]) -> Array:
    """The share in each resample [R]; a study is not held against its own repetition."""
    found = []
    for weights in in_chunks(resample_weights(len(wins)), _CHUNK):
        w = weights.astype(np.float32)
        won = ((w @ wins) * w).sum(axis=1, dtype=np.float64)
        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(won / pairs)
    return np.concatenate(found)


def share_influence(wins: NDArray[np.float32]) -> Influence:
    """By leaving each study out; needs three."""
    n = len(wins)
    total = float(wins.sum(dtype=np.float64))
    own = wins.sum(axis=1, dtype=np.float64) + wins.sum(axis=0, dtype=np.float64)
    without = (total - own) / ((n - 1) * (n - 2))
    return influence_of(np.concatenate([[total / (n * (n - 1))], without]))
