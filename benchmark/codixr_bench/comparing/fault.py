"""A fault that outputs can have, in grades: what the court shows to every metric.

A fault turns the real outputs of the evaluated studies into worse ones, always the same way: what
is drawn depends on a study's position alone. A severe grade has the studies of a slight one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codixr.data.study import Study
from codixr.modality import Modality

Change = Callable[[Any, float, np.random.Generator], Any]
"""(picture or report, grade, generator) -> the changed one; an equal one where nothing fits."""
SHARES = (0.25, 0.5, 1.0)
OF_STUDIES = "share of studies"


@dataclass(frozen=True)
class Outputs:
    """The real outputs of one modality of the evaluated studies, in order."""

    modality: Modality
    studies: Sequence[Study]
    contents: Sequence[Any]
    """Pictures, float32 [1, H, W] in [0, 1], or reports."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault, from slight to severe."""

    name: str
    """In a few words, e.g. ``side exchanged``."""
    of_reports: bool
    """Else of pictures."""
    grades: tuple[float, ...]
    unit: str
    """Of the grades, e.g. ``share of studies``."""
    make: Callable[[Outputs, float], list[Any]]
    """The outputs with the fault in that grade."""
    harmless: bool = False
    """Whether the meaning stays: then no metric should mind."""


def on_all(change: Change) -> Callable[[Outputs, float], list[Any]]:
    """Change every output, by the grade."""

    def make(outputs: Outputs, grade: float) -> list[Any]:
        return [change(one, grade, _generator(i)) for i, one in enumerate(outputs.contents)]

    return make


def on_some(change: Change) -> Callable[[Outputs, float], list[Any]]:
    """Change the grade's share of those outputs that can be changed."""

    def make(outputs: Outputs, grade: float) -> list[Any]:
        changed = on_all(change)(outputs, 1.0)
        can = [i for i, old in enumerate(outputs.contents) if not _same(old, changed[i])]
        return _replaced(outputs, {i: changed[i] for i in some_of(can, grade)})

    return make


def another_patients(outputs: Outputs, grade: float) -> list[Any]:
    """A share of the studies get one another's outputs; no patient gets an own one."""
    chosen = some_of(range(len(outputs.contents)), grade)
    patients = [outputs.studies[i].subject_id for i in chosen]
    half = len(chosen) // 2
    found: dict[int, Any] = {}
    for place, position in enumerate(chosen):
        around = [(place + half + step) % len(chosen) for step in range(len(chosen))]
        other = next((p for p in around if patients[p] != patients[place]), None)
        if other is not None:
            found[position] = outputs.contents[chosen[other]]
    return _replaced(outputs, found)


def one_for_many(outputs: Outputs, grade: float) -> list[Any]:
    """A share of the studies all get the output of the first of them."""
    chosen = some_of(range(len(outputs.contents)), grade)
    return _replaced(outputs, dict.fromkeys(chosen, outputs.contents[chosen[0]]))


def some_of(positions: Sequence[int], share: float) -> list[int]:
    """A share of the positions, at least one, in order; a larger share holds a smaller one."""
    if not positions:
        return []
    order = np.random.default_rng(0).permutation(len(positions))
    return sorted(positions[i] for i in order[: max(1, round(share * len(positions)))])


def changed(outputs: Outputs, contents: Sequence[Any]) -> int:
    """How many outputs are not the real ones."""
    pairs = zip(outputs.contents, contents, strict=True)
    return sum(not _same(old, new) for old, new in pairs)


def _replaced(outputs: Outputs, by_position: Mapping[int, Any]) -> list[Any]:
    return [by_position.get(i, old) for i, old in enumerate(outputs.contents)]


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) if isinstance(one, str) else np.array_equal(one, other)


def _generator(position: int) -> np.random.Generator:
    return np.random.default_rng((0, position))
