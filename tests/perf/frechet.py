"""`make perf`, distances: features and the trace beside their peers, and memory as pictures grow.

Random weights, 256 x 256 pictures, medians. Each feature row is the whole way from 8-bit pictures
to features, the peers' as their users go it, in processor time of one thread, so that a busy
machine disturbs it little; below it stand the network's convolutions alone, and the share of the
time that they take. The trace is timed by the clock on two threads: run it on an idle machine. Peak
memory is that of a process of its own, with a stand-in of 2048 features and pictures made as they
are scored: `python tests/perf/frechet.py 33588` runs the paper's size itself.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

PICTURES = 16
ROUNDS = 3
D = 2048
PEAKS = (9_000, 12_000)
PAPER = 33_588
"""Pictures a side of Table II."""


def main() -> None:
    """Print one line a measurement."""
    warnings.simplefilter("ignore")
    print(f"{'what':46}{'ours':>10}{'peer':>10}{'ratio':>8}  target")
    with tempfile.TemporaryDirectory() as folder:
        _features("Inception", inception(Path(folder)))
        _features("XRV", densenet(Path(folder)))
    ours, fidelity, sqrtm = trace()
    _print("trace, d = 2048, s; torch-fidelity", ours, fidelity, "≤ 2.2 s on two cores")
    _print("trace, d = 2048, s; scipy sqrtm", ours, sqrtm, "")
    few, many = (peak(n) for n in PEAKS)
    print(f"peak memory, {PEAKS[0]:,} pictures a side: {few:.0f} MB; {PEAKS[1]:,}: {many:.0f} MB")
    growth = (many - few) / (PEAKS[1] - PEAKS[0])
    print(f"so {PAPER:,} a side: {many + growth * (PAPER - PEAKS[1]):.0f} MB (target: under 2 GB)")
    print(f"\nload {os.getloadavg()[0]:.1f}, {os.environ['OMP_NUM_THREADS']} threads")


def inception(folder: Path) -> tuple[float, float, float]:
    """ms a picture: ours, torch-fidelity's extractor on RGB pictures, our convolutions alone."""
    import torch

    from codixr_bench.backbones.published import PublishedBackbone
    from helpers.backbone_fakes import inception_peer, saved

    peer = inception_peer()
    path = saved(peer, folder / "inception.pth")
    ours = PublishedBackbone("inception", path, allow_unpinned=True).load()
    levels = _pictures()

    def theirs() -> None:
        with torch.inference_mode():
            peer(torch.from_numpy(levels).repeat(1, 3, 1, 1))

    return _timed(lambda: ours._forward(levels / np.float32(255)), theirs)  # type: ignore[attr-defined]


def densenet(folder: Path) -> tuple[float, float, float]:
    """ms a picture: ours, torchxrayvision's own steps, our convolutions alone."""
    import torch
    import torchxrayvision as xrv

    from codixr_bench.backbones.published import PublishedBackbone
    from helpers.backbone_fakes import saved, xrv_peer

    peer = xrv_peer()
    path = saved(peer, folder / "xrv.pth")
    ours = PublishedBackbone("xrv", path, allow_unpinned=True).load()
    levels = _pictures()
    crop, resize = xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(224)

    def theirs() -> None:
        given = np.stack([resize(crop(xrv.utils.normalize(x, 255))) for x in levels])
        with torch.inference_mode():
            peer.features2(torch.from_numpy(given))

    return _timed(lambda: ours._forward(levels / np.float32(255)), theirs)  # type: ignore[attr-defined]


def trace() -> tuple[float, float, float]:
    """Seconds of ours (median of three), torch-fidelity's way and scipy's (once each)."""
    import scipy.linalg

    from codixr_bench.metrics.frechet import trace_of_sqrt

    rng = np.random.default_rng(0)
    covariances = []
    for _ in range(2):
        rows = rng.normal(size=(3 * D, D)) * np.linspace(0.1, 1.0, D)
        covariances.append(np.cov(rows.T))
    one, two = covariances
    found: list[float] = []
    ours = statistics.median(
        _seconds(lambda: found.append(trace_of_sqrt(one, two))) for _ in range(ROUNDS)
    )
    fidelity = _seconds(
        lambda: found.append(
            float(np.sqrt(np.linalg.eigvals(one @ two).astype(complex)).real.sum())
        )
    )
    sqrtm = _seconds(lambda: found.append(float(np.trace(scipy.linalg.sqrtm(one @ two)).real)))
    assert np.allclose(found, found[0], rtol=1e-6), found
    return ours, fidelity, sqrtm


def peak(n: int) -> float:
    """MB that a process needs for ``n`` pictures a side."""
    done = subprocess.run(
        [sys.executable, __file__, str(n)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[0])


def score(n: int) -> None:
    """Score ``n`` pictures of 256 x 256 against others; print the peak and the processor time."""
    import resource

    from codixr.data.study import Study
    from codixr.modality import Modality
    from codixr_bench.metrics.distances import PictureDistances

    class Blocks:
        """Mean levels of 2048 blocks."""

        name = "blocks"
        signature = "blocks|weights:none"

        def features(self, images: np.ndarray) -> np.ndarray:
            return images.reshape(len(images), 64, 4, 32, 8).mean(axis=(2, 4)).reshape(-1, D)

    rng = np.random.default_rng(0)
    metric = PictureDistances(Blocks(), Modality.F)
    for first in range(0, n, 64):
        positions = range(first, min(first + 64, n))
        real, made = rng.random((2, len(positions), 1, 256, 256), dtype=np.float32)
        studies = [Study(str(i), str(i), "test", frontal=x) for i, x in zip(positions, real)]  # noqa: B905
        metric.update(positions, studies, [{Modality.F: x} for x in made])
    assert metric.compute()[0].value is not None
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    print(f"{used.ru_maxrss / 1024:.0f} MB, {seconds:.0f} s of processor time, {n:,} a side")


def _pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (PICTURES, 1, 256, 256), dtype=np.uint8)


def _timed(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Median ms a picture of ours, theirs and our convolutions alone, by turns, on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    jobs = (ours, theirs, _convolutions(ours))
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS + 1):
        for job, seconds in zip(jobs, taken, strict=True):
            began = time.process_time()
            job()
            seconds.append(time.process_time() - began)
    torch.set_num_threads(before)
    mine, peers, alone = (statistics.median(s[1:]) * 1000 / PICTURES for s in taken)
    return mine, peers, alone


def _convolutions(job: Callable[[], object]) -> Callable[[], object]:
    """The convolutions that ``job`` makes, 1x1 ones as products, on as many pictures at a time."""
    import torch
    from torch.nn import functional

    calls: list[tuple[Callable[..., object], torch.Tensor, tuple[object, ...], dict]] = []
    inputs: dict[tuple[int, ...], torch.Tensor] = {}

    def noting(real: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def noted(x: torch.Tensor, *arguments: object, **named: object) -> torch.Tensor:
            shape = tuple(x.shape)
            if shape not in inputs:
                inputs[shape] = torch.rand_like(x, memory_format=torch.preserve_format)
            calls.append((real, inputs[shape], arguments, named))
            return real(x, *arguments, **named)

        return noted

    with (
        patch.object(functional, "conv2d", noting(functional.conv2d)),
        patch.object(functional, "linear", noting(functional.linear)),
    ):
        job()

    def alone() -> None:
        with torch.inference_mode():
            for real, x, arguments, named in calls:
                real(x, *arguments, **named)

    return alone


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _features(network: str, measured: tuple[float, float, float]) -> None:
    ours, peer, alone = measured
    _print(f"{network} features, ms a picture", ours, peer, "≥ 2 x, or convolutions ≥ 80 %")
    print(f"{'  of it the convolutions, measured alone':46}{alone:>10.3g}{alone / ours:>10.0%}")


def _print(what: str, ours: float, peer: float, target: str) -> None:
    print(f"{what:46}{ours:>10.3g}{peer:>10.3g}{peer / ours:>8.2f}  {target}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        score(int(sys.argv[1]))
    else:
        main()
