"""What works without torch: label, check, verify, submit, the site, and looking at results."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.compare_fakes import simulate, write_run

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torchvision", "diffusers", "transformers", "torchxrayvision", "torch_fidelity",
         "accelerate", "tensorboard")  # fmt: skip
LIGHT = f"""
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Forbid())
from codixr_bench.cli import main
sys.exit(main(sys.argv[1:]))
"""


def light(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIGHT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_reports_are_labelled_without_torch(tmp_path):
    (tmp_path / "r.csv").write_text("report\nNo pneumothorax. Small pleural effusion.\n")
    done = light("label", "r.csv", "--column", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, row = (line.split(",") for line in done.stdout.splitlines())
    found = dict(zip(head, row, strict=True))
    assert (found["Pneumothorax"], found["Pleural Effusion"]) == ("0.0", "1.0")


def test_a_gate_and_a_comparison_run_without_torch(tmp_path):
    new, old = simulate(np.random.default_rng(0), 300, worse={0: 0.6})
    write_run(tmp_path / "new", new)
    write_run(tmp_path / "old", old)
    assert light("check", "new", "--against", "old", cwd=tmp_path).returncode == 1
    assert light("check", "old", "--against", "new", cwd=tmp_path).returncode == 0
    done = light("compare", "new", "old", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").is_file()
    assert light("show", "new", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", ROOT / "leaderboard/results/phantom/noise.json"),
        pytest.param(("site", ROOT / "leaderboard/results", "out"), marks=pytest.mark.slow),
    ],
    ids=["verify", "site"],
)
def test_the_leaderboard_works_without_torch(tmp_path, arguments):
    done = light(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_submit_reaches_its_checks_without_torch(tmp_path):
    """A simulated run of 300 studies is refused for what it is, not for a module."""
    (columns,) = simulate(np.random.default_rng(0), 300, models=1)
    write_run(tmp_path / "run", columns)
    done = light("submit", "run", "--to", "there", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "is refused" in done.stderr
    assert "No module" not in done.stderr


def test_what_needs_torch_says_so_in_one_line(tmp_path):
    done = light("generate", "--task", "T->F", "--model", "codixr", "--limit", "2", cwd=tmp_path)
    assert done.returncode == 2
    said = "codixr-bench generate needs torch, which this installation lacks: pip install codixr"
    assert done.stderr.splitlines()[-1] == f"codixr-bench: error: {said}"
    assert "Traceback" not in done.stderr
