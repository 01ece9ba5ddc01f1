"""``bundle.json``: what a bundle holds, file by file, under one sha256.

The manifest names every other file with its bytes and sha256, so its own sha256 stands for the
whole folder: whoever was told it finds any change of any byte. Imports no torch.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from codixr.errors import InputError
from codixr_bench.result import Digest, Name, TrackInfo, Value
from codixr_bench.result_files import WrongFieldsError, parse, read_bytes, read_strict

BUNDLE_NAME = "bundle.json"
RESULTS, SUMS = "results", "sums"
MOST_FILES = 2_000
_PART = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}"
FilePath = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART}){{0,2}}$")]
"""Below the bundle: letters, digits and ``_ . + -``, two folders deep at most."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundleFile(_Part):
    """One file of the bundle."""

    bytes: int = Field(ge=0)
    sha256: Digest


class BundleModel(_Part):
    """A model, and how it was asked for."""

    name: Name
    version: Name
    folder: Annotated[str, StringConstraints(pattern=rf"^{_PART}$")]
    """Of its results."""
    spec: Value
    """As ``--models`` had it, a path by its last name only."""


class Bundle(_Part):
    """The whole manifest."""

    schema_version: Literal[1] = 1
    track: TrackInfo
    simulated: bool
    models: tuple[BundleModel, ...] = Field(min_length=1, max_length=200)
    tasks: tuple[Value, ...] = Field(min_length=1, max_length=24)
    """Asked for; a model that can't serve one has no result of it."""
    options: tuple[Value, ...]
    """Of the command, beside the track and the models: ``--seed 0``, ``--limit 100``."""
    files: dict[FilePath, BundleFile]

    def to_json(self) -> bytes:
        """UTF-8 JSON; equal bundles give equal bytes."""
        content = self.model_dump(mode="json")
        return json_bytes(content | {"files": dict(sorted(content["files"].items()))})


def json_bytes(content: object) -> bytes:
    """As every JSON file of a bundle is written."""
    return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def files_of(contents: Mapping[str, bytes]) -> dict[str, BundleFile]:
    """Path -> size and sha256."""
    return {
        path: BundleFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in contents.items()
    }


def read_bundle(folder: Path) -> tuple[Bundle, str]:
    """The manifest in ``folder``, and its sha256; InputError for one that isn't strictly that."""
    path = folder / BUNDLE_NAME
    what = f"'{path}'"
    content = read_bytes(path, what)
    try:
        bundle = parse(Bundle, read_strict(content, what), what)
    except WrongFieldsError as error:
        first = error.details[0]
        where = ".".join(part if _plain(part) else "?" for part in map(str, first["loc"]))
        raise InputError(
            f"{what}: {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from error
    return bundle, hashlib.sha256(content).hexdigest()


def is_bundle(path: Path) -> bool:
    """Whether a folder holds a bundle."""
    return (path / BUNDLE_NAME).is_file()


def _plain(part: str) -> bool:
    return re.fullmatch(r"[\w.]{1,40}", part, re.ASCII) is not None
