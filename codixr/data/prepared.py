"""Prepared data: Parquet shards and a manifest, written once, read by row.

The format (version 2). A folder holds ``manifest.json`` (``manifest.py``), ``rejects.csv`` and
``<split>-00000.parquet`` …, one row a study:

    study_id, subject_id, split   string
    report                        string, or null
    labels                        struct of CheXpert's fourteen, int8: 1, 0, -1, null = unknown;
                                  as the labeler gave them: the policy is applied by the reader
    frontal, lateral              16-bit grey PNG, square, the manifest's image_size; or null
    frontal_8bit, lateral_8bit    the same with 8 bits, HF datasets' Image
    sources                       struct frontal, lateral, report: sha256 of the file it came from
    notes                         string: what a reader should know about the pictures

``shard_file.py`` writes one; ``PreparedDataset(folder, split)`` reads a split as a ``StudyDataset``
and in bulk (``images``, ``reports``, ``label_matrix``).

Notable:
- A row group is four studies and the pictures are not compressed again: reading study i is one
  small memory-mapped read, whatever i. Nothing but the last row group and a few footers is kept.
- Everything read is checked: a picture by its PNG's checksum, the rest by Parquet's.
- The same rows are the same bytes: pinned writer options, no times, no paths.
- HF datasets reads the folder too: ``load_dataset("DIR")``.
"""

import bisect
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS, label_policy
from codixr.data.manifest import MANIFEST_NAME, Manifest
from codixr.data.png import decode_levels, from_levels
from codixr.data.shard_file import DEEP_COLUMNS, ROWS_A_GROUP, SCHEMA
from codixr.data.study import Split, Study
from codixr.errors import InputError
from codixr.modality import Modality

UNKNOWN = -2
"""In ``label_matrix``: unknown; a struct's null."""

_COLUMNS = {Modality.F: "frontal", Modality.L: "lateral"}
_LIGHT = ("study_id", "subject_id", "report", "labels")
_OPEN_SHARDS = 16


class PreparedDataset:
    """One split of a folder that ``codixr prepare`` made, as a ``StudyDataset`` and in bulk.

    Args:
        folder: the one that ``codixr prepare`` wrote.
        split: train, val or test.
        limit: the first ``limit`` studies only; the fingerprint stays the split's.
        policy: a name in ``LABEL_POLICIES``; default: the manifest's.

    ``fingerprint`` covers track, recipe, split and the commitment to its studies: equal on two
    sites that prepared the same data. ``modalities`` are those that every study of the split has.

    InputError: no such folder or split, no or another version's manifest, a shard that is missing
    or damaged (``codixr prepare --verify`` looks at all of them), a limit under 1.
    """

    def __init__(
        self, folder: Path, split: Split, limit: int | None = None, policy: str | None = None
    ) -> None:
        if limit is not None and limit < 1:
            raise InputError(f"limit {limit} leaves no study; use 1 or more")
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        summary = self.manifest.splits.get(split)
        if summary is None or not summary.studies:
            has = ", ".join(s for s, found in self.manifest.splits.items() if found.studies)
            raise InputError(f"'{folder}' has no split '{split}'; it has: {has or 'none'}")
        self.name = self.manifest.track
        self.version = self.manifest.track_version
        self.split: Split = split
        self.size = self.manifest.image_size
        self.modalities = frozenset(
            Modality(name) for name, n in summary.modalities.items() if n == summary.studies
        )
        self.label_policy = self.manifest.label_policy if policy is None else policy
        label_policy(self.label_policy)
        self.fingerprint = fingerprint(self.manifest, split, self.label_policy)
        self._shards = [s for s in self.manifest.shards if s.split == split and s.studies]
        self._ends = np.cumsum([shard.studies for shard in self._shards]).tolist()
        self._len = summary.studies if limit is None else min(limit, summary.studies)
        self._files: OrderedDict[int, _OpenShard] = OrderedDict()
        self._last: tuple[int, int, list[dict[str, Any]], pa.Table] | None = None

    def __len__(self) -> int:
        return self._len

    def __getitem__(self, index: int) -> Study:
        """The study at ``index``, 0-based; IndexError outside the split, negative ones too."""
        shard, inner = self._place(index)
        group, at = divmod(inner, ROWS_A_GROUP)
        if self._last is None or self._last[:2] != (shard, group):
            light = self._read_group(shard, group, list(_LIGHT)).to_pylist()
            self._last = (
                shard,
                group,
                light,
                self._read_group(shard, group, ["frontal", "lateral"]),
            )
        _, _, light, pictures = self._last
        frontal, lateral = (
            None
            if (levels := self._levels(shard, pictures[name][at])) is None
            else from_levels(levels)
            for name in ("frontal", "lateral")
        )
        labels = label_policy(self.label_policy)(light[at]["labels"])
        return Study(
            split=self.split, frontal=frontal, lateral=lateral, **light[at] | {"labels": labels}
        )

    def __getstate__(self) -> dict[str, Any]:
        """For worker processes: open files stay behind."""
        return self.__dict__ | {"_files": OrderedDict(), "_last": None}

    def images(self, modality: Modality) -> "Pictures":
        """All pictures of one view by row, read when they are asked for; InputError for T."""
        if not modality.is_image:
            raise InputError("T has no pictures; use reports()")
        return Pictures(self, modality)

    def reports(self) -> list[str | None]:
        """All reports, in order."""
        return [text for table in self._tables(["report"]) for text in table["report"].to_pylist()]

    def study_ids(self) -> list[str]:
        """All study ids, in order."""
        return [name for t in self._tables(["study_id"]) for name in t["study_id"].to_pylist()]

    def subject_ids(self) -> list[str]:
        """The patient of every study, in order."""
        return [name for t in self._tables(["subject_id"]) for name in t["subject_id"].to_pylist()]

    def label_matrix(self, observations: Sequence[str]) -> NDArray[np.int8]:
        """int8 [n, k]: 1 present, 0 absent, -1 uncertain, -2 (``UNKNOWN``) unknown.

        KeyError for an observation outside CheXpert's fourteen.
        """
        if wrong := [name for name in observations if name not in OBSERVATIONS]:
            raise KeyError(wrong[0])
        apply = label_policy(self.label_policy)
        rows = (apply(row) for t in self._tables(["labels"]) for row in t["labels"].to_pylist())
        return np.array(
            [[UNKNOWN if (v := row[name]) is None else v for name in observations] for row in rows],
            dtype=np.int8,
        )

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self._len:
            raise IndexError(f"index {index} is outside a split of {self._len} studies")
        shard = bisect.bisect_right(self._ends, index)
        return shard, index - (self._ends[shard - 1] if shard else 0)

    def _open(self, shard: int) -> "_OpenShard":
        if shard in self._files:
            self._files.move_to_end(shard)
            return self._files[shard]
        record = self._shards[shard]
        path = self.folder / record.file
        try:
            checked = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
            plain = pq.ParquetFile(path, memory_map=True, metadata=checked.metadata)
        except FileNotFoundError:
            raise InputError(f"'{path}' is missing; {_CURE}") from None
        except (pa.ArrowException, OSError):
            raise _damaged(path) from None
        if not checked.schema_arrow.equals(SCHEMA) or checked.metadata.num_rows != record.studies:
            raise _damaged(path)
        opened = self._files[shard] = _OpenShard(checked, plain)
        if len(self._files) > _OPEN_SHARDS:
            self._files.popitem(last=False)
        return opened

    def _read_group(self, shard: int, group: int, columns: list[str]) -> pa.Table:
        opened = self._open(shard)
        # Checking four studies' pictures takes longer than reading one; PNGs check themselves.
        file = opened.plain if set(columns) <= set(DEEP_COLUMNS) else opened.checked
        try:
            return file.read_row_group(group, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError, IndexError):
            raise _damaged(self.folder / self._shards[shard].file) from None

    def _tables(self, columns: list[str]) -> Iterator[pa.Table]:
        """These columns of each shard in order, cut at the limit."""
        left = self._len
        for shard in range(len(self._shards)):
            if left <= 0:
                return
            try:
                table = self._open(shard).checked.read(columns=columns, use_threads=False)
            except (pa.ArrowException, OSError):
                raise _damaged(self.folder / self._shards[shard].file) from None
            yield table.slice(0, left)
            left -= table.num_rows

    def _picture(self, index: int, column: str) -> NDArray[np.uint16]:
        """uint16 [S, S]; InputError when this study lacks the view."""
        shard, inner = self._place(index)
        group, at = divmod(inner, ROWS_A_GROUP)
        levels = self._levels(shard, self._read_group(shard, group, [column])[column][at])
        if levels is None:
            raise InputError(f"'{self.folder}': study {index} of '{self.split}' has no {column}")
        return levels

    def _levels(self, shard: int, cell: pa.BinaryScalar) -> NDArray[np.uint16] | None:
        if not cell.is_valid:
            return None
        try:
            levels = decode_levels(memoryview(cell.as_buffer()).cast("B"))
        except ValueError:
            raise _damaged(self.folder / self._shards[shard].file) from None
        if levels.shape != (self.size, self.size):
            raise _damaged(self.folder / self._shards[shard].file)
        return levels


@dataclass(frozen=True, slots=True)
class _OpenShard:
    """The same memory-mapped file twice: reads checked by Parquet's page checksums, and not."""

    checked: pq.ParquetFile
    plain: pq.ParquetFile


class Pictures:
    """One view of a prepared split, as if it were an array: uint16 [n, S, S], 65535 is white.

    ``pictures[3]``, ``pictures[10:20]`` and ``pictures[rows]`` (whole numbers, any order) read just
    those. InputError for a study without the view.
    """

    dtype = np.dtype(np.uint16)

    def __init__(self, dataset: PreparedDataset, view: Modality) -> None:
        self._dataset = dataset
        self._column = _COLUMNS[view]
        self.shape = (len(dataset), dataset.size, dataset.size)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray[Any]) -> NDArray[np.uint16]:
        """uint16 [S, S] for one row, [k, S, S] for several; IndexError outside the split."""
        if isinstance(rows, slice):
            rows = range(len(self))[rows]
        if isinstance(rows, int | np.integer):
            return self._dataset._picture(int(rows), self._column)
        chosen = [int(row) for row in rows]
        if not chosen:
            return np.empty((0, *self.shape[1:]), np.uint16)
        return np.stack([self._dataset._picture(row, self._column) for row in chosen])


def fingerprint(manifest: Manifest, split: Split, policy: str | None = None) -> str:
    """sha256 over what two sites with equal data agree on; never over a single study."""
    summary = manifest.splits[split]
    recipe = {
        "format": 1,  # of the pictures' arithmetic, which the 8-bit copies didn't change
        "track": manifest.track,
        "version": manifest.track_version,
        "size": manifest.image_size,
        "labels": policy or manifest.label_policy,
        "recipe": manifest.recipe,
        "split": split,
        "n": summary.studies,
        "commitment": summary.commitment,
    }
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Whether the folder holds a manifest."""
    return (folder / MANIFEST_NAME).is_file()


_CURE = "finish it with the same `codixr prepare` command, or copy the folder again"


def _damaged(path: Path) -> InputError:
    return InputError(f"'{path}' is damaged; {_CURE}")
