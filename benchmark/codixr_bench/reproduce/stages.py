"""The stages of ``reproduce``: fetch, prepare, run, bundle. Each goes on where it stopped."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codixr import messages
from codixr.data.manifest import MANIFEST_NAME, Manifest
from codixr.data.openi_pictures import plan_openi
from codixr.data.shards import prepare
from codixr.data.unpack import unpack_pictures
from codixr.errors import InputError
from codixr.user_paths import is_there
from codixr_bench.backbones.fetching import PlannedFile, chosen, fetch, plan, refuse_unaccepted
from codixr_bench.backbones.lock import Asset, Recorded, matches
from codixr_bench.backbones.published import published
from codixr_bench.backbones.weights import WEIGHTS, sha256_of, stored
from codixr_bench.registry import load_model
from codixr_bench.reproduce.bundle import write_bundle
from codixr_bench.reproduce.lock_record import LockRecord, UsedAsset, UsedData, UsedFile
from codixr_bench.reproduce.request import Reproduction, asset_of
from codixr_bench.runs.one_task import run_task
from codixr_bench.runs.processes import current_processes

PROGRAM = "codixr-bench"


@dataclass(frozen=True)
class Fetching:
    """How files are fetched."""

    accepted: Collection[str] = ()
    mirror: str | None = None
    parallel: int = 4
    say: Callable[[str], None] = lambda _: None


def reproduce(asked: Reproduction, fetching: Fetching, *, workers: int) -> tuple[Path, str]:
    """All stages; the bundle's folder, and the sha256 of its manifest."""
    if current_processes().size > 1:
        raise InputError("reproduce is of one process: start it without torchrun")
    stage = _counted(asked)
    next(stage)
    used = _fetch(asked, fetching)
    data = asked.options.data_dir
    if asked.source is not None:
        next(stage)
        data = _prepare(asked, used, workers)
    next(stage)
    runs = _run(asked, data)
    next(stage)
    lock = LockRecord(assets=tuple(one for one, _ in used.values()), data=_used_data(asked, data))
    folder = asked.out / "bundle"
    root = write_bundle(
        folder,
        runs,
        {name: _last_name(spec) for name, spec in asked.specs.items()},
        lock,
        tasks=asked.tasks,
        options=_options(asked),
        simulated=asked.track.simulated,
    )
    return folder, root


def _counted(asked: Reproduction) -> Iterator[None]:
    names = ["fetch", *(["unpack and prepare"] if asked.source else []), "run", "bundle"]
    for number, name in enumerate(names, 1):
        messages.say(PROGRAM, f"reproduce {asked.track.name}, {number} of {len(names)}: {name}")
        yield


Used = dict[str, tuple[UsedAsset, Path]]
"""Asset -> what of it was used, and its first file."""


def missing_assets(asked: Reproduction) -> list[Asset]:
    """What isn't kept by another library already."""
    return [asset for asset in chosen_assets(asked) if _elsewhere(asset) is None]


def chosen_assets(asked: Reproduction) -> list[Asset]:
    """The assets of a reproduction; none where nothing is fetched."""
    return chosen(asked.assets) if asked.assets else []


def _elsewhere(asset: Asset) -> Path | None:
    """A file of weights that another library keeps, where the cache has none of its own."""
    if asset.name not in WEIGHTS or plan(asset)[0].path.is_file():
        return None
    return stored(WEIGHTS[asset.name])


def _fetch(asked: Reproduction, fetching: Fetching) -> Used:
    wanted = [
        asset for asset in missing_assets(asked) if any(one.state != "here" for one in plan(asset))
    ]
    refuse_unaccepted(wanted, fetching.accepted)
    if wanted:
        fetch(wanted, None, mirror=fetching.mirror, parallel=fetching.parallel, say=fetching.say)
    used: Used = {}
    recorded = Recorded()
    for asset in chosen_assets(asked):
        elsewhere = _elsewhere(asset)
        files = [
            replace(one, path=elsewhere) if elsewhere is not None else one for one in plan(asset)
        ]
        used[asset.name] = (
            UsedAsset(
                name=asset.name,
                licence=asset.licence,
                given=False,
                files=tuple(_checked(one, recorded) for one in files),
            ),
            files[0].path,
        )
    for name, path in asked.given.items():
        (asset,) = chosen([asset_of(name)])
        used[asset.name] = _given(asset, path), path
    for name in asked.backbones:
        published(name).load()  # a wrong file is told before anything is made
    return used


def _given(asset: Asset, path: Path) -> UsedAsset:
    """A file of one's own in an asset's place, or a folder of its files."""
    found = []
    for file in asset.files:
        one = path / file.path if path.is_dir() else path
        if one.is_file():
            size, digest = one.stat().st_size, sha256_of(one)
            found.append(UsedFile(path=file.path, bytes=size, sha256=digest, published=file.sha256))
    return UsedAsset(name=asset.name, licence=asset.licence, given=True, files=tuple(found))


def _checked(one: PlannedFile, recorded: Recorded) -> UsedFile:
    """A file that is here, read again: it may have changed since it was fetched."""
    expected = recorded.get(one.key) or one.file.sha256
    digest = sha256_of(one.path)
    if not matches(digest, expected):
        raise InputError(
            f"'{one.path}' is not the published file: its sha256 is {digest}, not {expected}; "
            "delete it, and it is fetched again"
        )
    recorded.add(one.key, digest)
    return UsedFile(
        path=one.file.path,
        bytes=one.path.stat().st_size,
        sha256=digest,
        published=one.file.sha256,
    )


def _prepare(asked: Reproduction, used: Used, workers: int) -> Path:
    assert asked.source is not None
    record, archive = used[asked.source.asset]
    pictures = asked.out / "pictures"
    unpack_pictures(archive, pictures, record.files[0].sha256)
    data = asked.out / "data"
    size = asked.track.image_size
    assert size is not None
    prepare(plan_openi(pictures, size), data, workers=workers)
    return data


def _run(asked: Reproduction, data: Path | None) -> dict[str, list[Path]]:
    """Every model on every task that it serves; a model's folder name -> its runs' folders."""
    options = replace(asked.options, data_dir=data)
    track = asked.track
    found: dict[str, list[Path]] = {}
    for name, spec in asked.specs.items():
        model = load_model(spec)
        for task in asked.serves[name]:
            folder = asked.run_folder(name, task)
            run_task(model, task, track, options, current_processes(), folder)
            found.setdefault(name, []).append(folder)
    return found


def _used_data(asked: Reproduction, data: Path | None) -> UsedData | None:
    if data is None or not (data / MANIFEST_NAME).is_file():
        return None
    manifest = Manifest.read(data)
    summary = next((s for name, s in manifest.splits.items() if name == asked.options.split), None)
    return UsedData(
        manifest_sha256=sha256_of(data / MANIFEST_NAME),
        commitment=None if summary is None else summary.commitment,
    )


def _options(asked: Reproduction) -> Sequence[str]:
    """What the command was given, but for paths."""
    options = asked.options
    found = ["--task", asked.asked_task, "--seed", str(options.seed)]
    if options.limit is not None:
        found += ["--limit", str(options.limit)]
    if options.metrics:
        found += ["--metrics", ",".join(options.metrics)]
    if options.data_dir is not None:
        found += ["--data", "DIR"]
    for name in asked.given:
        found += ["--weights", f"{asset_of(name)}=FILE"]
    if options.allow_unpinned:
        found += ["--allow-unpinned"]
    return found


def _last_name(spec: str) -> str:
    """A model as it was asked for, without the folders that its checkpoint lies in."""
    kind, colon, rest = spec.partition(":")
    looks_like_path = rest.startswith(("/", ".", "~")) or is_there(rest)
    return f"{kind}:{Path(rest).name}" if colon and looks_like_path else spec
