"""Attribute F1 of generated reports: the right side, zone, severity and device, not only the label.

Both reports are read by the same rule reader (``labeler/attributes.py``) into statements: (finding,
side), (finding, zone), (finding, grade), (device, its side). ``attribute_f1_side`` is the F1 of all
studies' statements of sides, made against real ones, and so on. A wrong side costs twice, as a
statement too many and one that is missing; a finding that is left out, or made up, costs as well.
"""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr_bench.labeler.attributes import ATTRIBUTES, VERSION, Statement, read_attributes
from codixr_bench.labeler.nonreports import is_report
from codixr_bench.labeler.vocabulary import VERSION as LABELER
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.sums import MID_P, SummedFamily
from codixr_bench.model import Sample
from codixr_bench.statistics.bootstrap import Interval
from codixr_bench.statistics.effective_draws import by_patient, ratio_interval
from codixr_bench.statistics.influence import influence_of, without_each

COUNTS = ("both", "made", "real")
"""Statements that both sides make, that the output makes, that the study makes."""
NOTHING_SAID = "neither the studies nor the outputs say anything of it"

_OF_ALL = ("words masked", "cut short", "another patient's report", "one report for many")
_OF_FINDINGS = ("finding denied", "finding left out", "finding made up", *_OF_ALL)
"""Faults of the court that it must see. An affirmed denial states no side, zone or grade."""

Array = NDArray[np.float64]
Rows = NDArray[np.int16]


class AttributeF1(SummedFamily):
    """``attribute_f1_side|zone|severity|device`` of generated reports."""

    name = "attributes"
    card = "attribute_f1.md"
    scores = MappingProxyType(
        {
            f"attribute_f1_{attribute}": Facts(
                higher_is_better=True, about=About.REPORT, lowest=0.0, highest=1.0
            )
            for attribute in ATTRIBUTES
        }
    )
    columns = tuple(f"{attribute}.{count}" for attribute in ATTRIBUTES for count in COUNTS)
    of_studies = tuple(f"{attribute}.real" for attribute in ATTRIBUTES)
    sees = MappingProxyType(
        {
            "attribute_f1_side": (*_OF_FINDINGS, "side exchanged"),
            "attribute_f1_zone": (*_OF_FINDINGS, "zone exchanged"),
            "attribute_f1_severity": (*_OF_FINDINGS, "severity exchanged"),
            "attribute_f1_device": (*_OF_ALL, "side exchanged"),
        }
    )
    reasons = (*Family.reasons, NOTHING_SAID)
    no_value = NOTHING_SAID
    ci = MID_P

    def rows(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> Rows:
        """Statements of each attribute: in both, in the output, in the study; [B, 12]."""
        pairs = list(report_pairs(positions, studies, samples))
        return np.array(
            [counts_of(_stated(made), read_attributes(real), ATTRIBUTES) for real, made in pairs],
            dtype=np.int16,
        ).reshape(len(pairs), len(self.columns))

    def formula(self, sums: Array, n: Array) -> Array:
        """F1 = 2 both / (made + real), NaN where there is none of either."""
        return f1_of_sums(sums)

    def intervals(
        self, rows: NDArray[np.generic], patients: NDArray[np.integer] | None
    ) -> list[Interval | None]:
        """As of a ratio of sums between 0 and 1."""
        return f1_intervals_of_rows(rows, patients)

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """By leaving each study out of the counts."""
        found = [columns.get(f"{self.name}.{column}") for column in self.columns]
        if any(values is None for values in found):
            return {}
        return f1_influences(np.column_stack(found), list(self.scores))  # type: ignore[arg-type]

    def column_faults(self, columns: Columns) -> Problems:
        """More statements in both than in one."""
        yield from count_faults(columns, self.name)

    def signature(self, name: str) -> str:
        """The reader with its version, and the labeler's that finds the mentions."""
        return f"{name}|reader:rules@{VERSION}|labeler:chexpert-rules@{LABELER}|avg:micro"


ATTRIBUTE_F1 = AttributeF1()


def _stated(made: str) -> frozenset[Statement]:
    """What an output states: nothing, where it is no report but e.g. one word in a loop."""
    return read_attributes(made) if is_report(made) else frozenset()


def counts_of(
    made: frozenset[Statement], real: frozenset[Statement], attributes: Sequence[str]
) -> list[int]:
    """Statements in both, in ``made`` and in ``real``, for each attribute in turn."""
    counts = []
    for attribute in attributes:
        one, other = (
            {statement for statement in of if statement.attribute == attribute}
            for of in (made, real)
        )
        counts += [len(one & other), len(one), len(other)]
    return counts


def count_faults(columns: Columns, prefix: str) -> Problems:
    """What no statements give, of ``<prefix>.<attribute>.both|made|real``."""
    for column, both in columns.items():
        if column.startswith(prefix) and column.endswith(f".{COUNTS[0]}"):
            base = column.removesuffix(COUNTS[0])
            others = [columns.get(f"{base}{count}") for count in COUNTS[1:]]
            more = any(o is not None and np.greater(both, o).any() for o in others)
            if more or np.less(both, 0).any():
                yield column, "more statements in both than in one, or fewer than none"


def f1_of_sums(sums: Array) -> Array:
    """Summed counts [R, 3 k] -> F1 [R, k]; NaN where nothing was made and nothing is real."""
    both, made, real = (sums[:, i::3] for i in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * both / (made + real), dtype=np.float64)


def f1_influences(rows: NDArray[np.generic], names: Sequence[str]) -> dict[str, Influence]:
    """What each study does to each F1, from counts [n, 3 k]; absent where it has no value."""
    if len(rows) < 2:
        return {}
    scores = f1_of_sums(without_each(rows.astype(np.float64)))
    # Without the only study that says anything there is no score: it changes nothing else.
    scores = np.where(np.isfinite(scores), scores, scores[:1])
    every = {name: influence_of(scores[:, i]) for i, name in enumerate(names)}
    return {name: one for name, one in every.items() if np.isfinite(one.by_study).all()}


def f1_intervals_of_rows(
    rows: NDArray[np.generic], patients: NDArray[np.integer] | None
) -> list[Interval | None]:
    """95 % of each F1, from counts [n, 3 k]; None where it has no value."""
    found: list[Interval | None] = []
    for first in range(0, rows.shape[1], 3):
        both, made, real = np.asarray(rows[:, first : first + 3], dtype=np.float64).T
        parts, wholes = (by_patient(x, patients) for x in (2.0 * both, made + real))
        if wholes.sum() == 0:
            found.append(None)
            continue
        low, high = ratio_interval(parts, wholes)
        found.append((float(low), float(high)))
    return found
