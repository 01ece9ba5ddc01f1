"""Attribute F1 of reports: a wrong side costs what it should, and nothing else does."""

import numpy as np
import pytest

from codixr.data.phantom import PhantomDataset
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.comparing.report_faults import severities, sides, zones
from codixr_bench.labeler.attributes import read_attributes
from codixr_bench.metrics.attributes import ATTRIBUTE_F1, NOTHING_SAID
from codixr_bench.metrics.sums import SummedMetric


def scores(made: list[str], real: list[str]) -> dict[str, float | None]:
    metric = SummedMetric(ATTRIBUTE_F1)
    studies = [Study(str(i), str(i), "test", report=text) for i, text in enumerate(real)]
    metric.update(range(len(real)), studies, [{Modality.T: text} for text in made])
    return {s.name.removeprefix("attribute_f1_"): s.value for s in metric.compute()}


def one_sided(report: str) -> bool:
    found = [s.value for s in read_attributes(report) if s.attribute == "side"]
    return bool(found) and "bilateral" not in found


def with_half_exchanged(reports: list[str]) -> list[str]:
    chosen = [i for i, report in enumerate(reports) if one_sided(report)][::2]
    return [sides(r, 1.0, np.random.default_rng(0)) if i in set(chosen) else r
            for i, r in enumerate(reports)]  # fmt: skip


@pytest.mark.parametrize("n", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_sides_exchanged_in_every_second_report_leave_half_of_side_and_all_of_zone(n):
    real = PhantomDataset("test", limit=n).reports()
    found = scores(with_half_exchanged(real), real)
    assert found["side"] == pytest.approx(0.50, abs=0.03 if n == 2000 else 0.06)
    # The right middle lobe is exchanged for the lingula: the same zone.
    assert found["zone"] == found["severity"] == 1.0


def test_each_attribute_sees_its_own_fault_alone():
    real = PhantomDataset("test", limit=100).reports()
    rng = np.random.default_rng(0)
    for change, hit in ((sides, "side"), (zones, "zone"), (severities, "severity")):
        found = scores([change(report, 1.0, rng) for report in real], real)
        assert found[hit] < 0.3
        others = {"side", "zone", "severity"} - {hit}
        assert all(found[name] > 0.85 for name in others), (hit, found)


def test_a_loop_states_nothing():
    real = ["Endotracheal tube in place. Left pleural effusion."] * 2
    found = scores(["line " * 128, real[0]], real)
    assert found["device"] == pytest.approx(2 / 3)
    found = scores(["left pleural effusion " * 20, real[0]], real)
    assert found["side"] == pytest.approx(2 / 3)


def test_f1_counts_statements():
    real = ["small left effusion.", "moderate right pneumothorax. mild cardiomegaly."]
    made = ["small right effusion.", "large right pneumothorax."]
    found = scores(made, real)
    assert found["side"] == pytest.approx(2 * 1 / (2 + 2))
    assert found["severity"] == pytest.approx(2 * 1 / (2 + 3))
    assert found["zone"] is None
    metric = SummedMetric(ATTRIBUTE_F1)
    studies = [Study("1", "1", "test", report="no effusion.")]
    metric.update([0], studies, [{Modality.T: "no effusion."}])
    assert {s.reason for s in metric.compute()} == {NOTHING_SAID}
