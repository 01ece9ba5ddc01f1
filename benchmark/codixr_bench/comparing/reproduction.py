"""What came of making some of a row's samples anew: the record, and the study-by-study comparison.

Two makings of a sample are never equal to the last bit on another processor, so every kind of
column has a tolerance. Imports no torch.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from codixr_bench.metric import INFLUENCE, Columns
from codixr_bench.registry import METRICS, load_family
from codixr_bench.statistics.influence import PSEUDOVALUE

ACCOUNT = "[A-Za-z0-9][A-Za-z0-9-]{0,38}"
"""The form of an account's name."""
EQUAL_SHARE = 0.95
"""Of the studies that have to be equal."""
LEAST_STUDIES = 16
"""For a badge: a model that gives another sample in one of five studies passes with 3 %."""
NUMBERS = 0.02
"""Between two makings of a probability, a share or an overlap: absolute."""


class Reproduction(BaseModel):
    """One attempt, as ``reproduced.json`` of a row holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[str, StringConstraints(pattern=r"^[FLT+]{1,5}->[FLT+]{1,5}$")]
    model_version: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    statistics_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """Of the file that the new samples were held against."""
    by: Annotated[str, StringConstraints(pattern=f"^{ACCOUNT}$")]
    """The account that did it."""
    on: date
    device: Literal["cpu", "cuda", "mps"]
    """What computed the samples."""
    platform: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3,10}[A-Za-z0-9_.-]{0,50}$")] = (
        "unknown"
    )
    """System, processor family and C library, as in a result's environment; no host or user."""
    torch: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+]{1,30}$")] = "unknown"
    """Its version."""
    studies: int = Field(ge=1, le=10_000)
    equal: int = Field(ge=0, le=10_000)
    """Of ``studies``: all columns of theirs within the tolerances."""

    @property
    def is_equal(self) -> bool:
        """The verdict."""
        return self.equal >= EQUAL_SHARE * self.studies

    @property
    def counts(self) -> bool:
        """Whether it is equal, of so many studies that this says something."""
        return self.is_equal and self.studies >= LEAST_STUDIES


def digest(statistics: bytes) -> str:
    """What names a statistics file in a record."""
    return hashlib.sha256(statistics).hexdigest()


@dataclass(frozen=True)
class Compared:
    """Study by study: the submitted statistics against those of new samples."""

    equal: NDArray[np.bool_]
    """[k]; all columns of a study within their tolerances."""
    differing: tuple[tuple[str, int], ...]
    """(column, studies that differ), the most first."""
    lacking: tuple[str, ...] = ()
    """Columns that the new samples have and the row hasn't: nothing was compared there."""

    @property
    def is_equal(self) -> bool:
        """The verdict."""
        return bool(self.equal.sum() >= EQUAL_SHARE * len(self.equal))


def compare_studies(submitted: Columns, positions: Sequence[int], again: Columns) -> Compared:
    """Hold the rows ``positions`` of a row's statistics against new ones, [k] rows each.

    Columns that say what a study does to a score of all studies are passed over: they depend on the
    others. ValueError when the two have no column of a single study in common. A column that only
    the new samples have is named, and says nothing: a row of an earlier version lacks it.
    """
    chosen = np.asarray(positions)
    equal = np.ones(len(chosen), dtype=bool)
    counts: dict[str, int] = {}
    every = [name for name in again if _of_one_study(name, again[name])]
    names = [name for name in every if name in submitted]
    if not names:
        raise ValueError("no column of a single study in common")
    for name in names:
        same = _same(np.asarray(submitted[name])[chosen], np.asarray(again[name]))
        if not same.all():
            counts[name] = int((~same).sum())
        equal &= same
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lacking = tuple(name for name in every if name not in submitted)
    return Compared(equal, tuple(ordered), lacking)


def _of_one_study(name: str, values: NDArray[np.generic]) -> bool:
    """Whether a column is of the model's own work on one study, a number each.

    What agreements read of a sample, [n, k], says no more than its probabilities and labels do.
    """
    if name.endswith((PSEUDOVALUE, INFLUENCE)) or name == "patient" or values.ndim > 1:
        return False
    return not any(load_family(family).about_studies(name) for family in METRICS)


def _same(old: NDArray[np.generic], new: NDArray[np.generic]) -> NDArray[np.bool_]:
    """[k]; reports and whole numbers are equal, others near."""
    if new.dtype == object or np.issubdtype(new.dtype, np.integer) or new.dtype == bool:
        return np.asarray(old == new)
    apart = np.abs(old.astype(np.float64) - new.astype(np.float64))
    return np.asarray(apart <= NUMBERS)
