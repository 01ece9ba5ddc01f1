"""Real impressions to pictures, read by the judges: does the model understand what people write?

    python tests/perf/real_language.py [--checkpoint DIR] [--limit N] [--rewritten]

The 3,921 impressions of OpenI, read from the installed torchxrayvision, become a frontal and a
lateral view each; the shipped judges read them, and our labeler's labels of the real text are the
truth (uncertain ones left out, not mentioned is absent). --rewritten gives the same labels as
reports of the phantom's grammar first: the ceiling of pictures and judges. Prints AUROC by class
with 15 positives or more, and how many normal impressions show a finding. No text is printed.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from codixr import CoDiXRPipeline
from codixr.data.labels import OBSERVATIONS, PATHOLOGIES
from codixr.data.openi import OpenIDataset
from codixr.data.phantom.case import Case, Finding, Side, Zone
from codixr.data.phantom.grammar import write_report
from codixr.data.phantom.judge import CLASSES, load_judge
from codixr.modality import Modality
from codixr.progress import Progress
from codixr_bench.labeler import DEFAULT
from codixr_bench.labeler.interface import load_labeler

VIEWS = (Modality.F, Modality.L)
LEAST = 15
"""Positives that a class needs to be counted."""
FOCAL = ("Lung Lesion", "Lung Opacity", "Consolidation", "Pneumonia", "Atelectasis")
SEED = 0


def texts_and_labels(limit: int | None) -> tuple[list[str], NDArray[np.int8]]:
    """Impressions, and labels [n, 14]: 1, 0, -1, and 2 where an observation is not mentioned."""
    data = OpenIDataset()
    rows = np.arange(len(data))
    if limit is not None:
        rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:limit])
    texts = [str(data[int(i)].report) for i in rows]
    labels = load_labeler(DEFAULT).label(texts)
    return texts, np.array([[2 if x is None else x for x in row] for row in labels], dtype=np.int8)


def rewritten(labels: NDArray[np.int8], rng: np.random.Generator) -> str:
    """A report of the phantom's grammar with the same findings, anywhere, of any extent."""
    made = []
    for name in PATHOLOGIES:
        if labels[OBSERVATIONS.index(name)] != 1:
            continue
        side: Side = "right" if rng.random() < 0.5 else "left"
        zones: tuple[Zone, ...] = (
            ("upper", "mid", "lower") if name != "Atelectasis" else ("mid", "lower")
        )
        zone = zones[int(rng.integers(len(zones)))]
        placed = name in (*FOCAL, "Pleural Effusion", "Pneumothorax")
        made.append(
            Finding(
                name,
                float(rng.random()),
                side if placed else "bilateral" if name == "Edema" else None,
                zone if name in FOCAL else None,
            )
        )
    return write_report(Case(tuple(made)), rng)


@torch.no_grad()
def probabilities(
    pipe: CoDiXRPipeline, texts: list[str], batch: int = 32
) -> dict[Modality, NDArray[np.float32]]:
    """The judges' [n, k] for the two views of every text; text i has the seed i."""
    read: dict[Modality, list[NDArray[np.float32]]] = {view: [] for view in VIEWS}
    judges = {view: load_judge(view).model for view in VIEWS}
    with Progress("generating", len(texts), unit="texts") as bar:
        for start in range(0, len(texts), batch):
            some = texts[start : start + batch]
            made = pipe.generate(
                [{Modality.T: t} for t in some], VIEWS, range(start, start + len(some))
            )
            for view in VIEWS:
                pictures = torch.from_numpy(np.stack([np.asarray(m[view]) for m in made]))
                read[view].append(torch.sigmoid(judges[view](pictures.float())).numpy())
            bar.advance(len(some))
    return {view: np.concatenate(parts) for view, parts in read.items()}


def main() -> None:
    """Print a line a class, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--checkpoint", help="default: the embedded one")
    parser.add_argument("--limit", type=int, help="so many impressions, drawn once for all")
    parser.add_argument("--rewritten", action="store_true")
    options = parser.parse_args()
    texts, labels = texts_and_labels(options.limit)
    shown_texts = texts
    if options.rewritten:
        rng = np.random.default_rng(SEED)
        shown_texts = [rewritten(row, rng) for row in labels]
    pipe = CoDiXRPipeline.from_pretrained(options.checkpoint)
    seen = probabilities(pipe, shown_texts)
    print(f"{len(texts)} impressions of OpenI{', rewritten' if options.rewritten else ''}")
    print(f"{'class':28}{'positive':>9}{'F':>8}{'L':>8}")
    scores: dict[Modality, list[float]] = {view: [] for view in VIEWS}
    for name in PATHOLOGIES:
        truth = labels[:, OBSERVATIONS.index(name)]
        known = truth != -1
        positive = int((truth == 1).sum())
        if positive < LEAST:
            continue
        row = [
            float(roc_auc_score(truth[known] == 1, seen[v][known, CLASSES.index(name)]))
            for v in VIEWS
        ]
        for view, value in zip(VIEWS, row, strict=True):
            scores[view].append(value)
        print(f"{name:28}{positive:>9}{row[0]:>8.3f}{row[1]:>8.3f}")
    macro = [float(np.mean(scores[view])) for view in VIEWS]
    print(f"{'macro':28}{'':9}{macro[0]:>8.3f}{macro[1]:>8.3f}")
    normal = labels[:, OBSERVATIONS.index("No Finding")] == 1
    shares = [any_finding(seen[view][normal], view) for view in VIEWS]
    print(f"{'normal with any finding':28}{int(normal.sum()):>9}{shares[0]:>8.3f}{shares[1]:>8.3f}")


def any_finding(seen: NDArray[np.float32], view: Modality) -> float:
    """The share of pictures in which the judge finds anything, devices left out."""
    limits = np.array([load_judge(view).thresholds[name] for name in PATHOLOGIES])
    columns = [CLASSES.index(name) for name in PATHOLOGIES]
    return float((seen[:, columns] >= limits).any(1).mean())


if __name__ == "__main__":
    main()
