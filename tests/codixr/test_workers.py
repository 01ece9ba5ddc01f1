"""A pool whose parent is killed leaves no process behind, and what it made can be gone on with."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codixr.data.phantom.archive import write_archive
from codixr.data.shards import hash_file

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
SECONDS = 2.0
"""In which workers are gone."""
PATIENCE = 8
"""Times that, on a machine that is busy with other things."""


def prepare(root: Path) -> list[str]:
    arguments = ["mimic-cxr", "--root", str(root / "archive"), "--out", str(root / "out")]
    arguments += ["--image-size", "256", "--workers", "2", "--shard-size", "4"]
    return [sys.executable, "-m", "codixr.cli", "prepare", *arguments]


def render(root: Path) -> list[str]:
    code = (
        "from pathlib import Path; from codixr.data.phantom import PhantomDataset as D;"
        "from codixr.modality import Modality as M;"
        f"D('test', size=256, limit=400, cache_dir=Path({str(root / 'out')!r})).images(M.F)"
    )
    return [sys.executable, "-c", code]


def label(root: Path) -> list[str]:
    table = root / "reports.csv"
    if not table.exists():
        with table.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "report"])
            rows.writerows([i, "Small left pleural effusion. " * 20] for i in range(60_000))
    out = ["--workers", "2", "--output", str(root / "labels.csv")]
    return [sys.executable, "-m", "codixr_bench.cli", "label", str(table), *out]


POOLS = {"preparation": prepare, "rendering": render, "labeling": label}


def offspring(parent: int) -> set[int]:
    """The processes below ``parent``, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(after[1]), []).append(int(entry.name))
    found, waiting = set(), [parent]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def alive(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.add(pid)
    return found


def gone(pids: set[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pids)


def kill_when_it_works(command: list[str], by: signal.Signals, busy: float = 0.5) -> set[int]:
    """Start it, let its pool work for ``busy`` seconds, end it by a signal; its offspring."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(by, signal.SIG_DFL) if by != signal.SIGKILL else None,
    )
    end = time.monotonic() + 60
    while len(offspring(process.pid)) < 2 and time.monotonic() < end:
        assert process.poll() is None, "it ended before its pool began"
        time.sleep(0.02)
    time.sleep(busy)
    below = offspring(process.pid)
    assert len(below) >= 2
    os.kill(process.pid, by)
    process.wait(30)
    return below


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pools")
    write_archive(folder / "archive", 120, quiet=True)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_preparation_leaves_no_worker(root):
    assert gone(kill_when_it_works(prepare(root), signal.SIGKILL), PATIENCE * SECONDS)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("by", SIGNALS)
@pytest.mark.parametrize("pool", POOLS)
def test_no_signal_leaves_a_worker_of_any_pool(pool, by, root):
    shutil.rmtree(root / "out", ignore_errors=True)  # all the work is still to be done
    assert gone(kill_when_it_works(POOLS[pool](root), by), PATIENCE * SECONDS)


@pytest.mark.slow
def test_a_preparation_killed_by_each_signal_ends_with_the_same_bytes(root, tmp_path):
    def made(name: str, *signals: signal.Signals) -> dict[str, str]:
        """The files' hashes of a folder that was made after being killed by these signals."""
        out = str(tmp_path / name)
        command = [out if part == str(root / "out") else part for part in prepare(root)]
        for by in signals:
            assert gone(kill_when_it_works(command, by, busy=0.1), PATIENCE * SECONDS)
        subprocess.run(command, check=True, capture_output=True)
        return {path.name: hash_file(path) for path in (tmp_path / name).iterdir()}

    whole = made("whole")
    for by in SIGNALS:
        assert made(by.name, by) == whole
