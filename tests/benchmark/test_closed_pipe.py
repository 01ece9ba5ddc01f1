"""A reader of a command's output that goes away, as ``| head`` does, ends the command quietly."""

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.compare_fakes import simulate, write_run

COMMANDS = [
    ("codixr", "--help"),
    ("codixr", "info"),
    ("codixr_bench", "run", "--help"),
    ("codixr_bench", "show", "new"),
    ("codixr_bench", "show", "new", "--json"),
    ("codixr_bench", "check", "new", "--against", "old", "--format", "junit"),
    ("codixr_bench", "label", "--explain", "No effusion."),
    ("codixr_bench", "table", "II"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, columns in zip(("new", "old"), simulate(np.random.default_rng(0), 60), strict=True):
        write_run(folder / name, columns)
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_whose_reader_went_away_says_nothing_and_ends_as_the_signal_would(runs, words):
    read, write = os.pipe()
    os.close(read)
    package, *rest = words
    done = subprocess.run(
        [sys.executable, "-m", package, *rest],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=runs,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        check=False,
    )
    os.close(write)
    noted = [line for line in done.stderr.decode().splitlines() if ": note: " not in line]
    assert (done.returncode, noted) == (128 + 13, [])


def test_a_reader_of_notes_that_went_away_is_no_crash_either(runs):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "codixr_bench", "show", "nowhere"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, cwd=runs, check=False)
    os.close(write)
    assert (done.returncode, done.stdout) == (128 + 13, b"")
