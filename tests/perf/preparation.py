"""Preparing data, measured: files a second beside plain pydicom and Pillow, reading, memory.

`python tests/perf/preparation.py` prints a table. Both sides read the same files in the same run,
in turns, and are timed by the processor, so that neighbours count less; JPEG 2000 by the clock,
since ours decodes it in another process. Sources: the real chest of the package pydicom-data
(1841×1955), and a simulated film of 2500×2048 pixels whose spacing has to be resampled.
"""

import hashlib
import importlib.util
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from codixr.data.phantom.archive_dicom import Film, film_bytes
from codixr.data.picture import fit_file
from codixr.data.preparation_plan import Made, Plan
from codixr.data.prepared import PreparedDataset
from codixr.data.shard_file import Row
from codixr.data.shards import prepare
from codixr.data.study import Study

ROUNDS = 7
SIZE = 256


def plain(path: Path) -> NDArray[np.float32]:
    """The paper's steps, one by one: what anybody would write first."""
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.astype(np.float32)
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or (0, 0)
    if spacing[0] > 0 and abs(spacing[0] - 0.139) > 1e-3:
        height, width = (
            round(n * float(s) / 0.139) for n, s in zip(pixels.shape, spacing, strict=True)
        )
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized)
    largest = np.float32(2**dataset.BitsStored - 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        pixels = largest - pixels
    pixels = pixels / largest
    height, width = pixels.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.pad(pixels, ((top, side - height - top), (left, side - width - left)))
    return np.asarray(Image.fromarray(square).resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def ours(path: Path) -> NDArray[np.float32]:
    """What the preparation does with a file."""
    return fit_file(path, SIZE, path.read_bytes()).image[0]


def ours_and_hash(path: Path) -> NDArray[np.float32]:
    """The same, with the sha256 of the source that each row carries."""
    content = path.read_bytes()
    hashlib.sha256(content).hexdigest()
    return fit_file(path, SIZE, content).image[0]


def main() -> None:
    """Measure, and print line by line."""
    found = importlib.util.find_spec("data_store")
    assert found is not None
    real = Path((found.submodule_search_locations or [""])[0]) / "data"
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.dcm"
        large.write_bytes(large_film())
        print(f"{'DICOM to 256x256, ms a file':34}{'plain':>9}{'ours':>9}{'+hash':>9}{'ratio':>9}")
        compare("large film, 0.168 mm", large, time.process_time)
        compare("real chest, no spacing", real / "RG1_UNCR.dcm", time.process_time)
        compare("real chest, JPEG 2000 (clock)", real / "RG1_J2KR.dcm", time.perf_counter)
        reading(Path(folder) / "data")


def large_film() -> bytes:
    """A simulated film of realistic size, uncompressed."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1667, 1365), dtype=np.uint8)
    film = Film(pixels, 12, True, 0.168, (0, 0), pydicom.uid.ExplicitVRLittleEndian)
    return film_bytes(film, "00000001-00000002-00000003-00000004-00000005")


def compare(name: str, path: Path, clock: Callable[[], float]) -> None:
    """One line: least milliseconds of each side, their ratio (target: 2 or more), agreement."""
    sides = (plain, ours, ours_and_hash)
    apart = np.abs(plain(path).astype(np.float64) - ours(path)).max() * 65535
    times: dict[str, list[float]] = {side.__name__: [] for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            times[side.__name__].append(seconds(lambda run=side: run(path), clock) * 1000)
    least = [min(times[side.__name__]) for side in sides]
    cells = "".join(f"{value:>9.1f}" for value in least)
    print(f"{name:34}{cells}{least[0] / least[1]:>8.1f}x  {apart:.2f} levels apart", flush=True)


def reading(folder: Path) -> None:
    """Milliseconds a study in random order, and how the memory grows over it."""
    plan = Plan("random", "1", True, SIZE, {}, {"train": range(256)}, make=random_row)
    prepare(plan, folder, workers=1, quiet=True)
    dataset = PreparedDataset(folder, "train")
    order = np.random.default_rng(0).integers(0, len(dataset), 400).tolist()
    for index in order[:50]:
        dataset[index]
    before = resident()
    times = [seconds(lambda i=i: dataset[i]) * 1000 for i in order]
    growth = resident() - before
    print(
        f"{'dataset[i] at 256x256, ms':34}median {statistics.median(times):.2f}, "
        f"least {min(times):.2f} (target: under 2); memory +{growth:.0f} MB in 400 reads"
    )


def random_row(index: int) -> Made:
    """Noise: nothing in it can be compressed."""
    frontal, lateral = np.random.default_rng(index).random((2, 1, SIZE, SIZE), np.float32)
    name = f"{index:08d}"
    return Made(Row(Study(name, name, "train", frontal, lateral, "No acute disease. " * 12)))


def seconds(job: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """How long a job takes by that clock."""
    began = clock()
    job()
    return clock() - began


def resident() -> float:
    """Peak resident memory so far, MB."""
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


if __name__ == "__main__":
    main()
