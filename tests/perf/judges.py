"""What the phantom's judges are worth: the tables of docs/phantom.md.

    python tests/perf/judges.py

1. AUROC of each class on the test split, first judges.
2. Both judges on the 500 studies of val: macro AUROC, micro F1 at the best thresholds for val, and
   what the second judge reads of attributes.
3. Whether both order eight levels of noise alike, by AUROC and by F1, and how alike their
   probabilities are over studies and classes (rank correlation).
"""

import json

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.judge import CLASSES, load_judge
from codixr.data.phantom.second_judge import load_second_judge, second_judge_path
from codixr.modality import Modality
from codixr.training.phantom_judge import auroc_table, best_thresholds, load_split, probabilities

VIEWS = (Modality.F, Modality.L)
NOISE = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
TEN = [CLASSES.index(name) for name in PATHOLOGIES]
Truth = NDArray[np.int8]
Scores = NDArray[np.float64]


def macro(truth: Truth, scores: Scores) -> float:
    """AUROC, mean of the ten."""
    return float(np.mean([auroc_table(truth, scores)[name] for name in PATHOLOGIES]))


def micro_f1(truth: Truth, scores: Scores, limits: dict[str, float]) -> float:
    """Of the ten, over the cells that are known."""
    said = scores[:, TEN] >= np.array([limits[name] for name in PATHOLOGIES])
    known = truth[:, TEN] >= 0
    return float(f1_score(truth[:, TEN][known] == 1, said[known]))


def beside_each_other(view: Modality) -> None:
    """Both judges on val, clean and under noise."""
    clean, truth = load_split("val", view, 0, None)
    noise = 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    first, areas, f1s = [], [], []
    for name, model in (
        ("first", load_judge(view).model),
        ("second", load_second_judge(view).model),
    ):
        levels = [
            probabilities(model, (clean + s * noise).clamp(0, 255).round().to(torch.uint8))
            for s in NOISE
        ]
        limits, _ = best_thresholds(truth, levels[0])
        first.append(levels[0][:, TEN].ravel())
        areas.append([macro(truth, x) for x in levels])
        f1s.append([micro_f1(truth, x, limits) for x in levels])
        print(f"{view} {name}: AUROC {areas[-1][0]:.3f}, F1 micro {f1s[-1][0]:.3f}; F1 under noise")
        print("   " + ", ".join(f"{s:g}: {x:.3f}" for s, x in zip(NOISE, f1s[-1], strict=True)))
    for what, (a, b) in (("AUROC by noise", areas), ("F1 by noise", f1s), ("probability", first)):
        print(f"{view}: rank correlation of both, {what}: {spearmanr(a, b)[0]:.2f}")
    with safe_open(second_judge_path(view), "pt") as file:
        print(f"{view}: second, attributes: {json.loads(file.metadata()['val_attributes'])}")


def main() -> None:
    torch.set_num_threads(1)
    tables, means = [], []
    for view in VIEWS:
        pictures, truth = load_split("test", view, 0, None)
        scores = probabilities(load_judge(view).model, pictures)
        tables.append(auroc_table(truth, scores))
        means.append(macro(truth, scores))
    print("| class | F | L |\n|---|---|---|")
    for name in CLASSES:
        print(f"| {name} | " + " | ".join(f"{table[name]:.3f}" for table in tables) + " |")
    print("| **mean of the ten** | " + " | ".join(f"**{mean:.4f}**" for mean in means) + " |\n")
    for view in VIEWS:
        beside_each_other(view)


if __name__ == "__main__":
    main()
