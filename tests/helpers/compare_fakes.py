"""Two runs on the same simulated studies, as files: statistics, and the scores they give."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codixr.data.labels import PATHOLOGIES
from codixr_bench.metric import Influence
from codixr_bench.registry import METRICS, load_family
from codixr_bench.result import Result, current_code, current_environment
from codixr_bench.runs.finish import encode_statistics
from codixr_bench.score import Score
from codixr_bench.statistics.influence import as_pseudovalues

DISTANCE = "fid_phantom"
PREVALENCE = np.linspace(0.03, 0.3, len(PATHOLOGIES))


def simulate(
    rng: np.random.Generator, n: int, models: int = 2, worse: Mapping[int, float] | None = None
) -> list[dict[str, np.ndarray]]:
    """Statistics of ``models`` models on ``n`` new studies, equally good but for ``worse``.

    A study is hard or easy for all models, which is what pairing is for. ``worse[m]`` is the share
    of model m's samples that were replaced by ones of no use.
    """
    labels = (rng.random((n, len(PATHOLOGIES))) < PREVALENCE).astype(np.int8)
    labels[rng.random(labels.shape) < 0.05] = -2
    hard = rng.normal(size=(n, 1))
    ref_len = rng.integers(12, 50, size=n)
    ease = 1 / (1 + np.exp(-rng.normal(0.8, 0.6, size=n)))
    found = []
    for number in range(models):
        useless = rng.random(n) < (worse or {}).get(number, 0.0)
        signal = np.where(useless[:, None], 0.0, 2.0 * (labels == 1))
        logits = signal - 1.5 + 0.4 * hard + 0.7 * rng.normal(size=labels.shape)
        probability = (1 / (1 + np.exp(-logits))).astype(np.float32)
        columns = {}
        for c, name in enumerate(PATHOLOGIES):
            columns[f"classification.probability.{name}"] = probability[:, c]
            columns[f"classification.label.{name}"] = labels[:, c]
            columns[f"classification.predicted.{name}"] = (probability[:, c] >= 0.4).astype(np.int8)
        hyp_len = np.maximum(4, ref_len + rng.integers(-6, 7, size=n))
        columns |= {"bleu.hyp_len": hyp_len, "bleu.ref_len": ref_len}
        matched = np.minimum(hyp_len, ref_len)
        for order in range(1, 5):
            total = np.maximum(1, hyp_len - order + 1)
            chance = np.where(useless, 0.2, np.clip(ease + 0.1 * rng.normal(size=n), 0.02, 0.98))
            matched = rng.binomial(np.minimum(matched, total), chance)
            columns |= {f"bleu.match_{order}": matched, f"bleu.total_{order}": total}
        columns |= {
            name.replace("bleu.", "bleu.sacrebleu."): values
            for name, values in columns.items()
            if name.startswith("bleu.")
        }
        # A distance's influence: mean zero, heavy to the right, shared by the models in part.
        share = 4 * (rng.exponential(size=n) + np.exp(hard[:, 0]) + 3.0 * useless)
        columns[f"{DISTANCE}.influence"] = share - share.mean()
        columns["_distance"] = 10.0 + share.mean() - 4 * (1 + np.exp(0.5))
        found.append(columns)
    return found


def influences(columns: Mapping[str, np.ndarray]) -> dict[str, Influence]:
    """Those of every built-in score that the columns can give."""
    found: dict[str, Influence] = {}
    for name in METRICS:
        found |= load_family(name).influences(columns)
    return found


def values_of(columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The scores that the statistics give."""
    statistics = {name: values for name, values in columns.items() if not name.startswith("_")}
    found = {
        name: one.value for name, one in influences(statistics).items() if one.value is not None
    }
    return found | {DISTANCE: float(columns["_distance"])}


def write_run(
    folder: Path,
    columns: Mapping[str, np.ndarray],
    *,
    statistics: bool = True,
    task: str = "L->F+T",
    track: Mapping[str, object] | None = None,
    signature: Mapping[str, str] | None = None,
    drop: tuple[str, ...] = (),
    seed: int = 0,
) -> Path:
    """A run's folder with ``result.json`` and, unless told otherwise, ``statistics.parquet``."""
    kept = {name: values for name, values in columns.items() if not name.startswith("_")}
    n = len(next(iter(kept.values())))
    errors = {name: one.by_study.std() / n**0.5 for name, one in influences(kept).items()}
    scores = [
        Score(
            name=name,
            value=value,
            ci95=(value - 1.96 * errors[name], value + 1.96 * errors[name]),
            n=n,
            higher_is_better=name != DISTANCE,
            signature=(signature or {}).get(name, f"{name}|made:here|n:{n}"),
        )
        for name, value in values_of(columns).items()
        if name not in drop
    ]
    result = Result.model_validate(
        {
            "task": task,
            "track": {
                "name": "fake",
                "version": "1",
                "fingerprint": "0" * 64,
                "split": "test",
                "n": n,
                **(track or {}),
            },
            "model": {"name": "fake", "version": "1"},
            "generation": {"seed": seed},
            "coverage": {"expected": n, "scored": n},
            "scores": scores,
            "environment": current_environment(),
            "timings": {},
            "code": current_code(),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    result.save(folder / "result.json")
    if statistics:
        stored = as_pseudovalues(kept, values_of(columns))
        (folder / "statistics.parquet").write_bytes(encode_statistics(stored, n))
    return folder


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a result file by hand: ``change`` gets score name -> score."""
    content = json.loads((folder / "result.json").read_text())
    change({score["name"]: score for score in content["scores"]})
    (folder / "result.json").write_text(json.dumps(content))


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}
