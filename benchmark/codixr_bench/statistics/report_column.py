"""The generated reports in a run's statistics: a column of text, of simulated public studies only.

Whoever holds it counts words and labels again, study by study. It is read as a stranger's: no
report is longer than ``LONGEST``, all together no longer than ``MOST``, however small the file.
Nothing prints it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codixr.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMN = "report"
LONGEST = 5_000
"""Characters of one report; the simulated ones have at most 330."""
MOST = 4_000_000
"""Bytes of all of them, unpacked."""


def encoded(reports: Sequence[str]) -> "pa.Array":
    """The column: what UTF-8 can't hold, which some tokenizers leave behind, becomes ``?``."""
    import pyarrow as pa

    return pa.array([r.encode("utf-8", "replace").decode() for r in reports], pa.string())


def read_reports(source: Path | bytes, n: int, what: str) -> tuple[str, ...] | None:
    """The reports of ``n`` studies in a statistics file; None for a file without the column.

    Args:
        source: the file, or its content.
        n: how many studies it is of.
        what: the name of the file in messages.

    Raises InputError for a damaged file, another number of reports, and longer ones than allowed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    def opened() -> "Path | pa.BufferReader":
        return source if isinstance(source, Path) else pa.BufferReader(source)

    try:
        schema = pq.read_schema(opened())
        if COLUMN not in schema.names:
            return None
        if schema.names.count(COLUMN) > 1 or not pa.types.is_string(schema.field(COLUMN).type):
            raise InputError(f"{what} has a column '{COLUMN}' that doesn't hold reports")
        # Kept as a dictionary, a report that stands there a million times takes its place once.
        file = pq.ParquetFile(opened(), read_dictionary=[COLUMN])
        column = file.read(columns=[COLUMN], use_threads=False).column(0).combine_chunks()
        if len(column) != n or column.null_count or column.dictionary.null_count:
            raise InputError(f"{what} has not one report for each of its {n:,} studies")
        if len(pc.unique(column.indices)) != len(column.dictionary):
            raise InputError(f"{what} holds a report that no study has")
        lengths = pc.binary_length(column.dictionary)
        if len(lengths) and pc.max(lengths).as_py() > 4 * LONGEST:
            raise InputError(f"{what} has a report of over {LONGEST:,} characters")
        if (pc.sum(lengths.take(column.indices)).as_py() or 0) > MOST:
            raise InputError(f"{what} has over {MOST:,} bytes of reports")
        texts: list[str] = column.dictionary.to_pylist()
        reports = tuple(texts[at] for at in column.indices.to_pylist())
    except (OSError, pa.ArrowException, MemoryError, OverflowError, UnicodeDecodeError) as error:
        raise InputError(f"{what} is not a statistics file ({type(error).__name__})") from error
    if any(len(report) > LONGEST for report in reports):
        raise InputError(f"{what} has a report of over {LONGEST:,} characters")
    return reports
