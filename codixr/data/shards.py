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
import fcntl
import hashlib
import io
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    SourceFile,
    SplitSummary,
    Step,
    commitment,
    count_labels,
)
from codixr.data.shard_file import Row, read_note, write_shard
from codixr.data.study import SPLITS, Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr.workers import end_with_parent

SHARD_SIZE = 128
"""Studies: about 34 MB at 256×256; an interrupted worker loses at most one shard."""
REJECTS_NAME = "rejects.csv"
Engine = Literal["pool", "ray"]


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that could not be used: its id, where it failed, and why (no path, no text)."""

    item: str
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
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
    make: Callable[[Any], Outcome]
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


@dataclass(frozen=True, slots=True)
class _Job:
    """One shard to make."""

    path: Path
    split: Split
    items: tuple[Any, ...]
    make: Callable[[Any], Outcome]
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
        digests = _finished(folder, jobs, key)
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


def _finished(folder: Path, jobs: Sequence[_Job], key: str) -> dict[str, str]:
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
                "use another --out, or --overwrite to replace it"
            )
        digest = hash_file(path)
        if before.get(path.name, digest) == digest:  # else damaged since then: made anew
            digests[path.name] = digest
    return digests


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
        outcome = job.make(item)
        rejects += [(r.item, r.stage, r.reason) for r in outcome.rejects]
        if outcome.row is None:
            lost[outcome.lost] += 1
        else:
            rows.append(outcome.row)
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


def reject_reason(error: Exception, path: Path) -> str:
    """What went wrong with a file, without its path, which may name a patient."""
    if getattr(error, "fault", None) in ("missing", "broken-link"):
        return "file missing"
    if isinstance(error, OSError):
        return "file missing" if isinstance(error, FileNotFoundError) else "file cannot be read"
    return str(error).removeprefix(f"{path}: ")


def hash_file(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise InputError(
            f"another process is preparing into '{folder}': wait for it, or use another --out"
        ) from error
    except OSError:
        pass  # some network file systems have no locks
    try:
        yield
    finally:
        os.close(handle)
