"""The lock file: every published file that codixr can use, where it lies, and what it must be.

``lock.json`` holds addresses (mirrors behind the first), bytes, sha256, licence and purpose. None
of the publishers gives a checksum: each sha256 is what independent public users of a file report.
Of some only the first and last digits were seen (``19da7aaa…f9f1``), of others none: then the
first download is recorded in ``$CODIXR_CACHE/recorded.json``, and a later one must equal it.
"""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError

KINDS = ("weights", "model", "data")


@dataclass(frozen=True)
class LockedFile:
    """One published file."""

    path: str
    """Below its asset's folder."""
    urls: tuple[str, ...]
    """The address, and mirrors."""
    size: int | None
    """Bytes; None where unknown."""
    sha256: str | None
    """Whole; or its ends around ``…``; None where nobody has seen it."""
    elsewhere: tuple[str, ...] = ()
    """Where other libraries keep the same file, below the home folder."""


@dataclass(frozen=True)
class HubRepository:
    """A repository of the Hugging Face hub whose files are not listed one by one."""

    repo: str
    type: str
    revision: str


@dataclass(frozen=True)
class Asset:
    """What is fetched by one name."""

    name: str
    kind: str
    """One of ``KINDS``."""
    purpose: str
    licence: str
    ask: bool
    """Whether the licence has to be accepted by name."""
    files: tuple[LockedFile, ...]
    hub: HubRepository | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the files whose sizes are known; None where none is."""
        known = [file.size for file in self.files if file.size is not None]
        return sum(known) if known else None


@cache
def assets() -> dict[str, Asset]:
    """Every asset of the lock file, by name."""
    path = Path(__file__).with_name("lock.json")
    return {one["name"]: _asset(one) for one in json.loads(path.read_text(encoding="utf-8"))}


def _asset(one: dict[str, Any]) -> Asset:
    files = tuple(
        LockedFile(
            file["path"],
            tuple(file["urls"]),
            file["size"],
            file["sha256"],
            tuple(file.get("elsewhere", ())),
        )
        for file in one["files"]
    )
    hub = HubRepository(**one["hub"]) if "hub" in one else None
    return Asset(
        one["name"],
        one["kind"],
        one["for"],
        one["licence"],
        one.get("ask", False),
        files,
        hub,
    )


def cache_folder() -> Path:
    """``$CODIXR_CACHE``, or ``~/.cache/codixr``."""
    root = os.environ.get("CODIXR_CACHE")
    return Path(root) if root else Path.home() / ".cache" / "codixr"


def folder_of(asset: Asset, to: Path | None = None) -> Path:
    """Where an asset's files go: ``to``/name, or below the cache; weights lie side by side."""
    if to is not None:
        return to / asset.name
    return cache_folder() / ("weights" if asset.kind == "weights" else f"{asset.kind}/{asset.name}")


def matches(found: str, expected: str | None) -> bool:
    """Whether a sha256 is the expected one, as far as that is known."""
    if expected is None:
        return True
    begin, _, end = expected.partition("…")
    return found.startswith(begin) and found.endswith(end)


class Recorded:
    """The sha256 of files that the lock file doesn't know whole, as they first came."""

    def __init__(self) -> None:
        self._path = cache_folder() / "recorded.json"

    def get(self, key: str) -> str | None:
        """What was recorded of ``asset/path``."""
        return self._read().get(key)

    def add(self, key: str, sha256: str) -> None:
        """Record the sha256 of ``asset/path``, once."""
        known = self._read()
        if key not in known:
            content = json.dumps({**known, key: sha256}, indent=2, sort_keys=True)
            make_folder(self._path.parent)
            write_atomically(self._path, content.encode())

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(
                f"'{self._path}' cannot be read ({error}); delete it, and files are recorded anew"
            ) from error
        return {str(key): str(value) for key, value in found.items()}
