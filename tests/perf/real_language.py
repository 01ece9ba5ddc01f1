"""Real impressions to pictures, read by the judges: does the model understand what people write?

    python tests/perf/real_language.py [--checkpoint DIR] [--limit N] [--rewritten]

The 3,921 impressions of OpenI, read from the installed torchxrayvision, become a frontal and a
lateral view each; the shipped judges read them, and our labeler's labels of the real text are the
truth (uncertain ones left out, not mentioned is absent). --rewritten gives the same labels as
reports of the phantom's grammar first: the ceiling of pictures and judges. Prints AUROC by class
with 15 positives or more, and how many normal impressions show a finding: once by CheXpert's rules,
and once by the clinical reading of the same words. The rules call a contour of the diaphragm, or
nodes in the mediastinum, an enlarged cardiomediastinum; "text" is the AUROC that the clinical
reading itself has against the rules. No text is printed.
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
from codixr_bench.labeler import CLINICAL, DEFAULT
from codixr_bench.labeler.interface import load_labeler

VIEWS = (Modality.F, Modality.L)
LEAST = 15
"""Positives that a class needs to be counted."""
FOCAL = ("Lung Lesion", "Lung Opacity", "Consolidation", "Pneumonia", "Atelectasis")
SEED = 0


def real_texts(limit: int | None) -> list[str]:
    """Impressions, in the data set's order."""
    data = OpenIDataset()
    rows = np.arange(len(data))
    if limit is not None:
        rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:limit])
    return [str(data[int(i)].report) for i in rows]


def read_labels(texts: list[str], labeler: str) -> NDArray[np.int8]:
    """[n, 14]: 1, 0, -1, and 2 where an observation is not mentioned."""
    labels = load_labeler(labeler).label(texts)
    return np.array([[2 if x is None else x for x in row] for row in labels], dtype=np.int8)


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
    texts = real_texts(options.limit)
    truths = {labeler: read_labels(texts, labeler) for labeler in (DEFAULT, CLINICAL)}
    shown_texts = texts
    if options.rewritten:
        rng = np.random.default_rng(SEED)
        shown_texts = [rewritten(row, rng) for row in truths[DEFAULT]]
    pipe = CoDiXRPipeline.from_pretrained(options.checkpoint)
    seen = probabilities(pipe, shown_texts)
    print(f"{len(texts)} impressions of OpenI{', rewritten' if options.rewritten else ''}")
    print(f"{'':28}{DEFAULT:>28}{CLINICAL:>24}")
    heads = ("positive", "F", "L", "text", "positive", "F", "L")
    print(
        "class".ljust(28) + "".join(f"{head:>{w}}" for head, w in zip(heads, WIDTHS, strict=True))
    )
    table = [row_of(name, truths, seen) for name in PATHOLOGIES]
    for name, row in zip(PATHOLOGIES, table, strict=True):
        if any(cell is not None for cell in row):
            print(line(name, row))
    macro = [
        None if i in COUNTS else float(np.mean([row[i] for row in table if row[i] is not None]))
        for i in range(len(WIDTHS))
    ]
    print(line("macro", macro))
    shares: list[float | None] = []
    for truth in truths.values():
        normal = truth[:, OBSERVATIONS.index("No Finding")] == 1
        shares += [int(normal.sum()), *(any_finding(seen[view][normal], view) for view in VIEWS)]
    print(line("normal with any finding", [*shares[:3], None, *shares[3:]]))


WIDTHS = (9, 7, 7, 7, 10, 7, 7)
COUNTS = (0, 4)
"""The columns that hold numbers of positives."""


def row_of(
    name: str, truths: dict[str, NDArray[np.int8]], seen: dict[Modality, NDArray[np.float32]]
) -> list[float | None]:
    """A class by each truth: positives, F, L, and by the first what the second makes of the text.

    None where it has too few positives.
    """
    column, row = OBSERVATIONS.index(name), list[float | None]()
    clinical = truths[CLINICAL][:, column]
    for labeler, labels in truths.items():
        truth = labels[:, column]
        known, positive = truth != -1, int((truth == 1).sum())
        scores = [seen[view][:, CLASSES.index(name)] for view in VIEWS]
        if labeler == DEFAULT:
            scores.append(np.select([clinical == 1, clinical == -1], [1.0, 0.5], 0.0))
        if positive < LEAST:
            row += [None] * (1 + len(scores))
            continue
        row += [positive, *(float(roc_auc_score(truth[known] == 1, s[known])) for s in scores)]
    return row


def line(name: str, row: list[float | None]) -> str:
    """A row of the table."""
    cells = [
        "-" if x is None else f"{x:.0f}" if i in COUNTS else f"{x:.3f}" for i, x in enumerate(row)
    ]
    return name.ljust(28) + "".join(f"{cell:>{w}}" for cell, w in zip(cells, WIDTHS, strict=True))


def any_finding(seen: NDArray[np.float32], view: Modality) -> float:
    """The share of pictures in which the judge finds anything, devices left out."""
    limits = np.array([load_judge(view).thresholds[name] for name in PATHOLOGIES])
    columns = [CLASSES.index(name) for name in PATHOLOGIES]
    return float((seen[:, columns] >= limits).any(1).mean())


if __name__ == "__main__":
    main()
