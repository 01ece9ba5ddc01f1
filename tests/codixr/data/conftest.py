"""A fake archive of simulated studies, every oddity in it, and what it becomes: made once."""

import json
from pathlib import Path
from typing import Any

import pytest

from codixr.data.mimic import MimicOptions, plan_mimic
from codixr.data.phantom.archive import KEY_NAME, write_archive
from codixr.data.phantom.archive_oddities import ODDITIES
from codixr.data.preparation_plan import Plan
from codixr.data.shards import prepare
from helpers.mutants import SHARD_SIZE, SIZE


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four studies an oddity: each is there once, in a study of its own."""
    folder = tmp_path_factory.mktemp("archive") / "mimic"
    write_archive(folder, 4 * len(ODDITIES), quiet=True)
    return folder


@pytest.fixture(scope="session")
def key(archive: Path) -> dict[str, Any]:
    return json.loads((archive / KEY_NAME).read_text())


@pytest.fixture(scope="session")
def plan(archive: Path) -> Plan:
    return plan_mimic(MimicOptions(archive, image_size=SIZE), quiet=True)


@pytest.fixture(scope="session")
def prepared(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by one process. Read only: copy it before changing it."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    prepare(plan, folder, shard_size=SHARD_SIZE, quiet=True)
    return folder
