"""The nearest of many pictures to a picture that may be bent, stretched, or put together of two.

``picture_search.py`` knows turns, zooms and shifts, and asks whether two pictures are one. Here a
picture may be bent smoothly as well, by about a pixel, or be one half of another:

1. Candidates: low-pass features in which pictures differ from each other, and a picture bent at
   random little from itself (linear discriminants), with the mirrored picture asked too.
2. The bending to each candidate (``smooth_warps.py``), coarse features first; the worse ones drop
   out.
3. What is left after it, at pixels, weighed by what is left of known pictures that were bent,
   blurred, made noisy and bent back: linear discriminants again.
4. Halves: each half by discriminants of its own; two halves of different pictures, or one half of
   one, are 0 away.

A distance alone says little: a smooth picture is nearer to all others than a sharp one. So it is
weighed by the picture's ``usual`` one, to the worst of the candidates that are bent to the end.

All of it is learned from the known pictures alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.compared_cells import SIDE, at_side, compared_cells
from codixr_bench.metrics.picture_search import white_noise
from codixr_bench.metrics.smooth_warps import TOLD, Array, Whitened, bent, displaced

Places = NDArray[np.intp]

LEARNED = 4000
"""Known pictures, the first ones, that features are learned from."""
BENT = 1000
"""Of them, those that are bent at random."""
COMPONENTS, COARSE = 200, 60
SPREAD = 0.3
"""Added to a component's variance, as in ``picture_search``."""
CANDIDATES = (60, 16, 4)
"""That are bent once, twice, and to the end."""
_FINE_STEPS = 3
_LEFT = 400
"""Discriminants of what is left."""
_NEAR = 100
"""Discriminants that candidates are sought by."""
_OF_HALF = 60
_EDGE = 9
"""Of 64 pixels: what is not compared."""
_NOISY, _SIGMA, _MOST_NOISE = 100, 0.03, 0.03
"""Pictures that show what noise does, how much they get, and what is taken off at most: where noise
of .05 was taken off whole, 3.6 % of noisy real pictures counted."""
_OF_HALVES_NOISE = 0.5
"""How much of the noise is taken off halves' distances. The nearest of thousands of strangers fits
some of a picture's noise: less than all of it is added to theirs."""
_BATCH = 50
_SEED = 18
_WHOLE, _FIRST, _LAST = slice(None), slice(0, 10), slice(14, 24)
HALVES = {
    "left half": (_WHOLE, _FIRST),
    "right half": (_WHOLE, _LAST),
    "upper half": (_FIRST, _WHOLE),
    "lower half": (_LAST, _WHOLE),
}
"""Of 24 x 24 compared cells; the seam is in none, though it be four cells wide."""


@dataclass(frozen=True, slots=True)
class Altered:
    """Of some pictures [B]."""

    distance: NDArray[np.float64]
    """What is left between a picture and the nearest known one after bending."""
    usual: NDArray[np.float64]
    """What is left to the worst of the candidates that are bent to the end."""
    place: Places
    """Which one that is nearest."""
    half: NDArray[np.float64]
    """The nearest half's distance, over the median of known pictures' halves."""

    @property
    def weighed(self) -> NDArray[np.float64]:
        """The distance over the square root of what is usual: ``weighed_by`` of it."""
        return weighed_by(self.usual, self.distance)


class AlteredSearch:
    """Known pictures, and the search among them."""

    def __init__(self) -> None:
        self._mean: Array = np.zeros(0, dtype=np.float32)
        self._near: Array = np.zeros((0, 0), dtype=np.float32)
        self._left: Array = np.zeros((0, 0), dtype=np.float32)
        self._halves: dict[str, tuple[Array, float]] = {}
        self._white = Whitened(self._mean, self._near)
        self._clean = 0.0
        self._noise: dict[str, float] = {}
        self._known: dict[str, Array] = {}

    def __len__(self) -> int:
        return len(self._known["near"])

    def learn(self, pictures: Iterable[NDArray[np.float32]]) -> None:
        """Take the known pictures, each [H, W] in [0, 1]."""
        left = iter(pictures)
        first = _small(islice(left, LEARNED))
        self._features_of(first)
        blocks = [self._seen(first)]
        while len(some := _small(islice(left, 500))):
            blocks.append(self._seen(some))
        self._known = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
        for name in HALVES:
            project, _ = self._halves[name]
            apart = _apart(self._known[name][:300], self._known[name])
            apart[np.arange(len(apart)), np.arange(len(apart))] = np.inf
            self._halves[name] = project, float(np.median(apart.min(axis=1)))
        self._learn_noise(first[:_NOISY])

    def nearest(self, pictures: Array) -> Altered:
        """The nearest known picture of each of [B, H, W] in [0, 1], bent or in halves."""
        parts = [
            self._block(_small(pictures[i : i + _BATCH])) for i in range(0, len(pictures), _BATCH)
        ]
        return Altered(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def to(self, pictures: Array, others: Array) -> NDArray[np.float64]:
        """What is left between each picture and its other one [B, H, W] after bending, [B]."""
        found = []
        for first in range(0, len(pictures), _BATCH):
            small, other = (_small(side[first : first + _BATCH]) for side in (pictures, others))
            known, rows = self._seen(other), np.arange(len(small))
            sides = [self._bent_to(side, known, rows) for side in (small, small[:, :, ::-1])]
            found.append(np.minimum(*sides) - self._noise["lost"] * self._of_noise(small))
        return np.concatenate(found) if found else np.zeros(0)

    def _features_of(self, small: Array) -> None:
        """Learn what pictures differ in, and what bending and bending back leave."""
        rng = np.random.default_rng(_SEED)
        cells, some = compared_cells(small), small[:BENT]
        self._mean = cells.mean(axis=0)
        moved = bent_at_random(some, rng)
        change = compared_cells(moved) - cells[: len(some)]
        centred = cells - self._mean
        self._near = _discriminants(centred, change, _NEAR, 0.01)
        variance, vectors = np.linalg.eigh(_covariance(centred))
        kept = slice(None, -min(COMPONENTS, len(small) // 2) - 1, -1)
        weight = 1.0 / np.sqrt(np.maximum(variance[kept], 0.0) + SPREAD)
        self._white = Whitened(self._mean, (vectors[:, kept] * weight).astype(np.float32))
        for name, half in HALVES.items():
            sides = [_half_of(one, half) for one in (cells, compared_cells(moved))]
            step = sides[1] - sides[0][: len(some)]
            middle = sides[0] - sides[0].mean(axis=0)
            self._halves[name] = _discriminants(middle, step, _OF_HALF, 0.01), 1.0
        hidden = _hidden(moved, rng)
        targets, rows = {"white": self._white.of(some)}, np.arange(len(some))
        left = [
            self._straightened(hidden[i : i + _BATCH], targets, rows[i : i + _BATCH])
            for i in range(0, len(some), _BATCH)
        ]
        pixels = _pixels(small)
        lost = np.concatenate([_pixels(one) for one in left]) - pixels[: len(some)]
        self._left = _discriminants(pixels - pixels.mean(axis=0), lost, _LEFT, 0.1)

    def _learn_noise(self, small: Array) -> None:
        """What white noise adds to distances, for each of its variance over the picture's."""
        rng, rows = np.random.default_rng(_SEED), np.arange(len(small))
        moved, known = bent_at_random(small, rng), self._seen(small)
        noisy = [one + rng.normal(0, _SIGMA, one.shape) for one in (moved, small)]
        self._clean = float(np.median(white_noise(small) ** 2))
        share = self._of_noise(noisy[1].astype(np.float32)).mean()
        lost = [self._bent_to(one.astype(np.float32), known, rows) for one in (moved, noisy[0])]
        self._noise["lost"] = float((lost[1] - lost[0]).mean() / share)
        cells = compared_cells(noisy[1].astype(np.float32))
        for name, half in HALVES.items():
            apart = _half_of(cells, half) @ self._halves[name][0] - known[name]
            added = np.square(apart).sum(axis=1).mean()
            self._noise[name] = float(_OF_HALVES_NOISE * added / share)

    def _of_noise(self, small: Array) -> NDArray[np.float64]:
        """The variance of white noise over that of the picture, beyond what known ones have."""
        variance = small[:, _EDGE:-_EDGE, _EDGE:-_EDGE].reshape(len(small), -1).var(axis=1)
        added = np.clip(white_noise(small) ** 2 - self._clean, 0.0, _MOST_NOISE**2)
        return np.asarray(added / np.maximum(variance, 1e-6), dtype=np.float64)

    def _seen(self, small: Array) -> dict[str, Array]:
        """All that is kept of known pictures."""
        cells = compared_cells(small)
        found = {
            "near": (cells - self._mean) @ self._near,
            "white": self._white.of(small),
            "lost": _pixels(small) @ self._left,
        }
        for name, half in HALVES.items():
            found[name] = _half_of(cells, half) @ self._halves[name][0]
        return {name: np.asarray(one, dtype=np.float32) for name, one in found.items()}

    def _block(
        self, small: Array
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Places, NDArray[np.float64]]:
        sides = [small, np.ascontiguousarray(small[:, :, ::-1])]
        apart = np.concatenate(
            [_apart(self._near_of(side), self._known["near"]) for side in sides], 1
        )
        n, k = len(small), min(CANDIDATES[0], apart.shape[1] - 1)
        mirrored, place = np.divmod(np.argpartition(apart, k, axis=1)[:, :k], len(self))
        targets = self._known["white"][place]
        left = np.full(place.shape, np.inf, dtype=np.float32)
        bending = np.zeros((*place.shape, TOLD), dtype=np.float32)
        # Not bent yet, a picture has the same tangents for all candidates.
        for side, pictures in enumerate(sides):
            found, after = self._white.steps(pictures, targets, np.zeros_like(bending), COARSE)
            mine = mirrored == side
            left[mine], bending[mine] = found[mine], after[mine]
        rows = np.arange(n)[:, None]
        for kept, steps in (
            (CANDIDATES[1], (COARSE,)),
            (CANDIDATES[2], (COMPONENTS,) * _FINE_STEPS),
        ):
            best = np.argsort(left, axis=1)[:, :kept]
            place, mirrored, bending = place[rows, best], mirrored[rows, best], bending[rows, best]
            begin = np.where(mirrored[..., None, None] == 1, sides[1][:, None], sides[0][:, None])
            flat = begin.reshape(-1, SIDE, SIDE)
            left, bending = self._stepped(flat, place, bending, steps)
        pixels = _pixels(bent(flat, bending.reshape(-1, TOLD))) @ self._left
        lost = np.square(pixels - self._known["lost"][place.ravel()]).sum(axis=1)
        lost = lost.reshape(place.shape).astype(np.float64)
        best, which = lost.argmin(axis=1), np.arange(n)
        noise = self._of_noise(small)
        lost -= self._noise["lost"] * noise[:, None]
        halves = self._of_halves(sides, noise)
        return lost[which, best], lost.max(axis=1), place[which, best], halves

    def _stepped(
        self, flat: Array, place: Places, bending: Array, steps: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Steps of pairs, each from its own picture: what is left, and the bending."""
        targets = self._known["white"][place.ravel()][:, None]
        moves = bending.reshape(-1, 1, TOLD)
        left = np.zeros((len(moves), 1), dtype=np.float32)
        for components in steps:
            left, moves = self._white.steps(bent(flat, moves[:, 0]), targets, moves, components)
        return left.reshape(place.shape), moves.reshape(bending.shape)

    def _straightened(self, small: Array, known: dict[str, Array], rows: Places) -> Array:
        """Pictures bent towards one known picture each."""
        targets = known["white"][rows][:, None]
        moves = np.zeros((len(small), 1, TOLD), dtype=np.float32)
        for components in (COARSE, COARSE, *(COMPONENTS,) * _FINE_STEPS):
            _, moves = self._white.steps(bent(small, moves[:, 0]), targets, moves, components)
        return bent(small, moves[:, 0])

    def _bent_to(self, small: Array, known: dict[str, Array], rows: Places) -> NDArray[np.float64]:
        straight = self._straightened(small, known, rows)
        lost = np.square(_pixels(straight) @ self._left - known["lost"][rows]).sum(axis=1)
        return np.asarray(lost, dtype=np.float64)

    def _near_of(self, small: Array) -> Array:
        return np.asarray((compared_cells(small) - self._mean) @ self._near)

    def _of_halves(self, sides: list[Array], noise: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest half of any kind, over what is usual."""
        found = []
        for side in sides:
            cells = compared_cells(side)
            for name, half in HALVES.items():
                project, usual = self._halves[name]
                apart = _apart(_half_of(cells, half) @ project, self._known[name])
                found.append((apart.min(axis=1) - self._noise[name] * noise) / usual)
        return np.asarray(np.min(found, axis=0), dtype=np.float64)


def weighed_by(usual: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances [B] over the square root of each picture's usual one.

    Not over the usual one itself: where a known picture is there several times, all its candidates
    are near, and it would hide copies of it.
    """
    return np.asarray(distance / np.sqrt(np.maximum(usual, 1.0)), dtype=np.float64)


def bent_at_random(small: Array, rng: np.random.Generator) -> Array:
    """Pictures [n, 64, 64] stretched and turned a little, and bent by up to 1.5 pixels."""
    from scipy.ndimage import gaussian_filter

    n = len(small)
    turn = np.deg2rad(rng.uniform(-4, 4, n))
    tall, wide = 1 + rng.uniform(-0.06, 0.06, (2, n))
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    y, x = grid[None, :, None], grid[None, None, :]
    cos, sin = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
    down = (tall[:, None, None] * cos - 1) * y + sin * x + rng.uniform(-1.5, 1.5, n)[:, None, None]
    across = (
        (wide[:, None, None] * cos - 1) * x - sin * y + rng.uniform(-1.5, 1.5, n)[:, None, None]
    )
    for moves in (down, across):
        for one in moves:
            wave = gaussian_filter(rng.normal(size=(SIDE, SIDE)), rng.uniform(6, 14))
            one += rng.uniform(0, 1.5) * wave / wave.std()
    return displaced(small, down.astype(np.float32), across.astype(np.float32))


def _hidden(small: Array, rng: np.random.Generator) -> Array:
    """Half of them blurred, half noisy, half of other greys."""
    from scipy.ndimage import gaussian_filter

    found = small.astype(np.float64)
    blur, noise, gamma = (rng.random(len(small)) < 0.5 for _ in range(3))
    for i, picture in enumerate(found):
        if blur[i]:
            picture[:] = gaussian_filter(picture, rng.uniform(0, 1))
        if noise[i]:
            picture += rng.normal(0, rng.uniform(0, 0.05), picture.shape)
        if gamma[i]:
            picture[:] = np.clip(picture, 0, 1) ** rng.uniform(0.8, 1.25)
    return np.clip(found, 0, 1).astype(np.float32)


def _pixels(small: Array) -> Array:
    """The middle pixels [B, 2116] a little smoothed, of mean 0 and spread 1."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(small, (0, 0.6, 0.6))[:, _EDGE:-_EDGE, _EDGE:-_EDGE]
    return _standard_rows(smooth.reshape(len(small), -1))


def _half_of(cells: Array, half: tuple[slice, slice]) -> Array:
    """That half of compared cells [B, 576], of mean 0 and spread 1."""
    some = cells.reshape(-1, 24, 24)[:, half[0], half[1]]
    return _standard_rows(some.reshape(len(cells), -1))


def _standard_rows(rows: Array) -> Array:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(
        centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-6), dtype=np.float32
    )


def _small(pictures: Iterable[NDArray[np.float32]]) -> Array:
    some = [at_side(picture) for picture in pictures]
    return np.stack(some).astype(np.float32) if some else np.zeros((0, SIDE, SIDE), np.float32)


def _apart(rows: Array, known: Array) -> Array:
    """Squared distances [B, n]."""
    squares = np.einsum("nd,nd->n", known, known) + np.einsum("nd,nd->n", rows, rows)[:, None]
    return np.asarray(squares - 2.0 * rows @ known.T)


def _covariance(rows: Array) -> NDArray[np.float64]:
    return np.asarray((rows.T @ rows).astype(np.float64) / len(rows))


def _discriminants(between: Array, within: Array, count: int, ridge: float) -> Array:
    """[d, count]: in which rows ``between`` pictures differ most beside those ``within`` one.

    Of a spread of 1 within; ``ridge`` of its mean variance is added to each.
    """
    from scipy.linalg import eigh

    inside = _covariance(within)
    d = len(inside)
    inside += ridge * np.trace(inside) / d * np.eye(d)
    last = [d - min(count, d, len(between) // 2), d - 1]
    _, vectors = eigh(_covariance(between), inside, subset_by_index=last)
    return np.ascontiguousarray(vectors[:, ::-1], dtype=np.float32)
