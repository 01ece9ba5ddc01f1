"""What is to be fetched: the plan of an asset's files, and the downloads, several at a time."""

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from codixr.errors import InputError
from codixr.progress import Progress
from codixr_bench.backbones.downloading import (
    OFFLINE,
    Wanted,
    bytes_here,
    check_room,
    fetch_file,
    is_offline,
)
from codixr_bench.backbones.lock import (
    KINDS,
    Asset,
    LockedFile,
    Recorded,
    assets,
    folder_of,
    matches,
)
from codixr_bench.backbones.weights import sha256_of
from codixr_bench.registry import unknown


@dataclass(frozen=True)
class PlannedFile:
    """One file, where it goes, and what is there of it."""

    asset: Asset
    file: LockedFile
    path: Path

    @property
    def key(self) -> str:
        """What its sha256 is recorded under."""
        return f"{self.asset.name}/{self.file.path}"

    @property
    def state(self) -> str:
        """``here`` by its size, ``wrong size``, ``begun`` or ``missing``; nothing is read."""
        if self.path.is_file():
            size = self.path.stat().st_size
            return "here" if self.file.size in (None, size) else "wrong size"
        return "begun" if bytes_here(self.path) else "missing"

    @property
    def to_come(self) -> int:
        """Bytes that are still to come, as far as its size is known."""
        if self.state == "here":
            return 0
        return max(0, (self.file.size or 0) - bytes_here(self.path))


def chosen(names: Sequence[str]) -> list[Asset]:
    """The assets of these names, or of these kinds; all without a name.

    Raises InputError for a name that the lock file does not have.
    """
    known = assets()
    found: dict[str, Asset] = {}
    for name in names or KINDS:
        if name in known:
            found[name] = known[name]
        elif name in KINDS:
            found.update({one.name: one for one in known.values() if one.kind == name})
        else:
            raise unknown("asset", name, (*known, *KINDS))
    return list(found.values())


def plan(asset: Asset, to: Path | None = None) -> list[PlannedFile]:
    """An asset's files and their places; none for a repository that is not listed file by file."""
    return [PlannedFile(asset, file, folder_of(asset, to) / file.path) for file in asset.files]


def refuse_unaccepted(wanted: Sequence[Asset], accepted: Collection[str]) -> None:
    """InputError while a licence that asks for it has not been accepted by its asset's name."""
    asking = [one for one in wanted if one.ask and not {one.name, "all"} & set(accepted)]
    if asking:
        which = "; ".join(f"{one.name}: {one.licence}" for one in asking)
        names = ",".join(one.name for one in asking)
        raise InputError(f"read these licences ({which}) and accept them with --accept {names}")


def fetch(
    wanted: Sequence[Asset],
    to: Path | None,
    *,
    mirror: str | None = None,
    parallel: int = 4,
    say: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Fetch every file of these assets; returns the assets' folders.

    What is here already is read and checked. Raises InputError when there is no network to be
    used, no room, or a file is not what it should be; what was finished is kept.
    """
    if is_offline():
        raise InputError(f"{OFFLINE} is set: nothing is downloaded; unset it, or use --dry-run")
    files = [one for asset in wanted for one in plan(asset, to)]
    recorded = Recorded()
    for one in files:
        if one.state in ("here", "wrong size"):
            _check(one, recorded)
    missing = [one for one in files if not one.path.is_file()]
    _check_rooms(missing)
    _fetch_all(missing, recorded, mirror, parallel, say)
    for asset in wanted:
        if asset.hub is not None:
            _snapshot(asset, folder_of(asset, to), parallel)
    return list(dict.fromkeys(folder_of(asset, to) for asset in wanted))


def _check(one: PlannedFile, recorded: Recorded) -> None:
    expected = recorded.get(one.key) or one.file.sha256
    found = sha256_of(one.path)
    if not matches(found, expected):
        raise InputError(
            f"'{one.path}' is not the published file: its sha256 is {found}, not {expected}; "
            "delete it, and it is fetched again"
        )
    recorded.add(one.key, found)


def _check_rooms(missing: Sequence[PlannedFile]) -> None:
    by_folder: dict[Path, int] = {}
    for one in missing:
        by_folder[one.path.parent] = by_folder.get(one.path.parent, 0) + one.to_come
    for folder in by_folder:
        check_room(folder, sum(by_folder.values()))


def _fetch_all(
    missing: Sequence[PlannedFile],
    recorded: Recorded,
    mirror: str | None,
    parallel: int,
    say: Callable[[str], None],
) -> None:
    stop, lock = threading.Event(), threading.Lock()
    total = sum(one.file.size or 0 for one in missing)
    done = sum(bytes_here(one.path) for one in missing)
    with Progress("fetching", total, done, unit="MB", scale=1e-6) as bar:

        def advance(count: int) -> None:
            with lock:
                bar.advance(count)

        def get(one: PlannedFile) -> str:
            here = [f"{mirror.rstrip('/')}/{one.key}"] if mirror else []
            expected = recorded.get(one.key) or one.file.sha256
            wanted = Wanted(one.path, (*here, *one.file.urls), one.file.size, expected)
            return fetch_file(wanted, advance, stop.is_set)

        with ThreadPoolExecutor(parallel) as pool:
            running = {pool.submit(get, one): one for one in missing}
            try:
                for future in as_completed(running):
                    one, found = running[future], future.result()
                    with lock:
                        recorded.add(one.key, found)
                    say(f"{one.key}: sha256 {found}")
            except BaseException:
                stop.set()
                for future in running:
                    future.cancel()
                raise


def _snapshot(asset: Asset, folder: Path, parallel: int) -> None:
    """All files of a repository of the hub, by its own library, which resumes and checks."""
    from huggingface_hub import snapshot_download

    assert asset.hub is not None
    try:
        snapshot_download(
            asset.hub.repo,
            repo_type=asset.hub.type,
            revision=asset.hub.revision,
            local_dir=folder,
            max_workers=parallel,
        )
    except Exception as error:  # its own, requests', httpx': each says why in its first line
        lines = str(error).strip().splitlines()
        raise InputError(
            f"'{asset.hub.repo}' cannot be fetched from the hub: "
            f"{lines[0] if lines else type(error).__name__}; what has come is kept"
        ) from error
