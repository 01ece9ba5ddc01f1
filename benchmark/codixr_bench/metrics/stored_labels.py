"""Labels as a run's statistics hold them, and label F1 from them."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr_bench.metric import Columns, Influence
from codixr_bench.metrics.per_class import average_f1

PREFIX = "report_labels"
"""Of the columns: ``report_labels.hypothesis.Edema``, ``.reference.``, ``.is_report``."""
POLICIES = ("u-zeros", "u-ones", "u-ignore")
CLASSES: tuple[str, ...] = (*PATHOLOGIES, "No Finding")
BLANK = -2
"""How "not mentioned" is stored; 1, 0 and -1 are stored as they are."""

TEN = len(PATHOLOGIES)

Mask = NDArray[np.bool_]
Stored = NDArray[np.int8]


def read_labels(
    hypothesis: NDArray[np.generic],
    reference: NDArray[np.generic],
    is_report: NDArray[np.generic],
    policy: str,
) -> tuple[Mask, Stored]:
    """Stored labels [n, k] -> predicted positives [n, k], and labels [n, k]: 1, 0 or ``BLANK``."""
    made = np.asarray(hypothesis, dtype=np.int8).copy()
    real = np.asarray(reference, dtype=np.int8)
    made[~np.asarray(is_report, dtype=np.bool_)] = BLANK
    positive = (1, -1) if policy == "u-ones" else (1,)
    labels = np.isin(real, positive).astype(np.int8)
    if policy == "u-ignore":
        labels[(real == -1) | (made == -1)] = BLANK
    return np.isin(made, positive), labels


def from_labels(columns: Columns, stored: Mapping[str, Influence]) -> dict[str, Influence]:
    """The influences of label F1 from the stored labels, by the policy that fits the stored ones.

    Which policy it was stands in the signature alone; only one of them gives what was stored.
    """
    names = [f"{PREFIX}.{kind}.{name}" for kind in ("hypothesis", "reference") for name in CLASSES]
    report = columns.get(f"{PREFIX}.is_report")
    wanted = [name for name in stored if name.startswith("label_f1_")]
    if report is None or not wanted or any(name not in columns for name in names):
        return {}
    labels = np.stack([columns[name] for name in names], axis=1)
    made, real = labels[:, : len(CLASSES)], labels[:, len(CLASSES) :]
    found = []
    for policy in POLICIES:
        once = average_f1(*read_labels(made, real, report, policy), None, TEN)
        own = {f"label_f1_{average}": one for average, one in once.influences()}
        own = {name: own[name] for name in wanted if name in own}
        misfit = sum(float(np.abs(own[n].by_study - stored[n].by_study).sum()) for n in own)
        found.append((misfit if np.isfinite(misfit) else np.inf, own))
    return min(found, key=lambda one: one[0])[1]


def label_f1(
    columns: Columns, name: str, policy: str, without: Collection[str] = ()
) -> dict[str, Influence]:
    """``name`` (``label_f1_macro`` …) by this policy and without these classes; {} without any."""
    kept = [label for label in CLASSES if label not in without]
    ten = sum(label in PATHOLOGIES for label in kept)
    names = [f"{PREFIX}.{kind}.{label}" for kind in ("hypothesis", "reference") for label in kept]
    report = columns.get(f"{PREFIX}.is_report")
    if report is None or not ten or any(column not in columns for column in names):
        return {}
    labels = np.stack([columns[column] for column in names], axis=1)
    read = read_labels(labels[:, : len(kept)], labels[:, len(kept) :], report, policy)
    every = dict(average_f1(*read, None, ten).influences())
    average = name.removeprefix("label_f1_")
    return {name: every[average]} if average in every else {}


def policy_of(signature: str) -> str:
    """The policy for uncertain labels that a signature names; empty without one."""
    return next((p for p in POLICIES if f"uncertain:{p}" in signature.split("|")), "")
