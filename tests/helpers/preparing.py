"""A plan prepared in small shards, and a copy of a prepared folder."""

import shutil
from pathlib import Path

from codixr.data.manifest import Manifest
from codixr.data.preparation_plan import Plan
from codixr.data.shards import prepare
from helpers.mutants import SHARD_SIZE


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def make(plan: Plan, folder: Path, **options: object) -> Manifest:
    return prepare(plan, folder, **{"shard_size": SHARD_SIZE, "quiet": True} | options)
