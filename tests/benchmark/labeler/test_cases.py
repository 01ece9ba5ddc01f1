"""The shared sentences with the original's label and a radiologist's, by kind."""

import csv
from collections import Counter

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler.rules import label_report

from .conftest import TABLE, cells, shared

ENOUGH = 0.95


def test_every_kind_of_sentence_agrees_with_the_original():
    counts: Counter = Counter()
    kinds: dict[str, None] = {}
    with (shared("labeler-cases") / "cases.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            kinds[row["kind"]] = None
            place = OBSERVATIONS.index(row["observation"])
            counts[row["kind"]] += 1
            (original,) = cells([row["original"]])
            counts[row["kind"], "original"] += label_report(row["sentence"])[place] == original
    for kind in kinds:
        share = counts[kind, "original"] / counts[kind]
        TABLE.append(f"cases      {kind:22} original {share:.3f} ({counts[kind]})")
        assert share >= ENOUGH
