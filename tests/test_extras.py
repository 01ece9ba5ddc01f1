"""The core without any extra: the main job runs, and what is missing is one line that names it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.extras import EXTRAS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HIDDEN = (*EXTRAS, "pylibjpeg", "libjpeg", "openjpeg", "rle", "radeval", "wandb", "mlflow")
PROGRAM = f"""
import sys
from importlib.machinery import PathFinder
class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {HIDDEN!r} else super().find_spec(name, path, target)
sys.meta_path[:] = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
import importlib
main = importlib.import_module(sys.argv.pop(1)).main
sys.exit(main(sys.argv[1:]))
"""


def lean(package: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command where no library of an extra can be found."""
    command = [sys.executable, "-c", PROGRAM, f"{package}.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_main_job_runs_with_the_core_alone(tmp_path):
    words = ["run", "--task", "L+T->F", "--model", "codixr", "--limit", "4"]
    done = lean("codixr_bench", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fid_phantom" in done.stdout
    assert (tmp_path / "runs/phantom-4/L+T-to-F/codixr/grid.png").is_file()


def test_a_picture_is_read_and_a_dicom_file_names_its_extra(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "side.png")
    (tmp_path / "scan.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    words = ["generate", "--to", "T", "--out", "out", "--from"]
    assert lean("codixr", *words, "L=side.png", cwd=tmp_path).returncode == 0
    done = lean("codixr", *words, "L=scan.dcm", "--overwrite", cwd=tmp_path)
    assert done.returncode == 2
    line = "codixr generate needs pydicom for this: pip install 'codixr[dicom]'"
    assert done.stderr == f"codixr generate: error: {line}\n"


ASKS = {
    "train": ("codixr", ["train", "all", "--preset", "tiny", "--data", "phantom", "--out", "o"]),
    "plot": ("codixr_bench", ["plot", "intervals", "{row}", "--score", "bleu_4", "--to", "a.svg"]),
    "dicom": ("codixr", ["prepare", "phantom", "--as", "mimic-cxr-tree", "--n", "4", "--out", "o"]),
}


@pytest.mark.parametrize("extra", ASKS)
def test_what_needs_an_extra_names_it_in_one_line(extra, tmp_path):
    package, words = ASKS[extra]
    main = ["run", "--task", "F->T", "--model", "noise", "--limit", "4", "--metrics", "bleu"]
    if extra == "plot":
        assert lean("codixr_bench", *main, "--out", "run", cwd=tmp_path).returncode == 0
    done = lean(package, *(word.format(row="run") for word in words), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"pip install 'codixr[{extra}]'")
    assert "Traceback" not in done.stderr


def test_every_extra_that_is_named_exists_and_brings_its_library():
    extras = PROJECT["optional-dependencies"]
    for module, extra in EXTRAS.items():
        assert any(line.startswith(module) for line in extras[extra]), module
    core = " ".join(PROJECT["dependencies"])
    assert not any(f"{module}>" in core for module in EXTRAS)
    named = {part for line in extras["all"] for part in line.split("[")[1].rstrip("]").split(",")}
    assert named >= set(EXTRAS.values())
