"""``manifest.json``: what a prepared folder holds, without a patient in it.

Notable:
- No identifier, text, path or date of its making: two preparations of the same files by the same
  recipe write the same bytes.
- A split's ``commitment`` is the sha256 over its sorted study ids. Two sites that hold the data can
  show that they have the same split. It covers the whole list, never one study, and is left out
  for fewer than ``LEAST_COMMITTED`` real studies: a short list of eight-digit ids can be guessed.
- The ledger's numbers add up, step by step; a manifest whose numbers don't is refused.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from codixr.atomic import write_atomically
from codixr.data.study import SPLITS, Split
from codixr.errors import InputError

MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 2
LEAST_COMMITTED = 10


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shard(_Record):
    """One Parquet file of the folder."""

    file: str
    split: Split
    studies: int
    sha256: str


class LabelCounts(_Record):
    """How many studies of a split have each value of one observation."""

    positive: int = 0
    negative: int = 0
    uncertain: int = 0
    unknown: int = 0


class SplitSummary(_Record):
    """What is in one split."""

    studies: int
    patients: int
    modalities: dict[str, int]
    """F, L and T -> the number of studies that have it."""
    commitment: str | None
    labels: dict[str, LabelCounts]
    """As they are in the shards, before any policy."""


class Step(_Record):
    """One line of the cohort ledger: ``before`` − the sum of ``removed`` = ``after``."""

    name: str
    unit: str
    """images, studies or patients."""
    before: int
    after: int
    removed: dict[str, int] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.before - sum(self.removed.values()) != self.after:
            raise ValueError(f"ledger step '{self.name}' does not add up")
        return self


class SourceFile(_Record):
    """A table or an archive that the preparation read."""

    sha256: str
    rows: int | None = None


class Manifest(_Record):
    """The whole file. ``recipe`` holds every choice that changes what is in the shards."""

    format_version: int = FORMAT_VERSION
    track: str
    track_version: str
    simulated: bool
    image_size: int
    label_policy: str = "raw"
    """What readers make of the shards' labels, which are the labeler's own (``labels.py``)."""
    recipe: dict[str, Any]
    sources: dict[str, SourceFile]
    splits: dict[Split, SplitSummary]
    shards: list[Shard]
    ledger: list[Step]
    rejects: dict[str, int]
    """``stage: reason`` -> how many; the items themselves are in rejects.csv."""
    rejects_sha256: str
    notes: dict[str, int]
    """What readers noted about pictures that were kept -> how many."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for split in SPLITS:
            studies = sum(shard.studies for shard in self.shards if shard.split == split)
            if studies != (self.splits[split].studies if split in self.splits else 0):
                raise ValueError(
                    f"the shards of '{split}' hold another number of studies: {studies}"
                )
        files = [shard.file for shard in self.shards]
        if len(set(files)) != len(files) or any(Path(file).name != file for file in files):
            raise ValueError("a shard's name is there twice, or is a path")
        return self

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` atomically; InputError when the disk is full."""
        text = self.model_dump_json(indent=1) + "\n"
        write_atomically(folder / MANIFEST_NAME, text.encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest in ``folder``.

        InputError when the folder or file is missing, isn't a manifest, or is of another version.
        """
        path = folder / MANIFEST_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            if not folder.is_dir():
                raise InputError(
                    f"'{folder}': no such folder; `codixr prepare` makes one"
                ) from None
            raise InputError(
                f"'{folder}' holds no prepared data: {MANIFEST_NAME} is missing; make it with "
                "`codixr prepare`, or finish an interrupted one by the same command"
            ) from None
        except OSError as error:
            raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or first["msg"]
            raise InputError(
                f"'{path}' is not a manifest, or was changed ({where}); prepare the data again"
            ) from None
        if found.format_version != FORMAT_VERSION:
            raise InputError(
                f"'{path}': format {found.format_version}, this codixr reads {FORMAT_VERSION}; "
                "prepare the data again"
            )
        return found


def commitment(study_ids: Iterable[str], *, simulated: bool) -> str | None:
    """sha256 over the sorted study ids, one a line; None for a handful of real ones."""
    ids = sorted(study_ids)
    if not simulated and len(ids) < LEAST_COMMITTED:
        return None
    return hashlib.sha256("".join(f"{name}\n" for name in ids).encode()).hexdigest()


def count_labels(labels: Iterable[Mapping[str, int | None]]) -> dict[str, LabelCounts]:
    """Table I's counts of an iterable of label mappings."""
    kinds: dict[int | None, str] = {1: "positive", 0: "negative", -1: "uncertain", None: "unknown"}
    counts: dict[str, dict[str, int]] = {}
    for row in labels:
        for name, value in row.items():
            here = counts.setdefault(name, dict.fromkeys(kinds.values(), 0))
            here[kinds[value]] += 1
    return {name: LabelCounts(**values) for name, values in counts.items()}
