"""What each study does to a score: the ground of paired comparisons. General mathematics only.

A study's influence is (n - 1) times what the score loses when the study is left out, about their
mean; the score of a resample with weights w is close to ``value + mean(w · influence)``. The
difference of two models' influences on the same studies gives the standard error of the difference
of their scores (the jackknife; Efron and Tibshirani 1993, ch. 11): no resampling, no seed. Which
columns give which score's influences is known to its family (``metric.Family.influences``). Imports
no torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr_bench.metric import INFLUENCE, Columns, Influence

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


def influence_columns(
    measured: Mapping[str, tuple[float | None, Array, str | None]], suffix: str = ""
) -> Columns:
    """``<score><suffix>.influence`` [n] of every score that has a value.

    ``measured``: score -> (value, its influences in the score's unit, why it has no value).
    """
    return {
        f"{name}{suffix}{INFLUENCE}": influence
        for name, (value, influence, _) in measured.items()
        if value is not None
    }


PSEUDOVALUE = ".pseudovalue"
"""The end of a stored column whose mean is a score, and whose spread is its influences."""


def as_pseudovalues(columns: Columns, values: Mapping[str, float | None]) -> Columns:
    """Columns to store: an influence becomes a pseudo-value, the score plus the influence.

    The mean of a score's pseudo-values is the score (Efron and Tibshirani 1993, ch. 11), so that a
    value which was edited afterwards, or is another run's, no longer fits them.

    Args:
        columns: of a run's metrics; ``<score>.influence`` has mean zero.
        values: score name -> value; an influence without one is stored as it is.
    """
    found = {}
    for name, column in columns.items():
        value = values.get(name.removesuffix(INFLUENCE)) if name.endswith(INFLUENCE) else None
        if value is None:
            found[name] = column
        else:
            influence = np.asarray(column, dtype=np.float64)
            found[f"{name.removesuffix(INFLUENCE)}{PSEUDOVALUE}"] = value + influence
    return found


def pseudovalued(columns: Columns) -> frozenset[str]:
    """The scores that stored columns hold pseudo-values of."""
    return frozenset(n.removesuffix(PSEUDOVALUE) for n in columns if n.endswith(PSEUDOVALUE))


def as_influences(columns: Columns) -> tuple[Columns, dict[str, float]]:
    """Stored columns with influences of mean zero again, and the scores that were their means."""
    found, means = {}, {}
    for name, column in columns.items():
        if not name.endswith(PSEUDOVALUE):
            found[name] = column
            continue
        score = name.removesuffix(PSEUDOVALUE)
        values = np.asarray(column, dtype=np.float64)
        means[score] = float(values.mean())
        found[f"{score}{INFLUENCE}"] = values - values.mean()
    return found, means


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
        raise InputError(f"'{path}' is not a statistics file ({kind}); {cure}") from error
    if table.num_rows != n:
        raise InputError(f"'{path}' has {table.num_rows} rows for {n} studies; {cure}")
    return columns


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )
