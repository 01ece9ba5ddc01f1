"""Every built-in metric keeps the contract, and the contract finds what is wrong with one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from codixr.modality import Modality
from codixr_bench.metric import About, Columns, Facts, Influence
from codixr_bench.metrics.distances import Distances
from codixr_bench.metrics.sums import SummedFamily, SummedMetric
from codixr_bench.model import Sample
from codixr_bench.registry import METRICS
from codixr_bench.testing import check_metric

FACTS = Facts(higher_is_better=False, about=About.REPORT, lowest=0.0, decimals=1)


class Words(SummedFamily):
    """The mean number of words of the generated reports."""

    name = "report_words"
    scores = {"report_words": FACTS}  # noqa: RUF012
    columns = ("words",)

    def rows(self, positions, studies, samples: Sequence[Sample]):
        return [[len(str(sample[Modality.T]).split())] for sample in samples]


def kinds(family) -> set[str]:
    return {fault.kind for fault in check_metric(family, ["F->T"], n=8).faults}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow) if n in ("consistency", "classification") else n
        for n in METRICS
    ],
)
def test_every_built_in_metric_keeps_the_contract(name: str) -> None:
    # It scores single outputs; by an encoder that nobody named here, so it keeps it as a null.
    report = check_metric(name, ("T->F", "F->T")) if name == "alignment" else check_metric(name)
    assert report.passed, str(report)
    assert report.tasks


class EveryDistance(Distances):
    """All that can be asked for, made unasked."""

    def metrics(self, task, track):
        found = super().metrics(task, track)
        for metric in found:
            metric.choose(metric.offers)
        return found


def test_the_distances_on_request_keep_the_contract() -> None:
    report = check_metric(EveryDistance("frechet"), ["T->F"], n=150)
    assert report.passed, str(report)


def test_a_metric_whose_statistics_add_up_keeps_it_with_one_method() -> None:
    assert kinds(Words()) == set()


class WrongWay(Words):
    scores = {"report_words": replace(FACTS, higher_is_better=True)}  # noqa: RUF012


class TooLow(Words):
    scores = {"report_words": replace(FACTS, highest=3.0)}  # noqa: RUF012


class Unnamed(Words):
    scores = {"report_letters": FACTS}  # noqa: RUF012

    def metrics(self, task, track):
        return Words().metrics(task, track)


class Flipped(Words):
    def influences(self, columns: Columns) -> dict[str, Influence]:
        found = super().influences(columns)
        return {name: Influence(-one.by_study, one.value) for name, one in found.items()}


class Silent(Words):
    def influences(self, columns: Columns) -> dict[str, Influence]:
        return {}


class Shifted(Words):
    def influences(self, columns: Columns) -> dict[str, Influence]:
        found = super().influences(columns)
        return {name: Influence(one.by_study + 1, one.value) for name, one in found.items()}


class _Forgets(SummedMetric):
    def merge(self, other) -> None:
        pass


class Forgetful(Words):
    def metrics(self, task, track):
        return [_Forgets(self)]


class _Averages(SummedMetric):
    """Rows that depend on the batch they came in."""

    def update(self, positions, studies, samples) -> None:
        super().update(positions, studies, samples)
        positions, columns = self._rows._blocks[-1]
        columns["row"] = columns["row"] * len(positions)


class BatchBound(Words):
    def metrics(self, task, track):
        return [_Averages(self)]


class _Text(SummedMetric):
    def statistics(self) -> Columns:
        found = super().statistics()
        return {**found, "report_words.text": np.array(["a"] * len(self._rows))}


class Leaking(Words):
    def metrics(self, task, track):
        return [_Text(self)]


class Bare(Words):
    def metrics(self, task, track):
        return [object()]


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (WrongWay, "direction"),
        (TooLow, "range"),
        (Unnamed, "name"),
        (Flipped, "influence"),
        (Silent, "influence"),
        (Shifted, "influence"),
        (Forgetful, "merge"),
        (BatchBound, "batch-dependent"),
        (Leaking, "statistics"),
        (Bare, "interface"),
    ],
)
def test_what_is_wrong_with_a_metric_is_found(family: type[Words], kind: str) -> None:
    assert kind in kinds(family())


def test_a_metric_that_scores_none_of_the_tasks_is_a_fault() -> None:
    assert {f.kind for f in check_metric(Words(), ["T->F"], n=4).faults} == {"interface"}
    with pytest.raises(ValueError, match="four studies"):
        check_metric(Words(), n=3)
