"""Radiomic features against scikit-image and scipy, and by hand."""

import numpy as np
import pytest
import scipy.stats
from skimage.feature import graycomatrix, graycoprops

from codixr.errors import InputError
from codixr_bench.backbones.radiomics import (
    FIRST_ORDER,
    LEVELS,
    TEXTURE,
    Radiomics,
    bands,
    feature_names,
    first_order,
    texture,
)

RNG = np.random.default_rng(0)
ANGLES = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]


def test_texture_is_scikit_images():
    levels = RNG.integers(0, LEVELS, (3, 20, 24))
    levels[1] //= 4
    found = texture(levels)
    for picture, row in zip(levels, found, strict=True):
        matrix = graycomatrix(picture.astype(np.uint8), [1], ANGLES, LEVELS, True, True)
        for ours, theirs in (
            ("joint energy", "ASM"),
            ("contrast", "contrast"),
            ("dissimilarity", "dissimilarity"),
            ("inverse difference moment", "homogeneity"),
            ("correlation", "correlation"),
        ):
            assert row[TEXTURE.index(ours)] == pytest.approx(
                graycoprops(matrix, theirs).mean(), rel=1e-5, abs=1e-6
            )


def test_first_order_is_scipys():
    picture = RNG.random((1, 16, 16), dtype=np.float32) ** 2
    found = dict(zip(FIRST_ORDER, first_order(picture, 0.0, 1.0)[0], strict=True))
    flat = picture.ravel()
    counts = np.histogram(flat, bins=32, range=(0, 1))[0]
    for name, value in {
        "mean": flat.mean(),
        "standard deviation": flat.std(),
        "skewness": scipy.stats.skew(flat),
        "kurtosis": scipy.stats.kurtosis(flat, fisher=False),
        "entropy": scipy.stats.entropy(counts, base=2),
        "90th percentile": np.percentile(flat, 90),
    }.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_a_wavelet_keeps_the_energy_of_its_level():
    picture = RNG.random((2, 8, 8), dtype=np.float32)
    parts = dict(bands(picture))
    smooth = picture.reshape(2, 4, 2, 4, 2).sum(axis=(2, 4)) / 2
    details = [parts[f"detail 1 {name}"] for name in ("columns", "rows", "diagonals")]
    assert sum(float(np.square(p).sum()) for p in (smooth, *details)) == pytest.approx(
        float(np.square(picture).sum()), rel=1e-5
    )


def test_features_are_of_each_picture_alone_and_of_pictures_only():
    backbone = Radiomics()
    pictures = RNG.random((3, 1, 64, 64), dtype=np.float32)
    found = backbone.features(pictures)
    assert found.shape == (3, len(feature_names()))
    assert np.isfinite(found).all()
    assert np.array_equal(found[1:2], backbone.features(pictures[1:2]))
    assert np.isfinite(backbone.features(np.zeros((1, 1, 64, 64), np.float32))).all()
    with pytest.raises(InputError, match="radiomics"):
        backbone.features(pictures * 255)
