"""Radiomic features of a picture: numbers by formula, without a network and without weights.

Of the picture and of the bands of its Haar wavelet (two levels): first-order statistics (mean,
standard deviation, skewness, kurtosis, entropy, uniformity, percentiles, mean absolute deviation)
and texture by grey-level co-occurrence at one pixel's distance (Haralick et al. 1973), the mean of
the four directions, symmetric. Names and formulas are those of the IBSI (Zwanenburg et al. 2020)
where it has them. Grey levels are cut into a fixed number of equal bins, not by each picture's own
range, so that contrast and exposure count.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.backbone import Features, Images, eight_bits
from codixr_bench.backbones.pass_cache import SeenBatches

VERSION = "1"
"""Changes with every formula; it stands in the signature."""
LARGEST = 256
"""Larger pictures are averaged down to at most this side: texture depends on the pixel's size."""
LEVELS = 16
"""Bins of co-occurrence."""
BINS = 32
"""Bins of entropy and uniformity."""
DETAIL = 0.25
"""Detail bands are cut into bins from -DETAIL to DETAIL."""
LEVELS_OF_WAVELET = 2
_REMEMBERED = 64
"""Batches; 64 pictures' features take 38 kB."""
FIRST_ORDER = (
    "mean",
    "standard deviation",
    "skewness",
    "kurtosis",
    "entropy",
    "uniformity",
    "10th percentile",
    "25th percentile",
    "median",
    "75th percentile",
    "90th percentile",
    "mean absolute deviation",
)
TEXTURE = (
    "joint energy",
    "joint entropy",
    "maximum probability",
    "contrast",
    "dissimilarity",
    "inverse difference moment",
    "correlation",
    "cluster shade",
    "cluster prominence",
)
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))
_FLAT = 1e-6
"""A standard deviation under which a band is flat: skewness and kurtosis say nothing of it."""

Array = NDArray[np.float32]
Bins = NDArray[np.int64]

_I, _J = (grid.ravel() for grid in np.mgrid[0:LEVELS, 0:LEVELS].astype(np.float64))
_APART = np.abs(_I - _J)
_OF_LEVELS = np.stack([_I, _I**2, _I * _J, _APART**2, _APART, 1.0 / (1.0 + _APART**2)], axis=1)
"""Of each pair of levels: what is averaged over pairs."""
_SUM_IS = (_I + _J)[:, None] == np.arange(2 * LEVELS - 1)[None]


class Radiomics:
    """A ``Backbone`` of 147 features: 21 of each of the picture and six detail bands."""

    name = "radiomics"

    def __init__(self) -> None:
        self._seen: SeenBatches[Features] = SeenBatches(_REMEMBERED)

    @property
    def signature(self) -> str:
        """How many features, and the version of their formulas."""
        return f"radiomics@{VERSION}|features:{len(feature_names())}|weights:none"

    def features(self, images: Images) -> Features:
        """float32 [B, 1, H, W] in [0, 1] -> [B, 147]; InputError for another range."""
        return self._seen.get(images, self._computed)

    def _computed(self, images: Images) -> Features:
        pictures = _reduced(eight_bits(images, self.name)[:, 0].astype(np.float32) / 255.0)
        parts: list[Array] = []
        for name, band in bands(pictures):
            low, high = (0.0, 1.0) if name == "picture" else (-DETAIL, DETAIL)
            parts += [first_order(band, low, high), texture(_binned(band, low, high, LEVELS))]
        return np.concatenate(parts, axis=1)


@lru_cache(maxsize=1)
def radiomics() -> Radiomics:
    """The process's one: its metrics share what was computed."""
    return Radiomics()


def feature_names() -> list[str]:
    """What each number is, e.g. ``detail 1 rows: contrast``."""
    names = [name for name, _ in bands(np.zeros((1, 8, 8), dtype=np.float32))]
    return [f"{band}: {feature}" for band in names for feature in (*FIRST_ORDER, *TEXTURE)]


def bands(pictures: Array) -> Iterator[tuple[str, Array]]:
    """The pictures [B, H, W], then the three detail bands of each level of their Haar wavelet.

    A band's values are differences of grey: the picture's mean of four, halved differences.
    """
    yield "picture", pictures
    smooth = pictures
    for level in range(1, LEVELS_OF_WAVELET + 1):
        h, w = (side // 2 * 2 for side in smooth.shape[1:])
        a, b = smooth[:, 0:h:2, 0:w:2], smooth[:, 0:h:2, 1:w:2]
        c, d = smooth[:, 1:h:2, 0:w:2], smooth[:, 1:h:2, 1:w:2]
        half = np.float32(0.5)
        yield f"detail {level} columns", (a - b + c - d) * half
        yield f"detail {level} rows", (a + b - c - d) * half
        yield f"detail {level} diagonals", (a - b - c + d) * half
        smooth = (a + b + c + d) * np.float32(0.25)


def first_order(band: Array, low: float, high: float) -> Array:
    """[B, h, w] -> [B, 12], in the order of ``FIRST_ORDER``; bins lie between ``low`` and ``high``.

    Skewness and kurtosis (3 for a normal distribution) of a flat band are 0.
    """
    flat = band.reshape(len(band), -1)
    mean = flat.mean(axis=1, keepdims=True, dtype=np.float64)
    centred = flat - mean.astype(np.float32)
    squares = np.square(centred)
    sd = np.sqrt(squares.mean(axis=1, dtype=np.float64))
    varied = sd > _FLAT
    safe = np.where(varied, sd, 1.0)
    skewness = np.where(varied, (squares * centred).mean(axis=1, dtype=np.float64) / safe**3, 0.0)
    kurtosis = np.where(varied, np.square(squares).mean(axis=1, dtype=np.float64) / safe**4, 0.0)
    shares = _shares(_binned(flat, low, high, BINS), BINS)
    percentiles = np.percentile(flat, (10, 25, 50, 75, 90), axis=1)
    columns = [
        mean[:, 0],
        sd,
        skewness,
        kurtosis,
        _entropy(shares),
        np.square(shares).sum(axis=1),
        *percentiles,
        np.abs(centred).mean(axis=1),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def texture(levels: Bins) -> Array:
    """Bins [B, h, w] in [0, LEVELS) -> [B, 9], in the order of ``TEXTURE``.

    The correlation of a flat band is 1, as in scikit-image.
    """
    found = np.mean([_of_matrix(_cooccurrence(levels, *step)) for step in _STEPS], axis=0)
    return np.asarray(found, dtype=np.float32)


def _cooccurrence(levels: Bins, down: int, right: int) -> NDArray[np.float64]:
    """Symmetric shares of pairs of neighbours, [B, LEVELS, LEVELS]."""
    n, h, w = levels.shape
    one = levels[:, : h - down, max(0, -right) : w - max(0, right)]
    other = levels[:, down:, max(0, right) : w + min(0, right)]
    pairs = (one * LEVELS + other).reshape(n, -1)
    shares = _shares(pairs, LEVELS * LEVELS).reshape(n, LEVELS, LEVELS)
    return (shares + shares.transpose(0, 2, 1)) / 2


def _of_matrix(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares [B, LEVELS, LEVELS] -> [B, 9], by matrix products with what depends on levels only."""
    flat = p.reshape(len(p), -1)
    mean, square, product, contrast, dissimilarity, moment = (flat @ _OF_LEVELS).T
    variance = square - mean**2
    varied = variance > _FLAT
    correlation = np.where(varied, (product - mean**2) / np.where(varied, variance, 1.0), 1.0)
    sums = flat @ _SUM_IS
    off = np.arange(2 * LEVELS - 1)[None] - 2.0 * mean[:, None]
    cubes = off * off * off
    columns = [
        np.square(flat).sum(axis=1),
        _entropy(flat),
        flat.max(axis=1),
        contrast,
        dissimilarity,
        moment,
        correlation,
        (sums * cubes).sum(axis=1),
        (sums * cubes * off).sum(axis=1),
    ]
    return np.stack(columns, axis=1)


def _binned(values: NDArray[np.floating], low: float, high: float, count: int) -> Bins:
    scaled = np.floor((values - low) * (count / (high - low)))
    return np.asarray(np.clip(scaled, 0, count - 1), dtype=np.int64)


def _shares(bins: Bins, count: int) -> NDArray[np.float64]:
    """How often each bin occurs, [B, ...] -> [B, count]; rows sum to 1."""
    n = len(bins)
    rows = bins.reshape(n, -1)
    numbered = rows + np.arange(n)[:, None] * count
    found = np.bincount(numbered.ravel(), minlength=n * count).reshape(n, count)
    return found / rows.shape[1]


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """In bits, [B, k] -> [B]."""
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1) + 0.0, dtype=np.float64)


def _reduced(pictures: Array) -> Array:
    """Averaged by whole pixels until neither side is above ``LARGEST``."""
    while max(pictures.shape[1:]) > LARGEST:
        h, w = (side // 2 * 2 for side in pictures.shape[1:])
        pictures = pictures[:, :h, :w].reshape(len(pictures), h // 2, 2, w // 2, 2).mean((2, 4))
    return pictures
