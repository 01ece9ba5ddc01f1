"""95 % of an AUROC: a score interval whose variance comes from the cases' placements.

A present case's placement is the share of absent cases below it, an absent one's the share of
present cases above it; AUROC is the mean of either (DeLong, DeLong and Clarke-Pearson 1988). Its
variance is that of the present cases' placements over their number, plus the same of the absent
ones. As in Newcombe's interval (2006, method 5) the variance is taken to grow with AUROC (1 -
AUROC), so that an AUROC of 1 has a real interval. Newcombe's own fixes the factor by the
exponential model, and covers .80 to .94 where a finding is either plain or invisible; here the
factor is estimated, and mixed with ``_GREATEST`` where few cases tell it
(``effective_draws.trust``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.statistics.effective_draws import Array, Bounds, by_patient, trust, wilson

_GREATEST = 0.75
"""Variance of placements over AUROC (1 - AUROC) where nothing is known: 2/3 where cases are seen or
guessed, 1 at most."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Auroc:
    """AUROCs [...]; NaN where there are cases of one kind only."""

    value: Array
    bounds: Bounds
    by_patient: Array
    """[..., P]: by how much each patient moves it; sums to zero."""

    @property
    def unbiased(self) -> Array:
        """The value: an AUROC has no small-sample bias."""
        return self.value


def auroc(
    scores: NDArray[np.floating],
    present: Mask,
    absent: Mask,
    patients: NDArray[np.integer] | None = None,
) -> Auroc:
    """AUROC and its interval, of cases [..., n]; ties count half.

    Args:
        scores: higher for what is rather present.
        present: which cases are present.
        absent: which are absent; a case that is neither is not counted.
        patients: [n], whose case it is, 0 to P - 1; None: each is a patient of its own.
    """
    wins = placements(scores, present, absent)
    of_present, of_absent = present.sum(axis=-1), absent.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (wins * present).sum(axis=-1) / of_present
        value = np.where(of_absent > 0, value, np.nan)
        sides = [_side(wins, kind, value, patients) for kind in (present, absent)]
        spread = value * (1.0 - value)
        both = 2.0 * (sides[0].moved * sides[1].moved).sum(axis=-1)
        both = np.where(spread > 0, both / np.where(spread > 0, spread, 1.0), 0.0)
        believed = np.minimum(sides[0].believed, sides[1].believed)
        variance = sides[0].variance + sides[1].variance + believed * both
        # Patients whose sides cancel are no evidence for less than a quarter of the sides' own.
        variance = np.maximum(variance, 0.25 * (sides[0].variance + sides[1].variance))
        bounds = wilson(value, 1.0 / np.minimum(variance, 1.0))
    return Auroc(value, bounds, sides[0].moved + sides[1].moved)


def placements(scores: NDArray[np.floating], present: Mask, absent: Mask) -> Array:
    """[..., n]: for a present case the share of absent ones below it, for an absent one the share
    of present ones above it; ties count half; 0 for a case that is neither."""
    n = scores.shape[-1]
    order = np.argsort(scores, axis=-1)
    ranked = np.take_along_axis(scores, order, axis=-1)
    is_present = np.take_along_axis(present, order, axis=-1)
    is_absent = np.take_along_axis(absent, order, axis=-1)
    new = ranked[..., 1:] != ranked[..., :-1]
    ties = None if new.all() else _ties(new, n)

    def under(kind: Mask) -> tuple[Array, Array]:
        """How many of a kind lie below, a tie counted half, and how many there are."""
        upto = np.cumsum(kind, axis=-1, dtype=np.float64)
        before = upto - kind
        below = before + upto
        if ties is not None:
            begin, end = ties
            below = np.take_along_axis(before, begin, axis=-1)
            below += np.take_along_axis(upto, end, axis=-1)
        return 0.5 * below, upto[..., -1:]

    below, of_absent = under(is_absent)
    upto, of_present = under(is_present)
    with np.errstate(divide="ignore", invalid="ignore"):
        won = np.where(is_present, below / of_absent, 1.0 - upto / of_present)
    won = np.where(is_present | is_absent, won, 0.0)
    wins = np.empty(scores.shape)
    np.put_along_axis(wins, order, won, axis=-1)
    return wins


def _ties(new: Mask, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of ranked cases [..., n], where each one's equals begin and end."""
    edge = np.ones((*new.shape[:-1], 1), dtype=np.bool_)
    place = np.arange(n)
    begin = np.where(np.concatenate([edge, new], axis=-1), place, 0)
    end = np.where(np.concatenate([new, edge], axis=-1), place, n)[..., ::-1]
    return (
        np.maximum.accumulate(begin, axis=-1),
        np.minimum.accumulate(end, axis=-1)[..., ::-1],
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """The part of one kind of cases."""

    variance: Array
    """[...], over AUROC (1 - AUROC)."""
    believed: Array
    """[...], how far the estimate is."""
    moved: Array
    """[..., P], by how much each patient moves AUROC."""


def _side(wins: Array, kind: Mask, value: Array, patients: NDArray[np.integer] | None) -> _Side:
    count = by_patient(kind.astype(np.float64), patients)
    won = by_patient(np.where(kind, wins, 0.0), patients)
    total = count.sum(axis=-1)
    moved = (won - value[..., None] * count) / total[..., None]
    draws = (count > 0).sum(axis=-1)
    estimated = np.square(moved).sum(axis=-1) * draws / (draws - 1.0) / (value * (1.0 - value))
    most = np.square(count).sum(axis=-1) / np.square(total)
    known = np.isfinite(estimated)
    believed = np.where(known, trust(won, count), 0.0)
    estimated = np.where(known, np.minimum(estimated, most), 0.0)
    # Nothing tells how alike a patient's cases are: the middle, in ratio, of not at all and wholly.
    variance = believed * estimated + (1.0 - believed) * _GREATEST * np.sqrt(most / total)
    return _Side(variance, believed, moved)
