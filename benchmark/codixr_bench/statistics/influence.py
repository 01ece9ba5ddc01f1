"""What each study does to a score, from ``statistics.parquet``: the ground of paired comparisons.

A study's influence is (n - 1) times what the score loses when the study is left out, about their
mean; the score of a resample with weights w is close to ``value + mean(w · influence)``. The
difference of two models' influences on the same studies gives the standard error of the difference
of their scores (the jackknife; Efron and Tibshirani 1993, ch. 11): no resampling, no seed, one pass
over the sorted probabilities. A metric of any kind may write a column ``<score>.influence`` of its
own. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.errors import InputError
from codixr_bench.metrics.bleu import ORDERS, corpus_bleu

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[np.generic]]
"""Column name -> [n]."""

OWN = ".influence"
"""The end of a column that is an influence already."""
_COUNTS = (
    "hyp_len",
    "ref_len",
    *(f"{kind}_{o}" for kind in ("match", "total") for o in range(1, 5)),
)
PATIENT = "patient"
"""The column that numbers the studies' patients, where some have several studies."""


def describes_studies(column: str) -> bool:
    """Whether a column is about the studies, not the model: equal on equal studies."""
    return column == PATIENT or any(p in column for p in (".label.", ".ref_len", ".reference."))


@dataclass(frozen=True, slots=True)
class Influence:
    """A score's dependence on each study."""

    by_study: Array
    """[n], mean zero; in the score's unit."""
    value: float | None = None
    """The score recomputed from the same columns; None where the file holds the influence only."""


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


def influences(columns: Columns) -> dict[str, Influence]:
    """Score name -> influence, of every score that ``columns`` can give.

    ``<score>.influence`` as it stands; AUROC from ``classification.probability.`` and ``.label.``,
    F1 from ``.predicted.``, a second judge's too (``chex_classification.``); BLEU and sacrebleu
    from their counts; label F1 from ``.hypothesis.`` and ``.reference.``. Scores that some study's
    absence would leave undefined are not among them.
    """
    found: dict[str, Influence] = {}
    for prefix in _prefixes(columns, ".label."):
        lead, _, view = prefix.partition("classification")
        labels = _matrix(columns, f"{prefix}.label.")
        probabilities = _matrix(columns, f"{prefix}.probability.")
        if probabilities is not None and labels is not None:
            found |= _named(f"{lead}auroc", view, auroc_without_each(probabilities, labels))
        predicted = _matrix(columns, f"{prefix}.predicted.")
        if predicted is not None and labels is not None:
            found |= _named(f"{lead}f1", view, f1_without_each(predicted > 0, labels))
    for prefix, names, formula in (
        ("bleu", [f"bleu_{order}" for order in range(1, ORDERS + 1)], corpus_bleu),
        ("bleu.sacrebleu", ["sacrebleu"], sacrebleu_score),
    ):
        if all(f"{prefix}.{name}" in columns for name in _COUNTS):
            rows = np.column_stack([columns[f"{prefix}.{name}"] for name in _COUNTS])
            rows = rows.astype(np.float64)
            total = rows.sum(axis=0, keepdims=True)
            scores = formula(np.concatenate([total, total - rows]))
            found |= {name: _influence(scores[:, i]) for i, name in enumerate(names)}
    for name, values in columns.items():
        if name.endswith(OWN):
            found[name.removesuffix(OWN)] = Influence(np.asarray(values, dtype=np.float64))
    return {name: one for name, one in found.items() if np.isfinite(one.by_study).all()}


def auroc_without_each(probabilities: Array, labels: Array) -> dict[str, Array]:
    """AUROC micro, macro and weighted: of all studies, then without each, [1 + n] each.

    Probabilities and labels [n, k]; labels are known where 0 or 1. Conventions as in
    ``metrics.classification``: a class that has lost one kind of its labels is left out.
    """
    n, k = labels.shape
    present, absent = labels == 1, labels == 0
    known = present | absent
    per_class = np.full((1 + n, k), np.nan)
    for c in range(k):
        rows = np.flatnonzero(known[:, c])
        wins = np.zeros(n)
        wins[rows] = _wins(probabilities[rows, c], present[rows, c])
        per_class[:, c] = _ratio(
            wins, np.zeros(n), wins[present[:, c]].sum(), present[:, [c]], absent[:, [c]]
        )
    study, c_of = np.nonzero(known)
    is_present = present[study, c_of]
    wins = _wins(probabilities[study, c_of], is_present)
    above = (probabilities[:, :, None] > probabilities[:, None, :]) * 1.0
    above += 0.5 * (probabilities[:, :, None] == probabilities[:, None, :])
    within = np.einsum("ncd,nc,nd->n", above, present * 1.0, absent * 1.0)
    micro = _ratio(
        np.bincount(study, weights=wins, minlength=n).astype(np.float64),
        within,
        wins[is_present].sum(),
        present,
        absent,
    )
    return _averages(per_class, micro, present)


def f1_without_each(predicted: NDArray[np.bool_], labels: Array) -> dict[str, Array]:
    """F1 micro, macro and weighted: of all studies, then without each, [1 + n] each."""
    present, absent = labels == 1, labels == 0
    hits, false, positives, negatives = (
        _without_each(part.astype(np.float64))
        for part in (predicted & present, predicted & absent, present, absent)
    )

    def f1(hits: Array, false: Array, positives: Array, negatives: Array) -> Array:
        values = np.full_like(hits, np.nan)
        both = (positives > 0) & (negatives > 0)
        np.divide(2.0 * hits, hits + false + positives, out=values, where=both)
        return values

    per_class = f1(hits, false, positives, negatives)
    micro = f1(*(part.sum(axis=1) for part in (hits, false, positives, negatives)))
    return _averages(per_class, micro, present)


def sacrebleu_score(counts: Array) -> Array:
    """Summed counts [R, 10] -> sacrebleu's corpus BLEU (0 to 100, ``smooth:exp``), [R, 1]."""
    made, true = counts[:, 0], counts[:, 1]
    matches, totals = counts[:, 2 : 2 + ORDERS], counts[:, 2 + ORDERS :]
    zero = (matches == 0) & (totals > 0)
    smoothed = np.where(zero, 0.5 ** np.cumsum(zero, axis=1), matches)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.log(smoothed / totals).mean(axis=1)
        brevity = np.where(made >= true, 0.0, 1.0 - true / made)
        scores = 100.0 * np.exp(mean + brevity)
    scores[(totals == 0).any(axis=1) | (matches[:, 0] == 0)] = 0.0
    return np.asarray(scores[:, None], dtype=np.float64)


def _wins(scores: Array, present: NDArray[np.bool_]) -> Array:
    """For a present case, the absent ones below it; for an absent one, the present ones above."""
    wins = np.empty(len(scores))
    ordered = {kind: np.sort(scores[present == kind]) for kind in (True, False)}
    for kind in (True, False):
        own, others = scores[present == kind], ordered[not kind]
        below = np.searchsorted(others, own, side="left")
        upto = np.searchsorted(others, own, side="right")
        half = 0.5 * (below + upto)
        wins[present == kind] = half if kind else len(others) - half
    return wins


def _ratio(
    wins: Array, within: Array, total: float, present: NDArray[np.bool_], absent: NDArray[np.bool_]
) -> Array:
    """Won pairs over pairs, of all studies and without each; NaN without a pair."""
    positives, negatives = (
        _without_each(kind.sum(axis=1).astype(np.float64)) for kind in (present, absent)
    )
    # A pair inside one study is among its wins twice.
    won = np.concatenate([[total], total - wins + within])
    values = np.full(len(won), np.nan)
    np.divide(won, positives * negatives, out=values, where=positives * negatives > 0)
    return values


def _without_each(rows: Array) -> Array:
    """[n, …] -> [1 + n, …]: the sum, then the sum without each row."""
    total = rows.sum(axis=0, keepdims=True)
    return np.concatenate([total, total - rows])


def _averages(per_class: Array, micro: Array, present: NDArray[np.bool_]) -> dict[str, Array]:
    defined = np.isfinite(per_class)
    positives = _without_each(present.astype(np.float64)) * defined
    filled = np.where(defined, per_class, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        macro = filled.sum(axis=1) / defined.sum(axis=1)
        weighted = (filled * positives).sum(axis=1) / positives.sum(axis=1)
    return {"micro": micro, "macro": macro, "weighted": weighted}


def _influence(scores: Array) -> Influence:
    """From a score of all studies and without each, [1 + n]."""
    lost = scores[0] - scores[1:]
    return Influence((len(lost) - 1) * (lost - lost.mean()), float(scores[0]))


def _named(family: str, view: str, averages: Mapping[str, Array]) -> dict[str, Influence]:
    return {f"{family}_{name}{view}": _influence(scores) for name, scores in averages.items()}


def _prefixes(columns: Columns, part: str) -> list[str]:
    """What stands before ``part`` in the columns' names, once each, in order."""
    return list(dict.fromkeys(name.partition(part)[0] for name in columns if part in name))


def _matrix(columns: Columns, prefix: str) -> Array | None:
    """The columns that begin with ``prefix``, side by side [n, k]; None without any."""
    found = [values for name, values in columns.items() if name.startswith(prefix)]
    return np.column_stack(found).astype(np.float64) if found else None
