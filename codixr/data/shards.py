"""From a plan to a prepared folder: shards made by one process, a pool, or Ray, the same bytes.

A track's module makes a ``Plan``: which studies, in which order, and a function that makes the row
of one. ``prepare`` cuts them into shards; a shard is the unit of work and of resumption.

Notable:
- A shard is written whole or not at all and carries in itself the plan it belongs to and what was
  rejected on the way. The manifest is made from the finished shards alone, so neither the number of
  workers, nor the engine, nor an interruption can be seen in it.
- A shard of another plan in the folder is an error, never overwritten unasked.
- Nothing is written outside the folder, and no message holds more than a position or a reason.
"""

import csv
import hashlib
import io
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from codixr.atomic import make_folder, remove_parts, write_atomically
from codixr.data.card import write_card
from codixr.data.labels import label_policy
from codixr.data.manifest import (
    MANIFEST_NAME,
    Manifest,
    Shard,
    SplitSummary,
    Step,
    commitment,
    count_labels,
)
from codixr.data.preparation_plan import SHARD_SIZE, Made, Plan, Reject
from codixr.data.shard_file import Row, read_note, write_shard
from codixr.data.study import SPLITS, Split
from codixr.errors import InputError
from codixr.locks import lock_folder, unlock
from codixr.modality import Modality
from codixr.progress import Progress
from codixr.workers import end_with_parent

REJECTS_NAME = "rejects.csv"
Engine = Literal["pool", "ray"]


@dataclass(frozen=True, slots=True)
class _Job:
    """One shard to make."""

    path: Path
    split: Split
    items: tuple[Any, ...]
    make: Callable[[Any], Made]
    key: str


def prepare(
    plan: Plan,
    folder: Path,
    *,
    workers: int = 1,
    engine: Engine = "pool",
    shard_size: int = SHARD_SIZE,
    overwrite: bool = False,
    quiet: bool = False,
) -> Manifest:
    """Make what is missing of the plan in ``folder``, and its manifest.

    Args:
        plan: what to make.
        folder: made if absent; finished shards of the same plan are kept.
        workers: processes of the pool, or tasks that Ray may run at once.
        engine: a pool of this machine's processes, or Ray (``pip install 'codixr[ray]'``).
        shard_size: studies a file.
        overwrite: remove what another plan left there, instead of refusing.
        quiet: no progress bar.

    InputError: the folder holds another preparation, cannot be written, or another process writes
    to it; Ray is not installed; nothing is left to write.
    """
    label_policy(plan.label_policy)
    if not any(plan.items.values()):
        raise InputError("no study is left after the rules of inclusion")
    make_folder(folder)
    with _locked(folder):
        remove_parts(folder)
        key = plan.key(shard_size)
        jobs = _jobs(plan, folder, key, shard_size)
        if overwrite:
            _remove_others(folder, jobs, key)
        digests = _finished(folder, jobs, key, plan)
        todo = [job for job in jobs if job.path.name not in digests]
        if todo:
            # Without its manifest the folder can't be taken for finished.
            (folder / MANIFEST_NAME).unlink(missing_ok=True)
        done = sum(len(job.items) for job in jobs) - sum(len(job.items) for job in todo)
        sizes = {job.path.name: len(job.items) for job in jobs}
        with Progress("preparing", sum(sizes.values()), done, "studies", quiet=quiet) as bar:
            for name, digest in _run(todo, workers, engine):
                digests[name] = digest
                bar.advance(sizes[name])
        return _finish(plan, folder, jobs, digests)


def _jobs(plan: Plan, folder: Path, key: str, shard_size: int) -> list[_Job]:
    jobs = []
    for split in SPLITS:
        items = plan.items.get(split, ())
        for k, start in enumerate(range(0, len(items), shard_size)):
            path = folder / f"{split}-{k:05d}.parquet"
            jobs.append(_Job(path, split, tuple(items[start : start + shard_size]), plan.make, key))
    return jobs


def _finished(folder: Path, jobs: Sequence[_Job], key: str, plan: Plan) -> dict[str, str]:
    """Name -> sha256 of the shards that are there; InputError where they are another plan's."""
    expected = {job.path.name for job in jobs}
    before = _digests_of_manifest(folder)
    digests = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            found = read_note(path).get("plan")
        except ValueError:
            if path.name in expected:
                continue  # damaged: made anew
            found = None
        if found != key or path.name not in expected:
            raise InputError(
                f"'{folder}' holds other data than this command makes ('{path.name}'): "
                f"{_differences(folder, plan)}use another --out, or --overwrite to replace it"
            )
        digest = hash_file(path)
        if before.get(path.name, digest) == digest:  # else damaged since then: made anew
            digests[path.name] = digest
    return digests


def _differences(folder: Path, plan: Plan) -> str:
    """What the finished folder was made with and the plan isn't, to begin the cure with."""
    if not (folder / MANIFEST_NAME).exists():
        return ""
    there = Manifest.read(folder)
    pairs = {
        "track": (there.track, plan.track),
        "--image-size": (there.image_size, plan.image_size),
        "--limit": (there.recipe.get("limit"), plan.recipe.get("limit")),
    }
    found = [f"{name} {a} there, {b} now" for name, (a, b) in pairs.items() if a != b]
    return f"{', '.join(found)}; " if found else ""


def _digests_of_manifest(folder: Path) -> dict[str, str]:
    if not (folder / MANIFEST_NAME).exists():
        return {}
    return {shard.file: shard.sha256 for shard in Manifest.read(folder).shards}


def _remove_others(folder: Path, jobs: Sequence[_Job], key: str) -> None:
    expected = {job.path.name for job in jobs}
    for path in folder.glob("*.parquet"):
        try:
            same = read_note(path).get("plan") == key and path.name in expected
        except ValueError:
            same = False
        if not same:
            path.unlink()
    for name in (MANIFEST_NAME, REJECTS_NAME):
        (folder / name).unlink(missing_ok=True)


def make_shard(job: _Job) -> tuple[str, str]:
    """Make one shard, in whatever process; its name and sha256."""
    rows: list[Row] = []
    rejects: list[tuple[str, str, str]] = []
    lost: Counter[str] = Counter()
    for item in job.items:
        made = job.make(item)
        rejects += [(r.item, r.stage, r.reason) for r in made.rejects]
        if made.row is None:
            lost[made.lost] += 1
        else:
            rows.append(made.row)
    note = {
        "plan": job.key,
        "rejects": rejects,
        "lost": dict(sorted(lost.items())),
        "modalities": {m.value: sum(r.study.get(m) is not None for r in rows) for m in Modality},
    }
    return job.path.name, write_shard(job.path, rows, note)


def _run(jobs: Sequence[_Job], workers: int, engine: Engine) -> Iterator[tuple[str, str]]:
    if engine == "ray":
        from codixr.data.ray_engine import run_on_ray

        yield from run_on_ray(make_shard, jobs, workers)
    elif workers < 2 or len(jobs) < 2:
        yield from map(make_shard, jobs)
    else:
        yield from _run_pool(jobs, min(workers, len(jobs)))


def _run_pool(jobs: Sequence[_Job], workers: int) -> Iterator[tuple[str, str]]:
    # spawn: a fork would copy the locks of pyarrow's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, end_with_parent) as pool:
        try:
            for future in as_completed([pool.submit(make_shard, job) for job in jobs]):
                yield future.result()
        except BrokenProcessPool:
            raise InputError(
                "a worker process died (out of memory, or killed): finished shards are kept; run "
                "the same command again, with fewer --workers"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _finish(plan: Plan, folder: Path, jobs: Sequence[_Job], digests: Mapping[str, str]) -> Manifest:
    """The manifest and rejects.csv, from the shards in the folder."""
    rejects = list(plan.rejects)
    lost: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    shards: list[Shard] = []
    light: dict[Split, list[dict[str, Any]]] = {}
    modalities: dict[Split, Counter[str]] = {}
    columns = ["study_id", "subject_id", "labels", "notes"]
    for job in jobs:
        note = read_note(job.path)
        rejects += [Reject(*entry) for entry in note["rejects"]]
        lost.update(note["lost"])
        modalities.setdefault(job.split, Counter()).update(note["modalities"])
        rows = pq.read_table(job.path, columns=columns).to_pylist()
        notes.update(text for row in rows for text in row["notes"].split("; ") if text)
        light.setdefault(job.split, []).extend(rows)
        shards.append(
            Shard(
                file=job.path.name,
                split=job.split,
                studies=len(rows),
                sha256=digests[job.path.name],
            )
        )
    _check_patients(light)
    planned = sum(len(job.items) for job in jobs)
    written = sum(shard.studies for shard in shards)
    rejects_sha256 = _write_rejects(folder, rejects)
    if not written:
        raise InputError(f"no study could be read: '{folder / REJECTS_NAME}' says why for each")
    step = Step(
        name="prepared",
        unit="studies",
        before=planned,
        after=written,
        removed=dict(sorted(lost.items())),
    )
    manifest = Manifest(
        track=plan.track,
        track_version=plan.version,
        simulated=plan.simulated,
        image_size=plan.image_size,
        label_policy=plan.label_policy,
        recipe=dict(plan.recipe),
        sources=dict(plan.sources),
        splits={
            split: _summary(rows, modalities[split], simulated=plan.simulated)
            for split in SPLITS
            if (rows := light.get(split))
        },
        shards=shards,
        ledger=[*plan.ledger, step],
        rejects=dict(sorted(Counter(f"{r.stage}: {r.reason}" for r in rejects).items())),
        rejects_sha256=rejects_sha256,
        notes=dict(sorted(notes.items())),
    )
    write_card(folder, manifest)
    manifest.write(folder)
    return manifest


def _summary(
    rows: Sequence[Mapping[str, Any]], modalities: Mapping[str, int], *, simulated: bool
) -> SplitSummary:
    return SplitSummary(
        studies=len(rows),
        patients=len({row["subject_id"] for row in rows}),
        modalities=dict(modalities),
        commitment=commitment((row["study_id"] for row in rows), simulated=simulated),
        labels=count_labels(row["labels"] for row in rows),
    )


def _check_patients(light: Mapping[Split, Sequence[Mapping[str, Any]]]) -> None:
    seen: dict[str, Split] = {}
    for split, rows in light.items():
        for row in rows:
            if seen.setdefault(row["subject_id"], split) != split:
                raise RuntimeError(
                    f"a patient is in two splits, {seen[row['subject_id']]}, {split}"
                )


def _write_rejects(folder: Path, rejects: Iterable[Reject]) -> str:
    """Write rejects.csv; its sha256."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["id", "stage", "reason"])
    writer.writerows((r.item, r.stage, r.reason) for r in rejects)
    content = sink.getvalue().encode()
    write_atomically(folder / REJECTS_NAME, content)
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        handle = lock_folder(folder)
    except BlockingIOError as error:
        raise InputError(
            f"another process is preparing into '{folder}': wait for it, or use another --out"
        ) from error
    try:
        yield
    finally:
        unlock(handle)
