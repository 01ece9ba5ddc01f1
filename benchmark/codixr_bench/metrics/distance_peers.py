"""Distances between sets of features, computed again by torch-fidelity and prdc.

The features are ours: what is checked is the arithmetic. Where our definition is another, our code
computes the library's definition too, and both are shown.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr_bench.backbones.feature_rows import FeatureRows
from codixr_bench.metric import PeerScore
from codixr_bench.metrics.frechet import FeatureStatistics
from codixr_bench.metrics.kid import kernel_distance
from codixr_bench.metrics.peers import library
from codixr_bench.metrics.precision_recall import K_DENSITY, K_PRECISION, manifolds

FRECHET_SHARE = 1e-5
"""Tolerance of a Fréchet distance, as a share of the two covariances' traces: torch-fidelity takes
the square root of eigenvalues that are 0 up to rounding where there are fewer pictures than
features."""
KERNEL_SHARE = 1e-6
"""Of a kernel distance, as a share of the mean kernel within the real set."""
SHARE = 1e-6
"""Of shares of pictures: torch-fidelity's are float32 means."""

_OF_PRDC = ("density", "coverage")

Matrix = NDArray[np.float64]


def distance_peers(
    kinds: tuple[str, ...], generated: FeatureRows, real: FeatureRows
) -> dict[str, PeerScore]:
    """Kind -> what the library gives; the name is the kind's. Kinds without a library are absent.

    Both sides hold two pictures or more.
    """
    first, second = generated.all().astype(np.float64), real.all().astype(np.float64)
    found: dict[str, PeerScore] = {}
    if "fid" in kinds:
        found["fid"] = _frechet(first, second)
    if "kid" in kinds:
        found["kid"] = _kernel(first, second, generated, real)
    asked = {"precision", "recall", "density", "coverage"} & set(kinds)
    if asked and min(len(first), len(second)) > K_DENSITY + 1:
        ours = manifolds(generated, real)
        every = {**_precision_recall(first, second), **_density_coverage(first, second)}
        for kind in asked:
            found[kind] = replace(
                every[kind], convention="all pictures", ours=getattr(ours, kind).value
            )
    return found


def _frechet(first: Matrix, second: Matrix) -> PeerScore:
    import torch
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    statistics = [fid_features_to_statistics(torch.from_numpy(side)) for side in (first, second)]
    value = float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])
    traces = sum(float(np.trace(FeatureStatistics.of([s]).covariance)) for s in (first, second))
    return PeerScore("fid", _fidelity(), value, FRECHET_SHARE * max(traces, 1e-3))


def _kernel(first: Matrix, second: Matrix, generated: FeatureRows, real: FeatureRows) -> PeerScore:
    from torch_fidelity.metric_kid import kernel_poly, mmd2

    how: dict[str, Any] = {
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1.0,
    }
    m = min(len(first), len(second))
    x, y = first[:m], second[:m]
    within, across, other = (kernel_poly(a, b, **how) for a, b in ((x, x), (x, y), (y, y)))
    value = float(mmd2(within, across, other, mmd_est="unbiased"))
    ours = kernel_distance(generated, real).value
    tolerance = KERNEL_SHARE * float(np.abs(other).mean())
    return PeerScore(
        "kid", _fidelity(), value, tolerance, convention="one subset, all pairs", ours=ours
    )


def _precision_recall(first: Matrix, second: Matrix) -> dict[str, PeerScore]:
    import torch
    from torch_fidelity.metric_prc import calculate_precision_recall_full

    found = calculate_precision_recall_full(
        torch.from_numpy(first), torch.from_numpy(second), K_PRECISION
    )
    return {
        kind: PeerScore(kind, _fidelity(), float(value), SHARE)
        for kind, value in zip(("precision", "recall"), found, strict=True)
    }


def _density_coverage(first: Matrix, second: Matrix) -> dict[str, PeerScore]:
    name = library("prdc")
    if name is None:
        reason = "prdc is not installed"
        return {kind: PeerScore(kind, "prdc", None, SHARE, reason) for kind in _OF_PRDC}
    from prdc import compute_prdc  # type: ignore[import-not-found]

    found = compute_prdc(second, first, K_DENSITY)
    return {kind: PeerScore(kind, name, float(found[kind]), SHARE) for kind in _OF_PRDC}


def _fidelity() -> str:
    return library("torch-fidelity") or "torch-fidelity"
