"""Pictures bent smoothly, and the bending that takes one picture to another.

A bending is a displacement of every pixel: a sum of cubic B-splines on a coarse grid, with one
coefficient down and one across for each (free-form deformation; Rueckert et al. 1999). To find it,
Gauss-Newton steps are taken on whitened low-pass features (``Whitened``), with a price on its size;
grey level, contrast and blur are fitted beside it in each step.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr_bench.metrics.compared_cells import SIDE, by_twos

Array = NDArray[np.float32]

GRID = 6
"""Splines each way."""
SPLINES = GRID * GRID
_GREYS = 4
"""Grey curve, blur, contrast, brightness: fitted in a step, and not kept."""
TOLD = 2 * SPLINES + _GREYS
_FIRST, _LAST = 3.0, 28.0
"""Of 32 cells: where the outer splines stand."""
_MIDDLE = slice(4, 28)
"""Of 32 cells: what is compared."""
CELLS = 24 * 24
PRICE = 0.05
"""Of a squared coefficient, in cells, beside a squared whitened feature."""
MOST = 2.0
"""Cells that a coefficient may be."""
_GREY_PRICE = 0.0005
_TINY = 1e-6


def _splines(at: NDArray[np.float64]) -> Array:
    """Cubic B-splines of the grid at places in cells, [GRID, n]."""
    stand = np.linspace(_FIRST, _LAST, GRID)
    t = np.abs((at[None] - stand[:, None]) / (stand[1] - stand[0]))
    near, far = 2 / 3 - t * t + t**3 / 2, (2 - t) ** 3 / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0.0)).astype(np.float32)


def _on(at: NDArray[np.float64]) -> Array:
    """All splines on a square of places, [SPLINES, n * n]."""
    one = _splines(at)
    return np.asarray(np.einsum("iy,jx->ijyx", one, one).reshape(SPLINES, -1), dtype=np.float32)


_OF_CELLS = _on(np.arange(32.0)[_MIDDLE])
_OF_PIXELS = _on((np.arange(float(SIDE)) + 0.5) / 2 - 0.5)
_PLACE = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")).astype(np.float32)


def displaced(small: Array, down: Array, across: Array) -> Array:
    """Pictures [B, 64, 64] read at other places: [B, 64, 64] pixels further down and across."""
    import torch
    from torch.nn.functional import grid_sample

    y, x = ((_PLACE[i] + move + np.float32(0.5)) / np.float32(SIDE / 2) - np.float32(1)
            for i, move in enumerate((down, across)))  # fmt: skip
    with torch.inference_mode():
        found = grid_sample(
            torch.from_numpy(np.ascontiguousarray(small, dtype=np.float32))[:, None],
            torch.from_numpy(np.stack([x, y], axis=-1)),
            padding_mode="border",
            align_corners=False,
        )
    return np.asarray(found[:, 0].numpy(), dtype=np.float32)


def bent(small: Array, bending: Array) -> Array:
    """Pictures [B, 64, 64] bent by coefficients [B, >= 2 SPLINES], in cells of two pixels."""
    held = 2.0 * np.clip(bending, -MOST, MOST)
    shape = (len(small), SIDE, SIDE)
    down = (held[:, :SPLINES] @ _OF_PIXELS).reshape(shape)
    across = (held[:, SPLINES : 2 * SPLINES] @ _OF_PIXELS).reshape(shape)
    return displaced(small, down.astype(np.float32), across.astype(np.float32))


@dataclass(frozen=True)
class Whitened:
    """Cells of pictures -> principal components over their spread, and what bending does to them.

    Args:
        mean: [CELLS] of the known pictures.
        project: [CELLS, d], the first components first.
    """

    mean: Array
    project: Array

    def of(self, small: Array) -> Array:
        """Features [B, d] of pictures [B, 64, 64]."""
        cells = _standard(small)[:, _MIDDLE, _MIDDLE].reshape(len(small), -1)
        return np.asarray((cells - self.mean) @ self.project)

    def steps(
        self, small: Array, targets: Array, bending: Array, components: int
    ) -> tuple[Array, Array]:
        """One Gauss-Newton step from each picture to each of its targets.

        Args:
            small: pictures [B, 64, 64], already bent.
            targets: features [B, k, d].
            bending: [B, k, TOLD] so far, equal along k.
            components: that are looked at, the first of d.

        Returns what is left of the squared distance, with the bending's price [B, k], and the
        bending after the step [B, k, TOLD], greys set back.
        """
        standard = _standard(small)
        project = self.project[:, :components]
        features, tangents = self._tangents(standard, project)
        apart = targets[:, :, :components] - features[:, None]
        gram = tangents @ np.swapaxes(tangents, 1, 2)
        against = tangents @ np.swapaxes(apart, 1, 2)
        owed = _PRICES[None, :, None] * np.swapaxes(bending, 1, 2)
        step = np.linalg.solve(gram + np.diag(_PRICES), against - owed)
        after = bending + np.swapaxes(step, 1, 2)
        left = np.square(apart).sum(axis=2) - 2.0 * (step * against).sum(axis=1)
        left += (step * (gram @ step)).sum(axis=1) + np.square(after) @ _PRICES
        after[..., -_GREYS:] = 0.0
        return np.asarray(left, dtype=np.float32), np.asarray(after, dtype=np.float32)

    def _tangents(self, standard: Array, project: Array) -> tuple[Array, Array]:
        middle = standard[:, _MIDDLE, _MIDDLE]
        above, below = standard[:, 3:27, _MIDDLE], standard[:, 5:29, _MIDDLE]
        left, right = standard[:, _MIDDLE, 3:27], standard[:, _MIDDLE, 5:29]
        n = len(standard)
        found = np.empty((n, TOLD, CELLS), dtype=np.float32)
        for first, change in ((0, below - above), (SPLINES, right - left)):
            half = np.float32(0.5) * change.reshape(n, 1, CELLS)
            np.multiply(half, _OF_CELLS, out=found[:, first : first + SPLINES])
        flat = middle.reshape(n, CELLS)
        found[:, -4] = np.square(flat)
        found[:, -3] = (above + below + left + right - 4 * middle).reshape(n, CELLS)
        found[:, -2], found[:, -1] = flat, 1.0
        features = np.asarray((flat - self.mean) @ project, dtype=np.float32)
        tangents = np.asarray(found.reshape(-1, CELLS) @ project, dtype=np.float32)
        return features, tangents.reshape(n, TOLD, -1)


_PRICES = np.full(TOLD, PRICE, dtype=np.float32)
_PRICES[-_GREYS:] = _GREY_PRICE


def _standard(small: Array) -> Array:
    """Cells [B, 32, 32] of mean 0 and spread 1 in the middle."""
    cells = by_twos(small)
    inside = cells[:, _MIDDLE, _MIDDLE]
    mean, spread = (one(axis=(1, 2), keepdims=True) for one in (inside.mean, inside.std))
    return np.asarray((cells - mean) / np.maximum(spread, _TINY), dtype=np.float32)
