import subprocess
import sys

import pytest

from codixr.locks import lock_folder, unlock

WITHOUT_POSIX = """
import sys
forbidden = {"fcntl", "pwd", "grp", "resource", "termios", "torch", "torchvision", "diffusers",
             "transformers", "torchxrayvision", "torch_fidelity"}
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in forbidden:
            raise ModuleNotFoundError(f"forbidden here: {name}")
sys.modules.pop("fcntl", None)
sys.meta_path.insert(0, Forbid())
import codixr.cli, codixr.workers, codixr.data.shards, codixr_bench.cli
from codixr_bench.runs import store, supervision
for name in codixr_bench.cli.COMMANDS:
    codixr_bench.cli.load(name)
assert not forbidden & set(sys.modules) - {"pwd", "grp"}, forbidden & set(sys.modules)
"""


def test_a_folder_has_one_holder_at_a_time_and_goes_to_the_next_when_it_ends(tmp_path):
    handle = lock_folder(tmp_path)
    with pytest.raises(BlockingIOError):
        lock_folder(tmp_path)
    lock = f"lock_folder(Path({str(tmp_path)!r}))"
    other = f"from pathlib import Path; from codixr.locks import lock_folder; {lock}"
    refused = subprocess.run([sys.executable, "-c", other], capture_output=True, check=False)
    assert b"BlockingIOError" in refused.stderr
    unlock(handle)
    subprocess.run([sys.executable, "-c", other], check=True)
    unlock(lock_folder(tmp_path))


def test_every_command_is_imported_where_there_is_no_fcntl_and_no_torch():
    """As on Windows: what only POSIX has, and what is heavy, waits until it is used."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
