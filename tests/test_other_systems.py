"""Windows and macOS lack what Linux has: every module is imported, and the main job runs, without.

Both are played on this machine: modules that only POSIX has can't be imported, functions and
signals that only Linux or POSIX has are gone.
"""

import subprocess
import sys

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset, cache
from codixr.modality import Modality

PLAY = """
import importlib, multiprocessing, os, pkgutil, signal, sys

ABSENT = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "readline", "syslog"}
GONE = {
    os: "fork forkpty sched_getaffinity posix_fallocate sync getuid geteuid uname nice killpg "
        "setsid WIFSIGNALED WTERMSIG O_NOCTTY O_DIRECTORY fchmod chown mkfifo statvfs".split(),
    signal: "SIGUSR1 SIGUSR2 SIGHUP SIGALRM SIGCHLD SIGPIPE pthread_sigmask alarm".split(),
}
PACKAGES = ("codixr", "codixr_bench", "codixr_leaderboard")
PLUG_INS = {"codixr_bench.labeler.original"}

def modules():
    for package in map(importlib.import_module, PACKAGES):
        yield package.__name__
        for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not one.name.endswith("__main__"):
                yield one.name

def import_all():
    for name in modules():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in {"ray", "radeval", "wandb", "mlflow"}:
                raise

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

import_all()  # libraries are those of this system
for name in list(sys.modules):
    if name.partition(".")[0] in {*PACKAGES, *ABSENT}:
        del sys.modules[name]
sys.meta_path.insert(0, Absent())
for module, names in GONE.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
import_all()
print(len([n for n in sys.modules if n.partition(".")[0] in PACKAGES]), "imported")
"""
RUN = """
sys.platform = "win32"  # from here on: what our code asks
import msvcrt
from codixr_bench.cli import main
sys.argv = ["codixr-bench", "run", "--task", "T->F", "--model", "noise", "--limit", "4",
            "--metrics", "fid_phantom"]
sys.exit(main())
"""


def play(code: str, folder) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_module_is_imported_without_what_only_posix_has(tmp_path):
    done = play(PLAY, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 300


@pytest.mark.slow
def test_the_main_job_runs_where_there_is_no_fork_and_no_signal_of_posix(tmp_path):
    fake = "class msvcrt: LK_NBLCK = 0; locking = staticmethod(lambda *_: None)\n"
    fake += 'sys.modules["msvcrt"] = msvcrt\n'
    done = play(PLAY + fake + RUN, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "fid_phantom" in done.stdout
    made = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert "runs/phantom-4/T-to-F/noise/result.json" in made
    assert not [name for name in made if set(name) & set('<>:"|?*\\')]  # no name of Windows


def test_workers_that_are_spawned_as_on_macos_render_the_same(tmp_path, monkeypatch):
    alone = PhantomDataset("test", size=64, limit=3, cache_dir=tmp_path / "alone")
    expected = np.array(alone.images(Modality.F))
    asked = []
    known = cache.multiprocessing.get_context
    monkeypatch.setattr(cache, "cores", lambda: 2)
    monkeypatch.setattr(cache, "CHUNK", 2)
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    monkeypatch.setattr(
        cache.multiprocessing, "get_context", lambda way: (asked.append(way), known(way))[1]
    )
    spawned = PhantomDataset("test", size=64, limit=3, cache_dir=tmp_path / "spawned")
    np.testing.assert_array_equal(spawned.images(Modality.F), expected)
    assert asked == ["spawn"]


def test_cores_are_counted_where_a_system_does_not_say_which(monkeypatch):
    from codixr import workers

    monkeypatch.delattr(workers.os, "sched_getaffinity", raising=False)
    assert workers.cores() == (workers.os.cpu_count() or 1)
