"""One bundle, made once from drawn pictures; tests edit copies of it."""

import hashlib
import json
from pathlib import Path

import pytest

from codixr_bench.cli import main
from codixr_bench.reproduce.manifest import BUNDLE_NAME
from helpers.bundle_edits import copied
from helpers.reproduce_fakes import moved_to, openi_server

ASKED = ["reproduce", "openi", "--models", "real,constant,noise", "--task", "T->F,F->T"]
ACCEPTED = [*ASKED, "--accept", "openi-pictures", "--workers", "1"]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server, its folder and its files; nothing else of the process knows of it."""
    root = tmp_path_factory.mktemp("served")
    with openi_server(root) as (served, files):
        yield served, root, files


@pytest.fixture(autouse=True)
def served(server):
    """The server; for each test here, and no other of the process, everything looks there."""
    with moved_to(*server):
        yield server[0]


@pytest.fixture(scope="session")
def made(server, tmp_path_factory) -> tuple[Path, str]:
    """The whole command's bundle, and the sha256 of its manifest."""
    out = tmp_path_factory.mktemp("reproduced") / "openi"
    with moved_to(*server):
        assert main([*ACCEPTED, "--out", str(out)]) == 0
    bundle = out / "bundle"
    manifest = json.loads((bundle / BUNDLE_NAME).read_bytes())
    assert manifest["track"]["n"] == 48
    return bundle, hashlib.sha256((bundle / BUNDLE_NAME).read_bytes()).hexdigest()


@pytest.fixture
def forged(made, tmp_path) -> Path:
    """A copy to be edited."""
    return copied(made[0], tmp_path / "bundle")
