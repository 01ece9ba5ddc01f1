"""A whole run's result and statistics without a run: what every study gives is drawn, then scored.

The scores come from the benchmark's own metrics' families, so that evidence must accept them.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.optimize import linprog

from codixr.data.labels import PATHOLOGIES
from codixr_bench.backbones.judge_head import judge_head
from codixr_bench.metrics.auroc import auroc_without_each
from codixr_bench.metrics.stored_features import recomputed
from codixr_bench.result import Result
from helpers.submission_fakes import Json, N, result_json, truth

Columns = dict[str, np.ndarray]
HEAD = judge_head("F")


def drawn_columns(seed: int = 0) -> Columns:
    """Labels as the split has them, probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    columns: Columns = {}
    for name in PATHOLOGIES:
        positives, negatives = truth("auroc F").classes[name]
        label = np.full(N, -1, dtype=np.int32)
        label[: positives + negatives] = 0
        label[:positives] = 1
        noise = rng.normal(0.4 * (label == 1), 0.25, N)
        probability = np.clip(noise + 0.3, 0.001, 0.999).astype(np.float32)
        columns[f"classification.probability.{name}"] = probability
        columns[f"classification.label.{name}"] = label
        columns[f"classification.predicted.{name}"] = (probability >= HEAD.thresholds[name]).astype(
            np.int32
        )
    influence = rng.normal(0.0, 5.0, N)
    columns["fid_phantom.pseudovalue"] = 12.0 + influence - influence.mean()
    return columns


def with_features(columns: Columns, real: Columns | None = None, seed: int = 0) -> Columns:
    """Features that the judge's last layer turns into the probabilities, and distances of them.

    Without ``real`` the columns are those of the real outputs, whose distance to themselves is 0.
    """
    rng = np.random.default_rng(seed)
    chosen = [HEAD.classes.index(name) for name in PATHOLOGIES]
    weight, bias = HEAD.weight[chosen], HEAD.bias[chosen]
    probability = np.column_stack([columns[f"classification.probability.{n}"] for n in PATHOLOGIES])
    logits = np.log(probability / (1.0 - probability))
    free = 0.5 * rng.normal(size=(N, weight.shape[1]))
    free -= free @ weight.T @ np.linalg.pinv(weight).T
    features = (logits - bias) @ np.linalg.pinv(weight).T + free
    # No picture has a feature below 0; the head doesn't see what is added.
    wide = weight.shape[1]
    least = linprog(
        np.eye(wide + 1)[-1],
        A_ub=np.hstack([np.eye(wide), -np.ones((wide, 1))]),
        b_ub=np.zeros(wide),
        A_eq=np.hstack([weight, np.zeros((len(weight), 1))]),
        b_eq=np.zeros(len(weight)),
        bounds=[(1.0, None)] * (wide + 1),
    ).x[:-1]
    features += np.maximum(0.0, -features.min(axis=1, keepdims=True)) * least
    made = columns | {"fid_phantom.features": features.astype(np.float16)}
    distance = recomputed(made, made if real is None else real)["fid_phantom"]
    assert distance.value is not None
    return made | {"fid_phantom.pseudovalue": distance.value + distance.by_study}


def result_of(columns: Columns, model: str = "my-model") -> Json:
    """The result of a run with these statistics, of T->F."""
    content = result_json("T->F", model)
    scores = {score["name"]: score for score in content["scores"]}
    probability, label, predicted = (
        np.column_stack([columns[f"classification.{kind}.{name}"] for name in PATHOLOGIES])
        for kind in ("probability", "label", "predicted")
    )
    fid = float(columns["fid_phantom.pseudovalue"].mean())
    spread = float(columns["fid_phantom.pseudovalue"].std())
    _set(scores["fid_phantom"], fid, max(0.01, 2.5 * spread / N**0.5), top=1e9)
    averages = dict(auroc_without_each(probability, label).influences())
    for average, influence in averages.items():
        _set(scores[f"auroc_{average}"], influence.value, 0.03)
    pooled = np.zeros(3)
    values, weights = [], []
    for i, name in enumerate(PATHOLOGIES):
        known, here, said = label[:, i] >= 0, label[:, i] == 1, predicted[:, i] == 1
        tp, fp = int((known & here & said).sum()), int((known & ~here & said).sum())
        fn, tn = int((known & here & ~said).sum()), int((known & ~here & ~said).sum())
        of_f1 = scores["f1_macro"]["per_class"][name]
        of_f1["counts"] = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        _set(of_f1, 2 * tp / (2 * tp + fp + fn), 0.1)
        pooled += (tp, fp, fn)
        values.append(of_f1["value"])
        weights.append(tp + fn)
        areas = probability[here, i][:, None] - probability[known & ~here, i][None, :]
        _set(
            scores["auroc_macro"]["per_class"][name],
            float((areas > 0).mean() + 0.5 * (areas == 0).mean()),
            0.05,
        )
    _set(scores["f1_micro"], float(2 * pooled[0] / (2 * pooled[0] + pooled[1] + pooled[2])), 0.05)
    _set(scores["f1_macro"], float(np.mean(values)), 0.05)
    _set(scores["f1_weighted"], float(np.average(values, weights=weights)), 0.05)
    return content


def _set(score: Json, value: float | None, half: float, top: float = 1.0) -> None:
    assert value is not None
    score["value"], score["ci95"] = value, [max(0.0, value - half), min(top, value + half)]


def encoded(columns: Columns, **options: object) -> bytes:
    """A file as ``submit`` writes it."""
    sink = io.BytesIO()
    table = pa.table({name: pa.array(list(values)) if values.ndim > 1 else pa.array(values)
                      for name, values in columns.items()})  # fmt: skip
    settings = {"compression": "zstd", "write_statistics": False, "store_schema": False} | options
    pq.write_table(table, sink, **settings)
    return sink.getvalue()


def run_folder(folder: Path, columns: Columns, model: str = "my-model") -> Path:
    """A run's folder with both files."""
    folder.mkdir(parents=True, exist_ok=True)
    result = Result.model_validate(result_of(columns, model))
    result.save(folder / "result.json")
    (folder / "statistics.parquet").write_bytes(encoded(columns, store_schema=True))
    return folder
