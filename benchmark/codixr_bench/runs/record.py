"""A run's fingerprint: what has to be equal for two runs to make the same samples."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from codixr.errors import InputError
from codixr_bench.hooks import Setting

RECORD_NAME = "run.json"
_WORDS = {
    "track_fingerprint": "track data",
    "model_version": "model version",
    "checkpoint_sha256": "checkpoint",
    "chunk_size": "chunk size",
    "n": "number of studies",
}


@dataclass(frozen=True)
class RunRecord:
    """Everything that decides the samples of a run, and nothing about any study.

    The batch size is not here: it may differ between a run and its continuation, because a study's
    noise does not depend on it.
    """

    task: str
    """Canonical, e.g. ``L+T->F``."""
    track: str
    track_version: str
    track_fingerprint: str
    """sha256 of the recipe of the evaluated studies."""
    split: str
    n: int
    seed: int
    model: str
    model_version: str
    checkpoint_sha256: str | None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    chunk_size: int = 64
    sample: int = 0
    """Which of a study's samples: 0 is the first."""

    def to_json(self) -> bytes:
        """UTF-8 JSON with sorted keys: equal records, equal bytes."""
        content = asdict(self)
        if not self.sample:
            # As before there were several: a run made then goes on now.
            del content["sample"]
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()

    @staticmethod
    def from_json(path: Path) -> "RunRecord":
        """Read a record; InputError for a file that is not one."""
        cure = "use another --out, or --overwrite to start anew"
        try:
            raw: Any = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"'{path}' is not a readable run record; {cure}") from error
        names = {f.name for f in fields(RunRecord)}
        if not isinstance(raw, dict) or set(raw) | {"sample"} != names:
            raise InputError(f"'{path}' is a record of another version of codixr-bench; {cure}")
        return RunRecord(**raw)

    def differences(self, new: "RunRecord") -> list[str]:
        """What differs from ``new``, as ``name: old → new``; empty when they are equal."""
        old_flat, new_flat = _flat(self), _flat(new)
        names = list(old_flat) + [name for name in new_flat if name not in old_flat]
        return [
            f"{_WORDS.get(name, name)}: {_shown(old_flat.get(name))} → {_shown(new_flat.get(name))}"
            for name in names
            if old_flat.get(name) != new_flat.get(name)
        ]


def _flat(record: RunRecord) -> dict[str, Setting]:
    values = asdict(record)
    settings: dict[str, Setting] = values.pop("settings")
    return values | {f"setting {name}": value for name, value in settings.items()}


def _shown(value: Setting) -> str:
    if value is None:
        return "none"
    text = str(value)
    # A hash is told apart by its beginning; the whole of it hides the rest of the line.
    return f"{text[:10]}…" if len(text) == 64 and " " not in text else text
