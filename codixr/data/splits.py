"""Which patient belongs to which split: MIMIC-CXR's own, or a holdout as the paper describes it.

Notable:
- ``paper``: whole patients, in the order of sha256(seed, subject id), join the test split as long
  as its images don't exceed the paper's 33,588 (or, in a smaller cohort, the same share of it);
  patients that would exceed it are passed over. Then the validation split is filled the same way;
  the paper names none, its size is our choice. The paper's own list isn't published.
- ``official``: MIMIC-CXR's table. A patient with images in two splits is refused, not guessed at.
"""

import hashlib
from collections.abc import Iterable, Mapping

from codixr.data import paper
from codixr.data.study import Split

PAPER_SEED = 0
VAL_SHARE = 0.01
"""Of the cohort's images."""

OFFICIAL: dict[str, Split] = {"train": "train", "validate": "val", "test": "test"}
"""MIMIC-CXR's names -> ours."""


def paper_split(images: Mapping[str, int], seed: int = PAPER_SEED) -> dict[str, Split]:
    """Subject id -> split, from subject id -> number of images in the cohort."""
    total = sum(images.values())
    share = paper.TEST_SAMPLES / paper.COHORT_IMAGES
    found: dict[str, Split] = dict.fromkeys(images, "train")
    order = sorted(images, key=lambda subject: _rank(seed, subject))
    test = _fill(order, images, min(paper.TEST_SAMPLES, round(total * share)))
    found |= dict.fromkeys(test, "test")
    rest = [subject for subject in order if found[subject] == "train"]
    found |= dict.fromkeys(_fill(rest, images, round(total * VAL_SHARE)), "val")
    return found


def official_split(rows: Iterable[tuple[str, str]]) -> dict[str, Split | None]:
    """Subject id -> split, from (subject id, official name); None where rows disagree or err."""
    found: dict[str, Split | None] = {}
    for subject, name in rows:
        split = OFFICIAL.get(name)
        found[subject] = split if found.get(subject, split) == split else None
    return found


def _fill(order: Iterable[str], images: Mapping[str, int], target: int) -> list[str]:
    chosen, left = [], target
    for subject in order:
        if images[subject] <= left:
            chosen.append(subject)
            left -= images[subject]
        if left == 0:
            break
    return chosen


def _rank(seed: int, subject: str) -> bytes:
    return hashlib.sha256(f"{seed}:{subject}".encode()).digest()


def holdout_split(
    subjects: Iterable[str], test_share: float, val_share: float, seed: int = 0
) -> dict[str, Split]:
    """Subject id -> split: shares of the patients in the order of sha256(seed, subject id).

    At least one patient is a test patient.
    """
    order = sorted(set(subjects), key=lambda subject: _rank(seed, subject))
    test = max(1, round(test_share * len(order)))
    val = test + round(val_share * len(order))
    found: dict[str, Split] = {}
    for place, subject in enumerate(order):
        found[subject] = "test" if place < test else "val" if place < val else "train"
    return found
