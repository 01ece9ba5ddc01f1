"""One Parquet file of prepared data: its schema, and how it is written.

Notable:
- A row group is four studies and the 16-bit pictures are not compressed again: reading study i is
  one small memory-mapped read, whatever i.
- The same rows are the same bytes: pinned writer options, no times, no paths.
- ``frontal`` and ``lateral`` are what the benchmark and the training read, 16 bits. Pillow turns a
  16-bit picture that is converted to RGB white, so the same pictures stand beside them with 8 bits,
  as HF ``datasets``' Image features: what is decoded by default looks right.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from codixr.atomic import write_atomically
from codixr.data.labels import OBSERVATIONS
from codixr.data.png import encode_levels, to_levels
from codixr.data.study import Study

ROWS_A_GROUP = 4
NOTE_KEY = b"codixr"
"""The key of a shard's own note (a JSON object) in its Parquet metadata."""
DEEP_COLUMNS = ("frontal", "lateral")
"""16-bit grey PNG, as bytes."""

_SOURCES = ("frontal", "lateral", "report")
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [
        ("study_id", pa.string()),
        ("subject_id", pa.string()),
        ("split", pa.string()),
        ("report", pa.string()),
        ("labels", pa.struct([(name, pa.int8()) for name in OBSERVATIONS])),
        ("frontal", pa.binary()),
        ("lateral", pa.binary()),
        ("frontal_8bit", _IMAGE),
        ("lateral_8bit", _IMAGE),
        ("sources", pa.struct([(name, pa.string()) for name in _SOURCES])),
        ("notes", pa.string()),
    ]
)


def huggingface_features() -> dict[str, Any]:
    """The columns as HF ``datasets`` names them; its reader finds this in the schema's metadata."""
    text, deep = {"dtype": "string", "_type": "Value"}, {"dtype": "binary", "_type": "Value"}
    return {
        "study_id": text,
        "subject_id": text,
        "split": text,
        "report": text,
        "labels": {name: {"dtype": "int8", "_type": "Value"} for name in OBSERVATIONS},
        "frontal": deep,
        "lateral": deep,
        "frontal_8bit": {"_type": "Image"},
        "lateral_8bit": {"_type": "Image"},
        "sources": dict.fromkeys(_SOURCES, text),
        "notes": text,
    }


_HUGGINGFACE = json.dumps({"info": {"features": huggingface_features()}}).encode()


@dataclass(frozen=True, slots=True)
class Row:
    """One study as it is written, and where it came from.

    ``sources``: frontal, lateral, report -> sha256 of the file. ``notes`` go to the reader.
    """

    study: Study
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def encode_shard(rows: Sequence[Row], note: Mapping[str, Any]) -> bytes:
    """One Parquet file; the same rows and note are the same bytes."""
    studies = [row.study for row in rows]
    columns = {
        "study_id": [study.study_id for study in studies],
        "subject_id": [study.subject_id for study in studies],
        "split": [study.split for study in studies],
        "report": [study.report for study in studies],
        "labels": [{name: s.labels.get(name) for name in OBSERVATIONS} for s in studies],
        "frontal": [_encode(study.frontal) for study in studies],
        "lateral": [_encode(study.lateral) for study in studies],
        "frontal_8bit": [_encode_8bit(study.frontal) for study in studies],
        "lateral_8bit": [_encode_8bit(study.lateral) for study in studies],
        "sources": [{name: row.sources.get(name) for name in _SOURCES} for row in rows],
        "notes": ["; ".join(row.notes) for row in rows],
    }
    text = json.dumps(note, sort_keys=True, separators=(",", ":"))
    table = pa.Table.from_arrays(
        [pa.array(columns[part.name], part.type) for part in SCHEMA],
        schema=SCHEMA.with_metadata({NOTE_KEY: text.encode(), b"huggingface": _HUGGINGFACE}),
    )
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        version="2.6",
        data_page_version="1.0",
        row_group_size=ROWS_A_GROUP,
        compression={path: _compression(path) for path in _leaves()},
        compression_level={path: 3 for path in _leaves() if _compression(path) == "ZSTD"},
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        store_schema=True,
    )
    return sink.getvalue()


def write_shard(path: Path, rows: Sequence[Row], note: Mapping[str, Any]) -> str:
    """Write a shard atomically; its sha256. InputError when the disk is full."""
    content = encode_shard(rows, note)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def read_note(path: Path) -> dict[str, Any]:
    """A shard's own note; ValueError when the file isn't a whole shard."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        note = json.loads(metadata[NOTE_KEY])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        raise ValueError("not a shard") from None
    if not isinstance(note, dict):
        raise ValueError("not a shard")
    return note


def _encode(image: NDArray[np.float32] | None) -> bytes | None:
    return None if image is None else encode_levels(to_levels(image))


def _encode_8bit(image: NDArray[np.float32] | None) -> dict[str, bytes | None] | None:
    if image is None:
        return None
    levels = np.rint(image[0] * np.float32(255)).astype(np.uint8)
    return {"bytes": encode_levels(levels), "path": None}


def _leaves() -> list[str]:
    """The Parquet paths of all columns, structs taken apart."""
    paths = []
    for part in SCHEMA:
        inner = [part.type.field(i).name for i in range(part.type.num_fields)]
        paths += [f"{part.name}.{name}" for name in inner] or [part.name]
    return paths


def _compression(path: str) -> str:
    # The pictures are noise in their low bytes: compressing them costs reading time, saves little.
    return "NONE" if path in DEEP_COLUMNS else "ZSTD"
