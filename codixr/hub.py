"""Snapshots from the Hugging Face hub."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codixr.errors import InputError
from codixr.user_paths import is_there

NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w./-]+))?")
"""``ORG/NAME``, or ``ORG/NAME@REVISION``."""
COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that stays what it is."""
PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.md")
"""Weights, configurations and vocabularies; no pickles, and no code."""


def named(source: str | Path) -> tuple[str, str | None] | None:
    """(``ORG/NAME``, revision) where a source is one of the hub's; None where it is a path.

    What begins with a folder that is here is a path: a misspelt one is never asked of a network.
    """
    found = NAME.fullmatch(str(source))
    if found is None or is_there(Path(source).parts[0]):
        return None
    return found[1], found[2]


def download(
    name: str, revision: str | None, patterns: Sequence[str] = PATTERNS, **options: Any
) -> Path:
    """A hub's snapshot of these files; InputError where it does not answer.

    ``options`` are huggingface_hub's: ``token``, ``cache_dir``, ``local_files_only``, ...
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        wanted = list(patterns)
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, **options))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        pinned = f" --revision {revision}" if revision else ""
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"'{name}' is not a folder here, and the Hugging Face hub did not give it ({reason}); "
            f"offline, run `hf download {name}{pinned} --local-dir DIR` on a machine that is "
            "online, and give that folder"
        ) from None


def snapshot_revision(folder: Path) -> str | None:
    """The commit of a snapshot's folder in the hub's cache; None for another folder."""
    return folder.name if COMMIT.fullmatch(folder.name) else None
