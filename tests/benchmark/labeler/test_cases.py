"""The shared sentences with the original's label and a radiologist's, by kind."""

import csv
from collections import Counter

import pytest

from codixr.data.labels import OBSERVATIONS
from codixr_bench.labeler import clinical, rules

from .conftest import TABLE, cells, shared

ENOUGH = 0.95


@pytest.mark.parametrize(
    ("column", "label"),
    [("original", rules.label_report), ("clinical", clinical.label_report)],
    ids=["original", "clinical"],
)
def test_every_kind_of_sentence_agrees(column, label):
    same: Counter = Counter()
    total: Counter = Counter()
    with (shared("labeler-cases") / "cases.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            place = OBSERVATIONS.index(row["observation"])
            (wanted,) = cells([row[column]])
            total[row["kind"]] += 1
            same[row["kind"]] += label(row["sentence"])[place] == wanted
    for kind, count in total.items():
        TABLE.append(f"cases, {column:9} {kind:22} {same[kind] / count:.3f} ({count})")
    assert all(same[kind] / count >= ENOUGH for kind, count in total.items())
