"""``lock.json`` of a bundle: the published files that were used, and the data made of them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from codixr_bench.backbones.lock import assets, matches
from codixr_bench.result import Digest, Name

Line = Annotated[str, StringConstraints(pattern=r"^[^\r\n]{0,200}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UsedFile(_Part):
    """One file as it lay on the maker's machine."""

    path: Line
    bytes: int = Field(ge=0)
    sha256: Digest
    published: Line | None
    """The sha256 that it had to have, whole or its ends; None where nobody states one."""


class UsedAsset(_Part):
    """What was fetched by one name, or given by ``--weights``."""

    name: Name
    licence: Line
    given: bool
    """Whether it is a file of the maker's own."""
    files: tuple[UsedFile, ...]


class UsedData(_Part):
    """The prepared folder; None's where the track reads none."""

    manifest_sha256: Digest
    commitment: Digest | None
    """Over the split's study ids, for sites that hold the same data."""


class LockRecord(_Part):
    """The whole file."""

    assets: tuple[UsedAsset, ...]
    data: UsedData | None


def lock_faults(record: LockRecord) -> list[tuple[str, str]]:
    """What isn't as this package's own lock file has it: (field, reason)."""
    found = []
    known = assets()
    for one in record.assets:
        where = f"assets.{one.name}"
        if one.name not in known:
            found.append((where, "the lock file has no such asset"))
            continue
        asset = known[one.name]
        if one.licence != asset.licence:
            found.append((f"{where}.licence", "not that of the lock file"))
        locked = {file.path: file for file in asset.files}
        if not one.given and {file.path for file in one.files} != set(locked):
            found.append((f"{where}.files", "other files than the lock file has"))
        for file in one.files:
            pinned = locked.get(file.path)
            if pinned is None:
                continue
            if file.published != pinned.sha256:
                found.append((f"{where}.{file.path}.published", "not that of the lock file"))
            elif not one.given and not matches(file.sha256, pinned.sha256):
                said = f"{file.sha256}, and the published file's is {pinned.sha256}"
                found.append((f"{where}.{file.path}.sha256", said))
            elif not one.given and pinned.size is not None and file.bytes != pinned.size:
                said = f"{file.bytes:,} bytes, and the published file has {pinned.size:,}"
                found.append((f"{where}.{file.path}.bytes", said))
    return found
