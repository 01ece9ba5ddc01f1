"""The file of a row's statistics: ``results/<track>/<model>/<TASK>.parquet``, one row a study.

A run's ``statistics.parquet`` without the columns that are too wide to keep in a repository
(``WIDEST``; features of pictures, float16, stay): numbers, the generated reports, no other text, no
schema of its own. On public simulated splits a submission carries it; on tracks of patients never.
It is read as a stranger's: its size, form and names are looked at before its numbers. Imports no
torch.
"""

import io
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr_bench.metrics.stored_features import FEATURES, OTHERS
from codixr_bench.metrics.stored_features import WIDEST as WIDEST_FEATURES
from codixr_bench.result import Result
from codixr_bench.result_files import STATISTICS_NAME
from codixr_bench.statistics import report_column
from codixr_bench.task import Task

LARGEST = 5_000_000
"""Bytes of one task's file."""
WIDEST = 16
"""Numbers a study in one column; the 256 of a prompt encoder's space stay with the run."""
_MOST_COLUMNS = 500
_MOST_BYTES = 64_000_000
"""Of all columns, unpacked."""
_NAME = re.compile(r"patient|[a-z0-9_]{1,40}(\[[FL]\])?(\.[A-Za-z_ ][A-Za-z0-9_ ]{0,39}){1,3}")
_DIGITS = re.compile(r"\d{3,}")
_MAKER = re.compile(r"parquet-cpp-arrow version [\d.]{1,20}(-SNAPSHOT)?")
_HIDDEN = 64
"""Bytes that may lie between what the file's table of contents names."""

Table = Mapping[str, NDArray[np.generic]]
First = tuple[Result, Table]
"""A result that others are held against, and its statistics."""


def statistics_path(row: Path, task: str) -> Path:
    """Where the statistics of a row's task lie: beside its file, in a folder of its name."""
    return row.with_suffix("") / f"{Task.parse(task).folder}.parquet"


def slim(path: Path, *, others: bool = False) -> bytes:
    """A run's statistics as a row carries them: the same numbers without the wide columns.

    Args:
        path: ``statistics.parquet``.
        others: whether features of other studies' real pictures stay: one row has them for all.

    Raises InputError for a file that is damaged, or too large even so.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    widths = {
        field.name: field.type.list_size if pa.types.is_fixed_size_list(field.type) else 1
        for field in table.schema
    }
    kept = [
        name
        for name, width in widths.items()
        if width <= _widest(name) and (others or not name.endswith(OTHERS))
    ]
    # Numbers that never repeat: their bytes apart are the smaller file.
    lists = [name for name in kept if pa.types.is_fixed_size_list(table.schema.field(name).type)]
    sink = io.BytesIO()
    pq.write_table(
        table.select(kept).replace_schema_metadata(None),
        sink,
        compression="zstd",
        write_statistics=False,
        store_schema=False,
        use_dictionary=[name for name in kept if name not in lists],
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in lists},
    )
    if len(sink.getvalue()) > LARGEST:
        raise InputError(f"'{path}': over {LARGEST:,} bytes without its wide columns")
    return sink.getvalue()


def _widest(column: str) -> int:
    return WIDEST_FEATURES if column.endswith((FEATURES, OTHERS)) else WIDEST


def read_table(content: bytes, n: int, what: str) -> dict[str, NDArray[np.generic]]:
    """Column name -> [n] or [n, k] numbers of a file of ``n`` studies; without its reports.

    Raises InputError for a file that is too large, damaged, of another number of studies, or that
    holds anything but finite numbers under names of statistics.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(content) > LARGEST:
        raise InputError(f"{what} has {len(content):,} bytes; at most {LARGEST:,}")
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        _check_form(file, content, n, what)
        names = [name for name in file.schema_arrow.names if name != report_column.COLUMN]
        table = file.read(columns=names, use_threads=False)
    except (OSError, pa.ArrowException, MemoryError, OverflowError) as error:
        raise _damaged(what, error) from error
    found = {name: _numbers(table.column(name), n, what) for name in table.column_names}
    if not found:
        raise InputError(f"{what} has no column")
    return found


def _check_form(file: Any, content: bytes, n: int, what: str) -> None:
    about, schema = file.metadata, file.schema_arrow
    if about.num_rows != n:
        raise InputError(f"{what} has {about.num_rows:,} rows for {n:,} studies")
    if about.num_columns > _MOST_COLUMNS or about.num_row_groups != 1:
        raise InputError(f"{what} has more columns or groups of rows than statistics have")
    if about.metadata or not _MAKER.fullmatch(about.created_by or ""):
        raise InputError(f"{what} holds text beside its numbers; `codixr-bench submit` writes none")
    if len(set(schema.names)) != len(schema.names):
        raise InputError(f"{what} has a column twice")
    for field in schema:
        if not (
            field.name == report_column.COLUMN or _NAME.fullmatch(field.name)
        ) or _DIGITS.search(field.name):
            raise InputError(f"{what} has a column that no statistics are called")
        if field.metadata and set(field.metadata) != {b"PARQUET:field_id"}:
            raise InputError(f"{what} holds text beside its numbers")
        if field.name != report_column.COLUMN and not _is_numeric(field.type):
            raise InputError(f"{what} has a column that doesn't hold numbers")
    group = about.row_group(0)
    chunks = [group.column(i) for i in range(about.num_columns)]
    if sum(chunk.total_uncompressed_size for chunk in chunks) > _MOST_BYTES or any(
        chunk.num_values > n * _widest(chunk.path_in_schema.partition(".list.")[0])
        for chunk in chunks
    ):
        raise InputError(f"{what} unpacks to more than statistics have")
    (footer,) = struct.unpack("<I", content[-8:-4])
    named = sum(chunk.total_compressed_size for chunk in chunks) + footer + 12
    if len(content) - named > _HIDDEN:
        raise InputError(f"{what} holds bytes that no column has")


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    inside = kind.value_type if pa.types.is_list(kind) else kind
    return bool(
        pa.types.is_integer(inside) or pa.types.is_floating(inside) or pa.types.is_boolean(inside)
    )


def _numbers(column: Any, n: int, what: str) -> NDArray[np.generic]:
    import pyarrow as pa

    whole = column.combine_chunks()
    shape: tuple[int, ...] = (n,)
    if pa.types.is_list(whole.type):
        flat = whole.flatten()
        width, rest = divmod(len(flat), n)
        if rest or whole.null_count or not np.all(np.diff(np.from_dlpack(whole.offsets)) == width):
            raise InputError(f"{what} has rows of several lengths")
        whole, shape = flat, (n, width)
    if whole.null_count:
        raise InputError(f"{what} has an empty cell")
    if pa.types.is_boolean(whole.type):
        whole = whole.cast(pa.int8())
    values = np.from_dlpack(whole)
    if not np.isfinite(values).all():
        raise InputError(f"{what} holds a value that is no number")
    return np.asarray(values).reshape(shape)


def _damaged(what: Path | str, error: BaseException) -> InputError:
    named = f"'{what}'" if isinstance(what, Path) else what
    cure = f"score the samples again and take the new '{STATISTICS_NAME}'"
    return InputError(f"{named} is not a statistics file ({type(error).__name__}); {cure}")
