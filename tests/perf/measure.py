"""`make perf`: start-up, the main job, the phantom and the readers, measured; prints a table.

Measurements, not tests: nothing fails here. Each line says what is asked for. Commands run in
processes of their own and are timed by the clock; peak memory is the largest resident set of the
command and its children. Functions are timed by the processor, so that neighbours count less.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    what: str
    values: list[float]
    unit: str
    target: str
    memory: float | None = None
    """Peak, in GB."""


def main() -> None:
    """Measure everything that is there, and print the table line by line."""
    print(f"{'what':44}{'median':>10}{'least':>10}{'most':>10}  {'peak':>8}  target")
    for measure in (start_up, main_job, phantom, openi, dicom):
        try:
            for found in measure():
                print(_line(found), flush=True)
        except Exception as error:
            print(f"{measure.__name__:44}not measured: {type(error).__name__}: {error}", flush=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"\n{cores} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")


def _line(found: Measurement) -> str:
    numbers = (statistics.median(found.values), min(found.values), max(found.values))
    shown = "".join(f"{number:>10.3g}" for number in numbers)
    memory = f"{found.memory:>5.2f} GB" if found.memory is not None else " " * 8
    return f"{found.what + ', ' + found.unit:44}{shown}  {memory}  {found.target}"


def start_up() -> list[Measurement]:
    """Seconds until --help has answered."""
    return [
        Measurement(
            f"{program} --help",
            [_run([program, "--help"])[0] for _ in range(7)],
            "s",
            "< 0.5 s",
        )
        for program in ("codixr", "codixr-bench")
    ]


def main_job() -> list[Measurement]:
    """The README's command in a folder without a run: before and after the pictures are cached."""
    command = ["codixr-bench", "run", "--task", "L+T->F", "--model", "codixr", "--limit", "64"]
    found = []
    with tempfile.TemporaryDirectory() as cache:
        for what, caches in (
            ("main job, first time", [f"{cache}/{i}" for i in range(3)]),
            ("main job, pictures cached", [f"{cache}/0"] * 3),
        ):
            runs = [_run(command, folder) for folder in caches]
            seconds, memory = [run[0] for run in runs], max(run[1] for run in runs)
            found.append(Measurement(what, seconds, "s", "< 60 s on two cores, < 2 GB", memory))
    return found


def phantom() -> list[Measurement]:
    """Milliseconds a study, both views and the report, rendered anew in one process."""
    from codixr.data.phantom import PhantomDataset

    values = []
    for first in range(0, 96, 32):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["CODIXR_CACHE"] = cache
            dataset = PhantomDataset("val", limit=96)
            studies = range(first, first + 32)
            values.append(_timed(lambda d=dataset, s=studies: [d[i] for i in s]) * 1000 / 32)
    return [Measurement("phantom, a study at 64×64", values, "ms", "< 15 ms on one core")]


def openi() -> list[Measurement]:
    """Seconds to read all reports, the first time."""
    from codixr.data import openi as source

    def read() -> None:
        source._read_archive.cache_clear()
        source.OpenIDataset()

    return [Measurement("openi, 3,921 reports", [_timed(read) for _ in range(5)], "s", "< 2 s")]


def dicom() -> list[Measurement]:
    """Milliseconds to read one real chest, beside the same steps in plain pydicom and Pillow."""
    import data_store  # the package pydicom-data
    import numpy as np
    import pydicom
    from PIL import Image

    from codixr.data.picture import read_picture

    path = Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm"

    def plain() -> None:
        dataset = pydicom.dcmread(path)
        pixels = 1 - dataset.pixel_array.astype(np.float32) / (2**dataset.BitsStored - 1)
        height, width = pixels.shape
        left = (height - width) // 2
        square = np.pad(pixels, ((0, 0), (left, height - width - left)))
        np.asarray(Image.fromarray(square).resize((256, 256), Image.Resampling.BILINEAR))

    return [
        Measurement(name, [_timed(job) * 1000 for _ in range(7)], "ms", target)
        for name, job, target in (
            ("a real DICOM chest to 256×256", lambda: read_picture(path, 256), "≤ plain"),
            ("the same, plain pydicom and Pillow", plain, ""),
        )
    ]


def _timed(job: Callable[[], object]) -> float:
    """Processor seconds of this process, all threads."""
    began = time.process_time()
    job()
    return time.process_time() - began


def _run(command: list[str], cache: str | None = None) -> tuple[float, float]:
    """(seconds, peak GB) of one of our commands, in an empty folder."""
    environment = dict(os.environ) if cache is None else {**os.environ, "CODIXR_CACHE": cache}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(message.decode().strip().splitlines()[-1])
    return seconds, _gigabytes(usage)


def _gigabytes(usage: resource.struct_rusage) -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * scale / 1e9


if __name__ == "__main__":
    main()
