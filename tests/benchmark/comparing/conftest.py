"""Runs to compare."""

from pathlib import Path

import numpy as np
import pytest

from helpers.compare_fakes import simulate, write_run


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Old, an equal one, and a worse one, on 400 studies."""
    old, equal = simulate(np.random.default_rng(0), 400)
    worse, _ = simulate(np.random.default_rng(0), 400, worse={0: 0.3})
    named = {"old": old, "equal": equal}
    found = {name: write_run(tmp_path / name, columns) for name, columns in named.items()}
    # The same draws but for the useless ones: the labels are the same studies'.
    return found | {"worse": write_run(tmp_path / "worse", worse)}
