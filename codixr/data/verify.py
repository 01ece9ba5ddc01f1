"""Is a prepared folder what its manifest says? Every byte, every count, every patient."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from codixr.data.manifest import Manifest, Shard, commitment, count_labels
from codixr.data.shard_file import SCHEMA
from codixr.data.shards import REJECTS_NAME, hash_file
from codixr.data.study import Split
from codixr.modality import Modality
from codixr.progress import Progress


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what is wrong; no identifier in either."""

    studies: int
    shards: int
    problems: tuple[str, ...]


def verify(folder: Path, *, quiet: bool = False) -> Report:
    """Compare everything in ``folder`` with its manifest.

    Checked: the hash of every file, the number of studies, patients, views and labels, that no
    patient is in two splits, no study there twice, no picture there for two patients, and the
    commitment to each split. InputError when there is no manifest, or it contradicts itself.
    """
    manifest = Manifest.read(folder)
    problems: list[str] = []
    rows: dict[Split, list[dict[str, Any]]] = {split: [] for split in manifest.splits}
    with Progress("verifying", len(manifest.shards), 0, "files", quiet=quiet) as bar:
        for shard in manifest.shards:
            found, wrong = _check_shard(folder, shard)
            rows.setdefault(shard.split, []).extend(found)
            problems += wrong
            bar.advance()
    expected = {shard.file for shard in manifest.shards}
    for path in sorted(folder.glob("*.parquet")):
        if path.name not in expected:
            problems.append(f"{path.name}: not in the manifest")
    rejects = folder / REJECTS_NAME
    if not rejects.is_file():
        problems.append(f"{REJECTS_NAME}: missing")
    elif hash_file(rejects) != manifest.rejects_sha256:
        problems.append(f"{REJECTS_NAME}: changed since it was written")
    problems += _check_splits(manifest, rows)
    return Report(sum(map(len, rows.values())), len(manifest.shards), tuple(problems))


def _check_shard(folder: Path, shard: Shard) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows without pictures, and what is wrong with the file."""
    path = folder / shard.file
    if not path.is_file():
        return [], [f"{shard.file}: missing"]
    problems = []
    if hash_file(path) != shard.sha256:
        problems.append(f"{shard.file}: its bytes changed since it was written")
    try:
        if not pq.read_schema(path).equals(SCHEMA):
            return [], [*problems, f"{shard.file}: not in the prepared format"]
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return [], [*problems, f"{shard.file}: damaged"]
    if table.num_rows != shard.studies:
        problems.append(f"{shard.file}: {table.num_rows} studies, not {shard.studies}")
    rows = table.select(["study_id", "subject_id", "split", "labels"]).to_pylist()
    for row, frontal, lateral, report in zip(
        rows,
        *(table[name].is_valid().to_pylist() for name in ("frontal", "lateral", "report")),
        strict=True,
    ):
        row.update({Modality.F: frontal, Modality.L: lateral, Modality.T: report})
    for name in ("frontal", "lateral"):
        for row, picture in zip(rows, table[name], strict=True):
            row[name] = _digest(picture)
    if any(row["split"] != shard.split for row in rows):
        problems.append(f"{shard.file}: holds studies of another split than '{shard.split}'")
    return rows, problems


def _check_splits(manifest: Manifest, rows: dict[Split, list[dict[str, Any]]]) -> list[str]:
    problems: list[str] = []
    for split, summary in manifest.splits.items():
        found = rows.get(split, [])
        ids = [row["study_id"] for row in found]
        patients = {row["subject_id"] for row in found}
        problems += _compare(f"split '{split}'", "studies", len(found), summary.studies)
        problems += _compare(f"split '{split}'", "patients", len(patients), summary.patients)
        if commitment(ids, simulated=manifest.simulated) != summary.commitment:
            problems.append(f"split '{split}': not the studies that its commitment names")
        counts = {m.value: sum(row[m] for row in found) for m in Modality}
        if counts != summary.modalities:
            problems.append(f"split '{split}': other numbers of views and reports")
        if count_labels(row["labels"] for row in found) != summary.labels:
            problems.append(f"split '{split}': other numbers of labels")
    return problems + _check_overlap(rows) + _check_pictures(rows)


def _check_overlap(rows: dict[Split, list[dict[str, Any]]]) -> list[str]:
    problems = []
    seen: set[str] = set()
    splits = list(rows)
    for i, first in enumerate(splits):
        patients = {row["subject_id"] for row in rows[first]}
        for second in splits[i + 1 :]:
            both = patients & {row["subject_id"] for row in rows[second]}
            if both:
                problems.append(f"{len(both)} patients are in '{first}' and in '{second}'")
        ids = [row["study_id"] for row in rows[first]]
        repeated = len(ids) - len(set(ids)) + len(seen & set(ids))
        if repeated:
            problems.append(f"split '{first}': {repeated} studies are there more than once")
        seen |= set(ids)
    return problems


def _check_pictures(rows: dict[Split, list[dict[str, Any]]]) -> list[str]:
    """Pictures that can't be independent: one of two patients, or both views of a study."""
    patients: dict[bytes, set[str]] = {}
    splits: dict[bytes, set[str]] = {}
    same = 0
    for split, found in rows.items():
        for row in found:
            same += row["frontal"] is not None and row["frontal"] == row["lateral"]
            for picture in {row["frontal"], row["lateral"]} - {None}:
                patients.setdefault(picture, set()).add(row["subject_id"])
                splits.setdefault(picture, set()).add(split)
    shared = [picture for picture, of in patients.items() if len(of) > 1]
    problems = []
    if shared:
        across = sum(len(splits[picture]) > 1 for picture in shared)
        problems.append(
            f"{len(shared)} pictures are there for two patients or more, {across} of them in two "
            "splits: they aren't independent"
        )
    if same:
        problems.append(f"{same} studies have one picture as both views")
    return problems


def _digest(picture: pa.BinaryScalar) -> bytes | None:
    return hashlib.sha256(picture.as_buffer()).digest() if picture.is_valid else None


def _compare(where: str, what: str, found: int, expected: int) -> Sequence[str]:
    return [] if found == expected else [f"{where}: {found} {what}, not {expected}"]
