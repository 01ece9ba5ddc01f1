"""The nearest of many pictures to a picture, whatever was done to hide that it is one of them.

1. Low-pass features: pictures averaged down to 32 x 32, their middle standardised, principal
   components of the known pictures, each divided by its spread. Chests differ from each other in
   the components of small variance, in which a picture and its copy agree.
2. Candidates: the known pictures nearest in these features, the mirrored picture asked too. A
   distance leaves out what a small rotation, shift, zoom, grey curve or blur does to the features:
   the tangents of these changes (tangent distance; Simard, LeCun and Denker 1993).
3. Alignment: Gauss-Newton steps along the same tangents; the picture itself is warped and read
   anew. What white noise adds to the distance is estimated from the picture and taken off.

All of it is linear algebra without weights; it needs some tens of known pictures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

Array = NDArray[np.float32]
Places = NDArray[np.intp]

SIDE = 64
"""Pictures are compared at this size; larger ones are averaged down."""
_GRID = 32
_MARGIN = 4
"""Of 32: what leaves the picture when it is rotated or shifted is not compared."""
COMPONENTS = 100
SPREAD = 0.3
"""Added to a component's variance: below it, noise and rounding decide."""
_MOST_NOISE = 6.0
"""What is taken off a distance at most: of noise of about .07, beyond which nothing is told."""
LEAST = 40
"""Known pictures below which there are no components to speak of."""
_CENTRE = (_GRID - 1) / 2
_Y, _X = (np.mgrid[:_GRID, :_GRID] - _CENTRE).astype(np.float32)
_TANGENTS = 7
_POSE = 4
"""The first tangents: vertical and horizontal shift, rotation, zoom."""
_BLOCK = 256
_LARGEST_STEP = 1.5
_TINY = 1e-6
"""Of a picture of one grey, which has no tangents."""


@dataclass(frozen=True, slots=True)
class Start:
    """From where the alignment begins."""

    mirrored: bool = False
    pose: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


QUICK = (Start(), Start(mirrored=True))
THOROUGH = tuple(
    Start(mirrored, (y, x, turn, 0.0))
    for mirrored in (False, True)
    for y, x, turn in (
        *((y, x, 0.0) for y in (-1.5, 0.0, 1.5) for x in (-1.5, 0.0, 1.5)),
        (0.0, 0.0, -1.2),
        (0.0, 0.0, 1.2),
    )
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


class PictureSearch:
    """Known pictures, and the search among them.

    Args:
        starts: of the alignment; more of them find copies that were moved further.
        candidates: known pictures that are aligned, of each picture.
    """

    def __init__(self, starts: Sequence[Start] = QUICK, candidates: int = 20) -> None:
        self.starts = tuple(starts)
        self.candidates = candidates
        self._mean: Array = np.zeros(0, dtype=np.float32)
        self._project: Array = np.zeros((0, 0), dtype=np.float32)
        self._noise = 0.0
        self._known: Array = np.zeros((0, 0), dtype=np.float32)
        self._squares: Array = np.zeros(0, dtype=np.float32)
        self._neighbour: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, pictures: Iterable[NDArray[np.float32]]) -> None:
        """Take the known pictures, each [H, W] in [0, 1]; ValueError for fewer than ``LEAST``."""
        rows = _rows_of(pictures)
        if len(rows) < LEAST:
            raise ValueError(f"{len(rows)} pictures; the search needs {LEAST}")
        self._mean = rows.mean(axis=0)
        centred = rows - self._mean
        covariance = (centred.T @ centred).astype(np.float64) / len(rows)
        variance, vectors = np.linalg.eigh(covariance)
        d = min(COMPONENTS, len(rows) // 2)
        weight = 1.0 / np.sqrt(np.maximum(variance[::-1][:d], 0.0) + SPREAD)
        self._project = (vectors[:, ::-1][:, :d] * weight).astype(np.float32)
        self._noise = float(np.square(weight).sum()) * max(0.0, 1.0 - _TANGENTS / d)
        self._take(centred @ self._project)

    def among(self, pictures: Iterable[NDArray[np.float32]]) -> "PictureSearch":
        """The same features and search among other pictures."""
        other = PictureSearch(self.starts, self.candidates)
        other._mean, other._project, other._noise = self._mean, self._project, self._noise
        other._take((_rows_of(pictures) - self._mean) @ self._project)
        return other

    def nearest(self, pictures: Array, leave_out: Places | None = None) -> Found:
        """The nearest known picture of each.

        Args:
            pictures: float32 [B, H, W] in [0, 1].
            leave_out: [B], a known picture for each that is not looked at.
        """
        small = np.stack([at_side(picture) for picture in pictures])
        parts = [
            self._block(small[i : i + _BLOCK], None if leave_out is None else leave_out[i:])
            for i in range(0, len(small), _BLOCK)
        ]
        return Found(
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.place for part in parts]),
            np.concatenate([part.authentic for part in parts]),
        )

    def to(self, pictures: Array, places: Places) -> NDArray[np.float64]:
        """The distance of each picture [B, H, W] to one known picture, [B]."""
        small = np.stack([at_side(picture) for picture in pictures])
        starts = np.tile(np.arange(len(self.starts)), len(small))
        rows = np.repeat(np.arange(len(small)), len(self.starts))
        return self._align(small, rows, np.asarray(places)[rows], starts).distance

    def _take(self, known: NDArray[np.floating]) -> None:
        self._known = np.ascontiguousarray(known, dtype=np.float32)
        self._squares = np.einsum("nd,nd->n", self._known, self._known)

    def _block(self, small: Array, leave_out: Places | None) -> Found:
        rows = np.arange(len(small))
        found, plain = [], None
        for start in self.starts:
            grid = _on_grid(_warped(small, start, np.tile(start.pose, (len(small), 1))))
            features = self._features(grid)
            cross = features @ self._known.T
            distance = self._squares + np.einsum("nd,nd->n", features, features)[:, None]
            distance -= 2.0 * cross
            if leave_out is not None:
                distance[rows, leave_out[: len(rows)]] = np.inf
            if plain is None:
                plain = distance.copy()
            for direction in np.moveaxis(_orthonormal(self._tangents(grid)), 1, 0):
                along = np.einsum("nd,nd->n", direction, features)
                distance -= np.square(along[:, None] - direction @ self._known.T)
            found.append(distance)
        every = np.concatenate(found, axis=1)
        k = min(self.candidates, every.shape[1] - 1)
        chosen = np.argpartition(every, k, axis=1)[:, :k] if k else np.zeros((len(small), 1), int)
        begun, place = np.divmod(chosen.ravel(), len(self._known))
        aligned = self._align(small, np.repeat(rows, chosen.shape[1]), place, begun)
        nearest = np.asarray(plain).argmin(axis=1)
        own = np.asarray(plain)[rows, nearest]
        authentic = own >= np.array([self._of_neighbour(int(i)) for i in nearest])
        return Found(aligned.distance, aligned.place, authentic)

    def _align(self, small: Array, rows: Places, places: Places, starts: Places) -> Found:
        """The best of the pairs (rows, places) of each row, from their starts."""
        pose = np.array([start.pose for start in self.starts], dtype=np.float32)[starts]
        for kept in (8, 3, 2, 1):
            distance, step = self._steps(small, rows, places, starts, pose)
            best = _first_of_each(rows, distance, kept)
            if kept > 1:
                pose = pose + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
            rows, places, starts, pose = rows[best], places[best], starts[best], pose[best]
        order = np.argsort(rows)
        by_row = distance[best][order] - self._of_noise(small)[rows[order]]
        return Found(by_row.astype(np.float64), places[order], np.ones(len(order), dtype=bool))

    def _steps(
        self, small: Array, rows: Places, places: Places, starts: Places, pose: Array
    ) -> tuple[Array, Array]:
        """Distances of pairs at their poses, and the step along the tangents that lessens each."""
        distance = np.empty(len(rows), dtype=np.float32)
        step = np.empty((len(rows), _POSE), dtype=np.float32)
        mirrored = np.array([start.mirrored for start in self.starts])[starts]
        for first in range(0, len(rows), 4 * _BLOCK):
            some = slice(first, first + 4 * _BLOCK)
            pictures = small[rows[some]]
            turned = np.where(mirrored[some, None, None], pictures[:, :, ::-1], pictures)
            grid = _on_grid(_moved(turned, pose[some]))
            apart: Array = self._features(grid) - self._known[places[some]]
            tangents = self._tangents(grid)
            gram: Array = np.einsum("nkd,njd->nkj", tangents, tangents)
            scale = 1e-4 / _TANGENTS * np.trace(gram, axis1=1, axis2=2) + _TINY
            ridge: Array = (scale[:, None, None] * np.eye(_TANGENTS)).astype(np.float32)
            gram += ridge
            against = np.einsum("nkd,nd->nk", tangents, apart)
            solved = np.linalg.solve(gram, against[..., None])[..., 0]
            squares = np.einsum("nd,nd->n", apart, apart)
            distance[some] = squares - np.einsum("nk,nk->n", against, solved)
            step[some] = -solved[:, :_POSE]
        return distance, step

    def _features(self, grid: Array) -> Array:
        return np.asarray((_middle(grid) - self._mean) @ self._project, dtype=np.float32)

    def _tangents(self, grid: Array) -> Array:
        """[B, 7, d]: what small changes do to the features."""
        found: Array = _middle(_changes(grid)) @ self._project
        return found

    def _of_noise(self, small: Array) -> NDArray[np.float64]:
        """What the white noise of each picture adds to its squared distances."""
        sigma = np.median(np.abs(_rough(small)), axis=(1, 2)) / 0.6745
        spread = _middle(_averaged(small)).std(axis=1)
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


def at_side(picture: NDArray[np.float32]) -> Array:
    """A picture [H, W] averaged down to 64 x 64."""
    if picture.shape == (SIDE, SIDE):
        return picture
    size = (SIDE, SIDE)
    small = PILImage.fromarray(np.ascontiguousarray(picture, dtype=np.float32)).resize(
        size, PILImage.Resampling.BOX
    )
    return np.array(small, dtype=np.float32)


def _rows_of(pictures: Iterable[NDArray[np.float32]]) -> Array:
    rows = [_middle(_on_grid(at_side(picture)[None])) for picture in pictures]
    return np.concatenate(rows) if rows else np.zeros((0, 1), dtype=np.float32)


def _averaged(small: Array) -> Array:
    step = SIDE // _GRID
    found: Array = small.reshape(len(small), _GRID, step, _GRID, step).mean(axis=(2, 4))
    return found


def _on_grid(small: Array) -> Array:
    """[B, 64, 64] -> [B, 32, 32], of mean 0 and spread 1 in the middle."""
    grid = _averaged(small)
    inside = _middle(grid)
    spread = np.maximum(inside.std(axis=1), 1e-6)
    found: Array = (grid - inside.mean(axis=1)[:, None, None]) / spread[:, None, None]
    return found


def _middle(grid: Array) -> Array:
    inside = grid[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    return inside.reshape(*grid.shape[:-2], -1)


def _changes(grid: Array) -> Array:
    """[B, 7, 32, 32]: shift down and right, rotation, zoom, grey curve, blur, contrast."""
    down, right, blur = np.zeros_like(grid), np.zeros_like(grid), np.zeros_like(grid)
    down[:, 1:-1] = 0.5 * (grid[:, 2:] - grid[:, :-2])
    right[:, :, 1:-1] = 0.5 * (grid[:, :, 2:] - grid[:, :, :-2])
    middle = grid[:, 1:-1, 1:-1]
    blur[:, 1:-1, 1:-1] = (
        grid[:, 2:, 1:-1] + grid[:, :-2, 1:-1] + grid[:, 1:-1, 2:] + grid[:, 1:-1, :-2]
    ) - 4.0 * middle
    turn = (_X * down - _Y * right) / np.float32(_CENTRE)
    zoom = (_X * right + _Y * down) / np.float32(_CENTRE)
    return np.stack([down, right, turn, zoom, np.square(grid), blur, grid], axis=1)


def _orthonormal(tangents: Array) -> Array:
    """[B, k, d] of the same spans, orthonormal; a tangent that others span is 0."""
    norm = np.linalg.norm(tangents, axis=2, keepdims=True)
    unit = tangents / np.maximum(norm, 1e-12)
    gram = np.einsum("nkd,njd->nkj", unit, unit).astype(np.float64)
    gram += 1e-6 * np.eye(_TANGENTS)
    lower = np.linalg.cholesky(gram)
    found: Array = np.linalg.solve(lower, unit.astype(np.float64)).astype(np.float32)
    return found


def _warped(small: Array, start: Start, pose: NDArray[np.floating]) -> Array:
    turned = small[:, :, ::-1] if start.mirrored else small
    return turned if not any(start.pose) else _moved(turned, pose)


def _moved(small: Array, pose: NDArray[np.floating]) -> Array:
    """Pictures [B, 64, 64] shifted, turned and zoomed by [B, 4], in cells of 32."""
    if not np.any(pose):
        return small
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    down, right, turn, zoom = np.asarray(pose, dtype=np.float32).T
    matrix = np.empty((len(small), 2, 3), dtype=np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1.0 + zoom / _CENTRE
    matrix[:, 1, 0] = turn / _CENTRE
    matrix[:, 0, 1] = -turn / _CENTRE
    matrix[:, 0, 2], matrix[:, 1, 2] = right * 2.0 / _GRID, down * 2.0 / _GRID
    shape = [len(small), 1, SIDE, SIDE]
    with torch.inference_mode():
        grid = affine_grid(torch.from_numpy(matrix), shape, align_corners=False)
        pictures = torch.from_numpy(np.ascontiguousarray(small))[:, None]
        found = grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return np.asarray(found[:, 0].numpy(), dtype=np.float32)


def _first_of_each(rows: Places, distance: Array, kept: int) -> Places:
    """Which pairs are among the ``kept`` nearest of their row."""
    order = np.lexsort((distance, rows))
    sorted_rows = rows[order]
    first = np.flatnonzero(np.diff(sorted_rows, prepend=-1))
    begin = np.repeat(first, np.diff(np.append(first, len(rows))))
    return order[np.arange(len(rows)) - begin < kept]


def grain(pictures: Array, others: Array) -> NDArray[np.float64]:
    """The correlation of the finest detail of pictures [B, H, W] and others, [B].

    It is what the noise of a detector leaves in a picture, and what nobody can predict.
    """
    found = []
    for one, other in zip(pictures, others, strict=True):
        a, b = (_rough(at_side(picture)[None])[0].ravel() for picture in (one, other))
        a, b = a - a.mean(), b - b.mean()
        size = float(np.linalg.norm(a) * np.linalg.norm(b))
        found.append(float(a @ b) / size if size > 0.0 else 0.0)
    return np.array(found)


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
