"""The nearest of many pictures to a picture, whatever was done to hide that it is one of them.

1. Low-pass features: pictures averaged down to 32 x 32, their middle standardised, principal
   components of the known pictures, each divided by its spread. Chests differ from each other in
   the components of small variance, in which a picture and its copy agree.
2. Candidates: the known pictures nearest in these features, the mirrored picture asked too. A
   distance leaves out what a small rotation, shift, zoom, grey curve or blur does to the features:
   the tangents of these changes (tangent distance; Simard, LeCun and Denker 1993).
3. Alignment: Gauss-Newton steps along the same tangents; the picture itself is warped and read
   anew. What white noise adds to the distance is estimated from the picture and taken off.

What several searches ask of a picture is computed once (``Looks``). All of it is linear algebra
without weights; it needs some tens of known pictures.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.compared_cells import (
    CHANGES,
    Array,
    at_side,
    by_twos,
    cells_around,
    compared_cells,
    middle_of,
    small_changes,
)

Places = NDArray[np.intp]

COMPONENTS = 100
SPREAD = 0.3
"""Added to a component's variance: below it, noise and rounding decide."""
_MOST_NOISE = 6.0
"""What is taken off a distance at most: of noise of about .07, beyond which nothing is told."""
LEAST = 40
"""Known pictures below which there are no components to speak of."""
_POSE = 4
"""The first tangents: vertical and horizontal shift, rotation, zoom."""
PARENTS = 60
"""Known pictures that two laid over each other are sought among."""
LEAST_PART = 0.15
_BLOCK = 256
_PAIRS = 128
"""Pairs that are moved at a time: what is computed of them stays near the processor."""
_LARGEST_STEP = 1.5
_TINY = 1e-6
"""Of a picture of one grey, which has no tangents."""


@dataclass(frozen=True, slots=True)
class Start:
    """From where the alignment begins."""

    mirrored: bool = False
    pose: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


QUICK = (Start(), Start(mirrored=True))
THOROUGH = (
    *QUICK,
    *(
        Start(mirrored, (y, x, turn, 0.0))
        for mirrored in (False, True)
        for y, x, turn in (
            *((y, x, 0.0) for y in (-1.5, 0.0, 1.5) for x in (-1.5, 0.0, 1.5) if y or x),
            (0.0, 0.0, -1.2),
            (0.0, 0.0, 1.2),
        )
    ),
)
"""Shifts of 3 of 64 pixels and turns of 4.5 degrees, to begin with."""


@dataclass(frozen=True, slots=True)
class Found:
    """Of some pictures [B]."""

    distance: NDArray[np.float64]
    """To the nearest known picture after alignment; about 0 for a copy, however noisy."""
    place: Places
    """Which one it is."""
    authentic: NDArray[np.bool_]
    """Whether the known picture nearest in the plain features has a nearer known neighbour."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Pictures as a search, and those ``among`` others, see them before any alignment."""

    small: Array
    """[B, 64, 64]."""
    features: Array
    """[starts, B, d]."""
    tangents: Array
    """[starts, B, 7, d]: what small changes do to the features."""
    noise: NDArray[np.float64]
    """[B]: what the white noise of each adds to its squared distances."""

    def __len__(self) -> int:
        return len(self.small)

    def __getitem__(self, some: slice) -> "Looks":
        return Looks(
            self.small[some], self.features[:, some], self.tangents[:, some], self.noise[some]
        )


class PictureSearch:
    """Known pictures, and the search among them.

    Args:
        starts: of the alignment; more of them find copies that were moved further. The first is
            the picture as it is: it has the plain features.
        candidates: known pictures that are aligned, of each picture.
    """

    def __init__(self, starts: Sequence[Start] = QUICK, candidates: int = 20) -> None:
        self.starts = tuple(starts)
        if self.starts[0] != Start():
            raise ValueError("the first start is the picture as it is")
        self.candidates = candidates
        self._mean: Array = np.zeros(0, dtype=np.float32)
        self._project: Array = np.zeros((0, 0), dtype=np.float32)
        self._noise = 0.0
        self._origin: Array = np.zeros(0, dtype=np.float32)
        self._known: Array = np.zeros((0, 0), dtype=np.float32)
        self._squares: Array = np.zeros(0, dtype=np.float32)
        self._neighbour: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._known)

    @property
    def known(self) -> Array:
        """The known pictures' features, [n, d]."""
        return self._known

    def features(self, pictures: Iterable[NDArray[np.float32]]) -> Array:
        """Low-pass features [B, d] of pictures [H, W]: each component over its spread."""
        return np.asarray((compared_cells(pictures) - self._mean) @ self._project)

    def learn(self, pictures: Iterable[NDArray[np.float32]]) -> None:
        """Take the known pictures, each [H, W] in [0, 1]; ValueError for fewer than ``LEAST``."""
        rows = compared_cells(pictures)
        if len(rows) < LEAST:
            raise ValueError(f"{len(rows)} pictures; the search needs {LEAST}")
        self._mean = rows.mean(axis=0)
        centred = rows - self._mean
        covariance = (centred.T @ centred).astype(np.float64) / len(rows)
        variance, vectors = np.linalg.eigh(covariance)
        d = min(COMPONENTS, len(rows) // 2)
        weight = 1.0 / np.sqrt(np.maximum(variance[::-1][:d], 0.0) + SPREAD)
        self._project = (vectors[:, ::-1][:, :d] * weight).astype(np.float32)
        self._noise = float(np.square(weight).sum()) * max(0.0, 1.0 - CHANGES / d)
        self._origin = self._mean @ self._project
        self._take(centred @ self._project)

    def among(self, pictures: Iterable[NDArray[np.float32]]) -> "PictureSearch":
        """The same features and search among other pictures."""
        other = PictureSearch(self.starts, self.candidates)
        other._mean, other._project, other._noise = self._mean, self._project, self._noise
        other._origin = self._origin
        other._take((compared_cells(pictures) - self._mean) @ self._project)
        return other

    def looks(self, pictures: Array) -> Looks:
        """What all questions about pictures, float32 [B, H, W] in [0, 1], begin with."""
        small = np.stack([at_side(picture) for picture in pictures])
        seen = []
        for start in self.starts:
            mirrored = np.full(len(small), start.mirrored)
            pose = np.tile(np.array(start.pose, dtype=np.float32), (len(small), 1))
            seen.append(self._seen(cells_around(small, mirrored, pose)))
        features, tangents = (np.stack(parts) for parts in zip(*seen, strict=True))
        return Looks(small, features, tangents, self._of_noise(small))

    def nearest(self, pictures: Array | Looks, leave_out: Places | None = None) -> Found:
        """The nearest known picture of each.

        Args:
            pictures: float32 [B, H, W] in [0, 1], or their looks.
            leave_out: [B], a known picture for each that is not looked at.
        """
        looks = self._looked_at(pictures)
        parts = [
            self._block(looks[i : i + _BLOCK], None if leave_out is None else leave_out[i:])
            for i in range(0, len(looks), _BLOCK)
        ]
        return Found(
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.place for part in parts]),
            np.concatenate([part.authentic for part in parts]),
        )

    def almost(self, pictures: Array | Looks, leave_out: Places) -> NDArray[np.float64]:
        """The distance to the nearest known picture but one, [B], as ``nearest`` without alignment.

        It is larger than after alignment where pictures differ by more than a small change.
        """
        looks = self._looked_at(pictures)
        parts = []
        for first in range(0, len(looks), _BLOCK):
            some = looks[first : first + _BLOCK]
            apart = [found.min(axis=1) for found, _ in self._apart(some, leave_out[first:])]
            parts.append(np.min(apart, axis=0) - some.noise)
        return np.concatenate(parts) if parts else np.zeros(0)

    def mixes(self, pictures: Array | Looks) -> NDArray[np.float64]:
        """The distance to the nearest sum of two known pictures, [B]: 0 for a double exposure.

        Both have at least ``LEAST_PART`` in it, and are among the ``PARENTS`` known ones that are
        nearest in the plain features.
        """
        looks = self._looked_at(pictures)
        parts = [
            self._mixed(looks.features[0, i : i + _BLOCK]) - looks.noise[i : i + _BLOCK]
            for i in range(0, len(looks), _BLOCK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _mixed(self, features: Array) -> NDArray[np.float64]:
        k = min(PARENTS, len(self._known) - 1)
        plain = self._squares - 2.0 * features @ self._known.T
        near = np.argpartition(plain, k, axis=1)[:, :k]
        # From a picture of one grey on: there, sums of pictures are sums of features.
        parents, whole = self._known[near] + self._origin, features + self._origin
        gram = np.einsum("bkd,bjd->bkj", parents, parents).astype(np.float64)
        shared = np.einsum("bkd,bd->bk", parents, whole).astype(np.float64)
        own = np.einsum("bkk->bk", gram)
        size = own[:, :, None] * own[:, None, :] - np.square(gram)
        first = own[:, None, :] * shared[:, :, None] - gram * shared[:, None, :]
        second = np.swapaxes(first, 1, 2)
        both = (first > LEAST_PART * size) & (second > LEAST_PART * size)
        told = first * shared[:, :, None] + second * shared[:, None, :]
        told = np.where(both, told / np.maximum(size, _TINY), 0.0)
        squares = np.square(whole.astype(np.float64)).sum(axis=1)
        return np.asarray(squares - told.reshape(len(told), -1).max(axis=1), dtype=np.float64)

    def to(self, pictures: Array | Looks, places: Places) -> NDArray[np.float64]:
        """The distance of each picture to one known picture, [B]."""
        looks = self._looked_at(pictures)
        starts = np.tile(np.arange(len(self.starts)), len(looks))
        rows = np.repeat(np.arange(len(looks)), len(self.starts))
        return self._align(looks, rows, np.asarray(places)[rows], starts).distance

    def _looked_at(self, pictures: Array | Looks) -> Looks:
        return pictures if isinstance(pictures, Looks) else self.looks(pictures)

    def _take(self, known: NDArray[np.floating]) -> None:
        self._known = np.ascontiguousarray(known, dtype=np.float32)
        self._squares = np.einsum("nd,nd->n", self._known, self._known)

    def _block(self, looks: Looks, leave_out: Places | None) -> Found:
        rows = np.arange(len(looks))
        found, plain = [], None
        for distance, own in self._apart(looks, leave_out):
            found.append(distance)
            plain = own if plain is None else plain
        every = np.concatenate(found, axis=1)
        k = min(self.candidates, every.shape[1] - 1)
        chosen = np.argpartition(every, k, axis=1)[:, :k] if k else np.zeros((len(rows), 1), int)
        begun, place = np.divmod(chosen.ravel(), len(self._known))
        aligned = self._align(looks, np.repeat(rows, chosen.shape[1]), place, begun)
        nearest = np.asarray(plain).argmin(axis=1)
        own = np.asarray(plain)[rows, nearest]
        authentic = own >= np.array([self._of_neighbour(int(i)) for i in nearest])
        return Found(aligned.distance, aligned.place, authentic)

    def _apart(self, looks: Looks, leave_out: Places | None) -> Iterator[tuple[Array, Array]]:
        """From each start, [B, n] to all known pictures: less small changes, and plain."""
        for features, tangents in zip(looks.features, looks.tangents, strict=True):
            cross = features @ self._known.T
            distance = self._squares + np.einsum("nd,nd->n", features, features)[:, None]
            distance -= 2.0 * cross
            if leave_out is not None:
                distance[np.arange(len(looks)), leave_out[: len(looks)]] = np.inf
            plain = distance.copy()
            for direction in np.moveaxis(_orthonormal(tangents), 1, 0):
                along = np.einsum("nd,nd->n", direction, features)
                distance -= np.square(along[:, None] - direction @ self._known.T)
            yield distance, plain

    def _align(self, looks: Looks, rows: Places, places: Places, starts: Places) -> Found:
        """The best of the pairs (rows, places) of each row, from their starts."""
        pose = np.array([start.pose for start in self.starts], dtype=np.float32)[starts]
        mirrored = np.array([start.mirrored for start in self.starts])
        # Where a pair begins, it is seen already: its picture and start are all that matters.
        begun = looks.features[starts, rows], looks.tangents[starts, rows]
        distance, step = self._steps(begun, places)
        for kept in (8, 3, 2):
            best = _first_of_each(rows, distance, kept)
            pose = (pose + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))[best]
            rows, places, starts = rows[best], places[best], starts[best]
            distance, step = self._moved_steps(looks.small, rows, places, mirrored[starts], pose)
        best = _first_of_each(rows, distance, 1)
        rows, places, distance = rows[best], places[best], distance[best]
        order = np.argsort(rows)
        by_row = distance[order] - looks.noise[rows[order]]
        return Found(by_row.astype(np.float64), places[order], np.ones(len(order), dtype=bool))

    def _moved_steps(
        self, small: Array, rows: Places, places: Places, mirrored: NDArray[np.bool_], pose: Array
    ) -> tuple[Array, Array]:
        """``_steps`` of pairs whose pictures are moved by [B, 4]."""
        found = []
        for first in range(0, len(rows), _PAIRS):
            some = slice(first, first + _PAIRS)
            around = cells_around(small[rows[some]], mirrored[some], pose[some])
            found.append(self._steps(self._seen(around), places[some]))
        distances, steps = zip(*found, strict=True)
        return np.concatenate(distances), np.concatenate(steps)

    def _steps(self, seen: tuple[Array, Array], places: Places) -> tuple[Array, Array]:
        """Distances of pairs as they are seen, and the step that lessens each."""
        features, tangents = seen
        apart: Array = features - self._known[places]
        gram: Array = np.einsum("nkd,njd->nkj", tangents, tangents)
        scale = 1e-4 / CHANGES * np.trace(gram, axis1=1, axis2=2) + _TINY
        ridge: Array = (scale[:, None, None] * np.eye(CHANGES)).astype(np.float32)
        gram += ridge
        against = np.einsum("nkd,nd->nk", tangents, apart)
        solved = np.linalg.solve(gram, against[..., None])[..., 0]
        squares = np.einsum("nd,nd->n", apart, apart)
        return squares - np.einsum("nk,nk->n", against, solved), -solved[:, :_POSE]

    def _seen(self, around: Array) -> tuple[Array, Array]:
        """Features [B, d] and tangents [B, 7, d] of the cells that are compared, and one around."""
        changes = small_changes(around).reshape(len(around), CHANGES, -1)
        features = (changes[:, -1] - self._mean) @ self._project
        return np.asarray(features, dtype=np.float32), changes @ self._project

    def _of_noise(self, small: Array) -> NDArray[np.float64]:
        """What the white noise of each picture adds to its squared distances."""
        sigma = white_noise(small)
        spread = middle_of(by_twos(small)).std(axis=1)
        ratio = sigma / np.maximum(2.0 * spread, 1e-6)
        added = np.square(ratio).astype(np.float64) * self._noise
        return np.asarray(np.minimum(added, _MOST_NOISE), dtype=np.float64)

    def _of_neighbour(self, place: int) -> float:
        """The squared distance of a known picture to its nearest other one."""
        if place not in self._neighbour:
            apart = self._squares - 2.0 * (self._known @ self._known[place])
            apart[place] = np.inf
            self._neighbour[place] = float(apart.min() + self._squares[place])
        return self._neighbour[place]


def _orthonormal(tangents: Array) -> Array:
    """[B, k, d] of the same spans, orthonormal; a tangent that others span is 0."""
    norm = np.linalg.norm(tangents, axis=2, keepdims=True)
    unit = tangents / np.maximum(norm, 1e-12)
    gram = np.einsum("nkd,njd->nkj", unit, unit).astype(np.float64)
    gram += 1e-6 * np.eye(CHANGES)
    lower = np.linalg.cholesky(gram)
    found: Array = np.linalg.solve(lower, unit.astype(np.float64)).astype(np.float32)
    return found


def _first_of_each(rows: Places, distance: Array, kept: int) -> Places:
    """Which pairs are among the ``kept`` nearest of their row."""
    order = np.lexsort((distance, rows))
    sorted_rows = rows[order]
    first = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
    begin = np.repeat(first, np.diff(np.append(first, len(rows))))
    return order[np.arange(len(rows)) - begin < kept]


def white_noise(small: Array) -> NDArray[np.floating]:
    """The standard deviation of the white noise of pictures [B, 64, 64], estimated; [B]."""
    found: NDArray[np.floating] = np.median(np.abs(_rough(small)), axis=(1, 2)) / 0.6745
    return found


def _rough(small: Array) -> Array:
    """Second differences of second differences, of the strength that white noise had."""
    inside = small[:, 6:-6, 6:-6]
    found: Array = (
        4.0 * inside
        - 2.0 * (small[:, 5:-7, 6:-6] + small[:, 7:-5, 6:-6])
        - 2.0 * (small[:, 6:-6, 5:-7] + small[:, 6:-6, 7:-5])
        + (small[:, 5:-7, 5:-7] + small[:, 7:-5, 7:-5])
        + (small[:, 5:-7, 7:-5] + small[:, 7:-5, 5:-7])
    ) / np.float32(6.0)
    return found
