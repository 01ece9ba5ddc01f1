"""What each study does to a score: the ground of paired comparisons. General mathematics only.

A study's influence is (n - 1) times what the score loses when the study is left out, about their
mean; the score of a resample with weights w is close to ``value + mean(w · influence)``. The
difference of two models' influences on the same studies gives the standard error of the difference
of their scores (the jackknife; Efron and Tibshirani 1993, ch. 11): no resampling, no seed. Which
columns give which score's influences is known to its family (``metric.Family.influences``). Imports
no torch.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr_bench.metric import Influence

Array = NDArray[np.float64]

PATIENT = "patient"
"""The column that numbers the studies' patients, where some have several studies."""


def without_each(rows: Array) -> Array:
    """[n, …] -> [1 + n, …]: the sum, then the sum without each row."""
    total = rows.sum(axis=0, keepdims=True)
    return np.concatenate([total, total - rows])


def influence_of(scores: Array) -> Influence:
    """From a score of all studies and without each, [1 + n]."""
    lost = scores[0] - scores[1:]
    return Influence((len(lost) - 1) * (lost - lost.mean()), float(scores[0]))


def read_statistics(path: Path, n: int) -> dict[str, NDArray[np.generic]]:
    """The columns of a ``statistics.parquet`` of ``n`` studies that hold one number a study.

    Raises InputError for a file that is damaged or has another number of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    cure = "make it again with `codixr-bench score --samples` of the run's folder"
    try:
        file = pq.ParquetFile(path)
        names = [field.name for field in file.schema_arrow if _is_number(field.type)]
        table = file.read(columns=names, use_threads=False)
        columns: dict[str, NDArray[np.generic]] = {}
        for name in names:
            column = table.column(name).combine_chunks()
            if pa.types.is_boolean(column.type):
                column = column.cast(pa.int8())
            # Its own to_numpy imports pandas, which takes longer than all the rest.
            columns[name] = np.from_dlpack(column)
    except (OSError, pa.ArrowException, BufferError) as error:
        kind = type(error).__name__
        raise InputError(f"'{path}' is no statistics file ({kind}); {cure}") from error
    if table.num_rows != n:
        raise InputError(f"'{path}' has {table.num_rows} rows for {n} studies; {cure}")
    return columns


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )
