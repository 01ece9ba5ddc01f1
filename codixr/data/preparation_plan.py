"""What a track hands to the preparation: the studies, how to make each, and what is lost."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codixr.data.manifest import SourceFile, Step
from codixr.data.shard_file import Row
from codixr.data.study import SPLITS, Split

SHARD_SIZE = 128
"""Studies: about 34 MB at 256×256; an interrupted worker loses at most one shard."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that could not be used: its id, where it failed, and why (no path, no text)."""

    item: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one study: a row, or None and the ledger's word for why not."""

    row: Row | None
    lost: str = ""
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that decides what is written.

    ``items``: split -> what ``make`` needs to make each study, in order; their ``repr`` has to be
    the same on every run. ``make`` is sent to other processes, hence a function of a module or a
    frozen dataclass with ``__call__``. ``recipe``: what changes the content, for the fingerprint.
    ``ledger`` and ``rejects``: those of the steps before; the last step is added here.
    """

    track: str
    version: str
    simulated: bool
    image_size: int
    recipe: Mapping[str, Any]
    items: Mapping[Split, Sequence[Any]]
    make: Callable[[Any], Made]
    sources: Mapping[str, SourceFile] = field(default_factory=dict)
    ledger: tuple[Step, ...] = ()
    rejects: tuple[Reject, ...] = ()
    label_policy: str = "raw"

    def key(self, shard_size: int = SHARD_SIZE) -> str:
        """sha256 of all that changes the shards' bytes; the label policy doesn't."""
        digest = hashlib.sha256()
        head = {
            "track": self.track,
            "version": self.version,
            "size": self.image_size,
            "recipe": dict(self.recipe),
            "shard": shard_size,
        }
        digest.update(json.dumps(head, sort_keys=True).encode())
        for split in SPLITS:
            for item in self.items.get(split, ()):
                digest.update(f"{split} {item!r}\n".encode())
        return digest.hexdigest()


def reject_reason(error: Exception, path: Path) -> str:
    """What went wrong with a file, without its path, which may name a patient."""
    if getattr(error, "fault", None) in ("missing", "broken-link"):
        return "file missing"
    if isinstance(error, OSError):
        return "file missing" if isinstance(error, FileNotFoundError) else "file cannot be read"
    return str(error).removeprefix(f"{path}: ")
