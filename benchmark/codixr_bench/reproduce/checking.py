"""``verify`` of a bundle on a machine without the data: bytes, arithmetic, sums, and what follows.

Three nets, each of its own: every file's sha256 stands in the manifest, whose own sha256 its maker
tells; every number that follows from others is computed anew; every file that follows from others
is made anew. A bundle that was made up as a whole, with sums to fit, passes: nothing in a bundle
shows that there were studies. Imports no torch.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from codixr.errors import InputError
from codixr_bench.backbones.published import SCORE_NAMES
from codixr_bench.reproduce.agreement import agreement_faults
from codixr_bench.reproduce.bundle import LOCK_NAME
from codixr_bench.reproduce.derived import derived_files
from codixr_bench.reproduce.lock_record import LockRecord, lock_faults
from codixr_bench.reproduce.manifest import (
    BUNDLE_NAME,
    MOST_FILES,
    RESULTS,
    SUMS,
    Bundle,
    json_bytes,
    read_bundle,
)
from codixr_bench.reproduce.sums import TaskSums, sum_faults
from codixr_bench.result import Result
from codixr_bench.result_files import LARGEST, WrongFieldsError, parse, read_bytes, read_strict
from codixr_bench.task import Task

T = TypeVar("T")
_UNLIKE = "its bytes are not as this program writes what it holds"


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    root: str
    """sha256 of the manifest."""
    results: dict[str, Result]
    """Path -> result, of those that could be read."""
    simulated: bool
    recomputed: int
    """Scores whose values were computed anew."""
    faults: tuple[str, ...]
    """``file: field: reason``, in the order of the files; empty for a bundle that is fine."""


def check_bundle(folder: Path, root: str | None = None) -> Checked:
    """Check a bundle; ``root`` is the sha256 that its maker told.

    Raises InputError where there is no manifest that can be read.
    """
    bundle, found = read_bundle(folder)
    faults: list[str] = []
    if root is not None and root.strip().lower() != found:
        faults.append(f"{BUNDLE_NAME}: its sha256 is {found}, not {root}: it was changed")
    if hashlib.sha256(bundle.to_json()).hexdigest() != found:
        faults.append(f"{BUNDLE_NAME}: {_UNLIKE}")
    contents = _contents(folder, bundle, faults)
    results, recomputed = _results(contents, faults)
    _check_manifest(bundle, results, faults)
    _check_lock(contents, bundle, results, faults)
    if results:
        follows = derived_files(bundle, results)
        for path, expected in follows.items():
            if path in contents and contents[path] != expected:
                faults.append(f"{path}: {_first_line(contents[path], expected)}")
            elif path not in bundle.files:
                faults.append(f"{path}: missing, and the results give one")
        for path in contents:
            if path.split("/")[0] not in (RESULTS, SUMS, LOCK_NAME) and path not in follows:
                faults.append(f"{path}: of no use in a bundle")
    faults += [f"{path}: {field}: {why}" for path, field, why in agreement_faults(results)]
    return Checked(found, results, bundle.simulated, recomputed, tuple(dict.fromkeys(faults)))


def _contents(folder: Path, bundle: Bundle, faults: list[str]) -> dict[str, bytes]:
    """The files that are there, with every one that is missing, too many, or another told."""
    contents: dict[str, bytes] = {}
    there = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    if len(there) > MOST_FILES:
        raise InputError(f"'{folder}' holds {len(there):,} files; a bundle at most {MOST_FILES:,}")
    for path in there:
        name = path.relative_to(folder).as_posix()
        if any(one.is_symlink() for one in (path, *path.parents) if one != folder.parent):
            faults.append(f"{name}: a link; put the file itself there")
        elif not path.is_file():
            faults.append(f"{name}: not a plain file")
        elif name != BUNDLE_NAME and name not in bundle.files:
            faults.append(f"{name}: not in the manifest")
    for name, one in bundle.files.items():
        path = folder / name
        if path not in there or path.is_symlink() or not path.is_file():
            faults.append(f"{name}: missing")
            continue
        content = read_bytes(path, f"'{name}'")
        digest = hashlib.sha256(content).hexdigest()
        if len(content) > LARGEST:
            faults.append(f"{name}: more than {LARGEST:,} bytes")
            continue
        if (len(content), digest) != (one.bytes, one.sha256):
            faults.append(
                f"{name}: {len(content):,} bytes of sha256 {digest}, and the manifest has "
                f"{one.bytes:,} of {one.sha256}: it was changed"
            )
        contents[name] = content
    return contents


def _results(contents: dict[str, bytes], faults: list[str]) -> tuple[dict[str, Result], int]:
    results: dict[str, Result] = {}
    recomputed = 0
    for path in (path for path in contents if path.startswith(f"{RESULTS}/")):
        result = _read(path, contents, faults, Result.from_raw, Result.to_json)
        if result is None:
            continue
        results[path] = result
        beside = f"{SUMS}/{path.removeprefix(f'{RESULTS}/')}"
        if beside not in contents:
            faults.append(f"{beside}: missing: the sums of {path}")
            continue
        sums = _read(beside, contents, faults, partial(parse, TaskSums), _written)
        if sums is None:
            continue
        faults += [f"{beside}: {field}: {why}" for field, why in sum_faults(result, sums)]
        recomputed += len(sums.scores)
    for path in contents:
        beside = f"{RESULTS}/{path.removeprefix(f'{SUMS}/')}"
        if path.startswith(f"{SUMS}/") and beside not in results:
            faults.append(f"{path}: sums of no result")
    return results, recomputed


def _read(
    path: str,
    contents: dict[str, bytes],
    faults: list[str],
    make: Callable[[Any, str], T],
    write: Callable[[T], bytes],
) -> T | None:
    """What a file says, or None with the fault; its bytes are those that we would write."""
    try:
        found = make(read_strict(contents[path], path), path)
    except WrongFieldsError as error:
        faults.append(f"{path}: {_where(error)}")
        return None
    except InputError as error:
        faults.append(str(error))
        return None
    if write(found) != contents[path]:
        faults.append(f"{path}: {_UNLIKE}")
    return found


def _written(record: BaseModel) -> bytes:
    return json_bytes(record.model_dump(mode="json"))


def _check_manifest(bundle: Bundle, results: dict[str, Result], faults: list[str]) -> None:
    folders = {model.folder: model for model in bundle.models}
    if len(folders) < len(bundle.models):
        faults.append(f"{BUNDLE_NAME}: models: two of one folder")
    for path, result in results.items():
        folder = path.split("/")[1]
        model = folders.get(folder)
        if path != f"{RESULTS}/{folder}/{Task.parse(result.task).folder}.json":
            faults.append(f"{path}: task: it belongs into another file")
        if model is None or (model.name, model.version) != (
            result.model.name,
            result.model.version,
        ):
            faults.append(f"{path}: model: not one of the manifest, or another one's folder")
        if result.track != bundle.track:
            faults.append(f"{path}: track: other studies than the manifest's")
        if result.task not in bundle.tasks:
            faults.append(f"{path}: task: not one of the manifest")
        if result.timings:
            faults.append(f"{path}: timings: a bundle has none")
    for folder in sorted(folders.keys() - {path.split("/")[1] for path in results}):
        faults.append(f"{BUNDLE_NAME}: models: '{folder}' has no result")
    for task in sorted(set(bundle.tasks) - {result.task for result in results.values()}):
        faults.append(f"{BUNDLE_NAME}: tasks: no result of {task}")


def _check_lock(
    contents: dict[str, bytes], bundle: Bundle, results: dict[str, Result], faults: list[str]
) -> None:
    if LOCK_NAME not in contents:
        faults.append(f"{LOCK_NAME}: missing")
        return
    record = _read(LOCK_NAME, contents, faults, partial(parse, LockRecord), _written)
    if record is None:
        return
    faults += [f"{LOCK_NAME}: {field}: {why}" for field, why in lock_faults(record)]
    for one in record.assets:
        if one.given != (f"{one.name}=FILE" in bundle.options):
            faults.append(f"{LOCK_NAME}: assets.{one.name}.given: not as the command has it")
    faults += [f"{LOCK_NAME}: {why}" for why in _weights_of_signatures(record, results)]


def _weights_of_signatures(record: LockRecord, results: dict[str, Result]) -> Iterator[str]:
    """A network's signature has the first digits of its file's sha256."""
    names = {end: backbone for backbone, end in SCORE_NAMES.items()}
    used = {one.name: {file.sha256[:8] for file in one.files} for one in record.assets}
    for path, result in results.items():
        for score in result.scores:
            end = score.name.partition("[")[0].removeprefix("fid_")
            asset = names.get(end, "")
            mark = re.search(r"\|weights:([0-9a-f]{8})", score.signature)
            if score.value is not None and mark and asset in used and mark[1] not in used[asset]:
                yield f"{asset}: {path} has {score.name} by other weights ({mark[1]}…)"


def _where(error: WrongFieldsError) -> str:
    first = error.details[0]
    field = ".".join(str(part) for part in first["loc"] if str(part).isprintable())[:120]
    return f"{field}: {first['msg'].removeprefix('Value error, ')}"


def _first_line(content: bytes, expected: bytes) -> str:
    """Where a file first differs from the one that the results give."""
    pairs = zip(content.split(b"\n"), expected.split(b"\n"), strict=False)
    number = next((i for i, (a, b) in enumerate(pairs, 1) if a != b), None)
    where = "its length" if number is None else f"line {number}"
    return f"{where} does not follow from the results"
