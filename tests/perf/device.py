"""`python tests/perf/device.py [DEVICE]`: a device against the CPU, on a machine that has one.

Not part of `make perf`: it needs a GPU (`auto` takes the best there is). For each network of random
weights, and the phantom's judges: the largest difference of a feature, relative to the features'
size, and milliseconds a picture on both. Then one run of the embedded model on both: the largest
difference of a picture, and of each score. Prints what it finds; exit code 1 where a difference is
over its limit (docs/gpu.md). Where there is a CPU only, every part is run twice on it at a small
size, which shows that the script works and nothing else, and it says so.
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers, as pytest finds them

FEATURES = 1e-4
"""Limit of a feature's difference, relative to the norm of the picture's features."""
PICTURES = 1e-2
"""Of a pixel after 25 steps of sampling: rounding grows from step to step."""
SCORES = 1e-2
"""Of a score, relative to the CPU's, or to 0.1 where that is smaller."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pictures: int
    """For each network."""
    studies: int
    """Of the embedded model's run."""


ON_A_DEVICE, ON_THE_CPU = Size(pictures=64, studies=32), Size(pictures=4, studies=4)


def main(asked: str) -> int:
    """Compare features and a run; 1 where something differs by more than its limit."""
    from codixr_bench.backbones import placement

    placement.use(asked)
    print(f"{placement.described()} against cpu", flush=True)
    size = ON_A_DEVICE
    if placement.device().type == "cpu":
        size = ON_THE_CPU
        print(
            f"no GPU here: the CPU against itself on {size.pictures} pictures and {size.studies} "
            "studies; differences between devices, and a device's speed, stay unmeasured"
        )
    failed = False
    levels = np.random.default_rng(0).integers(0, 256, (size.pictures, 1, 256, 256), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for name, forward in networks(Path(folder)):
            placement.use("cpu")
            expected, slow = _timed(forward, levels)
            placement.use(asked)
            found, fast = _timed(forward, levels)
            away = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
            failed |= bool(away.max() > FEATURES)
            said = f"{name:16} differs by {away.max():.1e}; cpu {slow:.1f}, here {fast:.2f} ms each"
            print(said, flush=True)
        failed |= run(asked, Path(folder), size.studies)
    return int(failed)


def networks(folder: Path) -> list[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Name -> what turns pictures into features, nothing remembered."""
    import torch

    from codixr.modality import Modality
    from codixr_bench.backbones.phantom_judge import JudgePass
    from codixr_bench.backbones.published import PublishedBackbone
    from codixr_bench.backbones.second_judge import SecondJudgePass
    from helpers.backbone_fakes import (
        dino_state,
        inception_peer,
        rad_dino_folder,
        saved,
        xrv_peer,
    )

    files = {"inception": saved(inception_peer(), folder / "a.pth")}
    files["xrv"] = saved(xrv_peer(), folder / "b.pth")
    torch.save(dino_state(), folder / "c.pth")
    files["dinov2-s"] = folder / "c.pth"
    files["rad-dino"] = rad_dino_folder(folder / "d", layers=4, patch=14)
    found: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = []
    for name, file in files.items():
        backbone = PublishedBackbone(name, file, allow_unpinned=True).load()
        found.append((name, backbone._forward))  # type: ignore[attr-defined]
    found += [
        ("phantom", JudgePass(Modality.F)._forward),
        ("phantom-second", SecondJudgePass(Modality.F)._forward),
    ]
    return found


def run(asked: str, folder: Path, studies: int) -> bool:
    """The embedded model on both devices; True where they differ too much."""
    from codixr_bench.cli import main as bench
    from codixr_bench.runs.store import SampleStore

    results, pictures = [], []
    for place, device in enumerate(("cpu", asked)):
        out = folder / f"run-{place}"
        command = ["run", "--task", "T->F", "--model", "codixr", "--limit", str(studies)]
        with redirect_stdout(io.StringIO()):
            code = bench([*command, "--seed", "1", "--device", device, "--out", str(out)])
        if code:
            raise SystemExit(code)
        results.append(json.loads((out / "result.json").read_text())["scores"])
        batches = SampleStore.open(out / "samples").batches()
        pictures.append(np.stack([one["F"] for _, batch in batches for one in batch]))
    away = float(np.abs(pictures[0] - pictures[1]).max())
    print(f"samples: a pixel differs by {away:.1e} at most")
    failed = away > PICTURES
    for one, other in zip(*results, strict=True):
        if one["value"] is None:
            continue
        apart = abs(one["value"] - other["value"]) / max(abs(one["value"]), 0.1)
        failed |= apart > SCORES
        print(f"{one['name']:32} {one['value']:.6g} {other['value']:.6g}  {apart:.1e}")
    return failed


def _timed(
    forward: Callable[[np.ndarray], np.ndarray], levels: np.ndarray
) -> tuple[np.ndarray, float]:
    """Features of the pictures, and milliseconds a picture of a second pass."""
    pictures = levels / np.float32(255)
    forward(pictures[:8])
    began = time.perf_counter()
    made = forward(pictures)
    features = np.asarray(getattr(made, "features", made), dtype=np.float64)
    return features, (time.perf_counter() - began) * 1000 / len(levels)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "auto"))
