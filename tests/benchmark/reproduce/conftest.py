"""One bundle, made once from drawn pictures; tests edit copies of it."""

import hashlib
import json
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.reproduce.manifest import BUNDLE_NAME
from helpers.bundle_edits import copied
from helpers.reproduce_fakes import served_openi

ASKED = ["reproduce", "openi", "--models", "real,constant,noise", "--task", "T->F,F->T"]
ACCEPTED = [*ASKED, "--accept", "openi-pictures", "--workers", "1"]


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    with served_openi(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="session")
def made(served, tmp_path_factory) -> tuple[Path, str]:
    """The whole command's bundle, and the sha256 of its manifest."""
    out = tmp_path_factory.mktemp("reproduced") / "openi"
    assert main([*ACCEPTED, "--out", str(out)]) == 0
    bundle = out / "bundle"
    manifest = json.loads((bundle / BUNDLE_NAME).read_bytes())
    assert manifest["track"]["n"] == 48
    return bundle, hashlib.sha256((bundle / BUNDLE_NAME).read_bytes()).hexdigest()


@pytest.fixture
def forged(made, tmp_path) -> Path:
    """A copy to be edited."""
    return copied(made[0], tmp_path / "bundle")
