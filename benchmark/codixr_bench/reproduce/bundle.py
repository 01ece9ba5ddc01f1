"""From finished runs to a bundle: results, sums, lock, tables, and the manifest last.

It is written beside its place and renamed, so one that was interrupted is never taken for whole.
Times are left out of its results: the same runs give the same bytes, wherever they stopped.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from codixr.atomic import make_folder, write_atomically
from codixr.errors import InputError
from codixr_bench.reproduce.derived import derived_files
from codixr_bench.reproduce.lock_record import LockRecord
from codixr_bench.reproduce.manifest import (
    BUNDLE_NAME,
    RESULTS,
    SUMS,
    Bundle,
    BundleModel,
    files_of,
    is_bundle,
    json_bytes,
)
from codixr_bench.reproduce.sums import sums_of
from codixr_bench.result import Result
from codixr_bench.result_files import STATISTICS_NAME
from codixr_bench.task import Task

LOCK_NAME = "lock.json"


def write_bundle(
    folder: Path,
    runs: Mapping[str, Sequence[Path]],
    specs: Mapping[str, str],
    lock: LockRecord,
    *,
    tasks: Sequence[Task],
    options: Sequence[str],
    simulated: bool,
) -> str:
    """Write a bundle of finished runs; returns the sha256 of its manifest.

    Args:
        folder: of the bundle; an earlier one gives way.
        runs: a model's folder name -> its runs' folders.
        specs: the same -> how the model was asked for.
        lock: what was fetched.
        tasks: that were asked for.
        options: of the command.
        simulated: whether the studies are.

    Raises:
        InputError: a run is damaged, its statistics are another run's, or its studies others.
    """
    results: dict[str, Result] = {}
    contents: dict[str, bytes] = {}
    models = []
    for name, folders in runs.items():
        for run in folders:
            result = Result.load(run)
            task = Task.parse(result.task).folder
            sums = sums_of(result, run / STATISTICS_NAME)
            results[f"{RESULTS}/{name}/{task}.json"] = result.model_copy(update={"timings": {}})
            contents[f"{SUMS}/{name}/{task}.json"] = json_bytes(sums.model_dump(mode="json"))
        info = result.model
        models.append(
            BundleModel(name=info.name, version=info.version, folder=name, spec=specs[name])
        )
    first = next(iter(results.values()))
    for path, result in results.items():
        if result.track != first.track:
            raise InputError(f"'{path}' is of other studies than the first result")
    contents |= {path: result.to_json() for path, result in results.items()}
    contents[LOCK_NAME] = json_bytes(lock.model_dump(mode="json"))
    bundle = Bundle(
        track=first.track,
        simulated=simulated,
        models=tuple(models),
        tasks=tuple(task.name for task in tasks),
        options=tuple(options),
        files={},
    )
    contents |= derived_files(bundle, results)
    bundle = bundle.model_copy(update={"files": files_of(contents)})
    _write(folder, contents, bundle.to_json())
    return hashlib.sha256(bundle.to_json()).hexdigest()


def _write(folder: Path, contents: Mapping[str, bytes], manifest: bytes) -> None:
    """Beside the folder, then in its place; InputError where that holds something else."""
    if folder.is_dir() and any(folder.iterdir()) and not is_bundle(folder):
        raise InputError(f"'{folder}' is there and no bundle: move it away, or use another --out")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for name, content in (*contents.items(), (BUNDLE_NAME, manifest)):
        path = part / name
        make_folder(path.parent)
        write_atomically(path, content)
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
