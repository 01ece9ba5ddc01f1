"""Label F1 of stored labels: computed again from them, whatever the stored influences say."""

import numpy as np
import pytest

from codixr_bench.metric import INFLUENCE
from codixr_bench.metrics.per_class import average_f1
from codixr_bench.metrics.report_labels import REPORT_LABELS
from codixr_bench.metrics.stored_labels import CLASSES, POLICIES, read_labels


def stored(policy: str) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """A run's columns under a policy, and its averages."""
    rng = np.random.default_rng(0)
    real = rng.choice([1, 0, -1, -2], (80, len(CLASSES)), p=[0.3, 0.2, 0.1, 0.4]).astype(np.int8)
    made = np.where(rng.random(real.shape) < 0.7, real, rng.permutation(real)).astype(np.int8)
    columns = {f"report_labels.hypothesis.{name}": made[:, c] for c, name in enumerate(CLASSES)}
    columns |= {f"report_labels.reference.{name}": real[:, c] for c, name in enumerate(CLASSES)}
    columns["report_labels.is_report"] = report = rng.random(80) < 0.9
    values = {}
    predicted, labels = read_labels(made, real, report, policy)
    for average, one in average_f1(predicted, labels, None, 10).influences():
        columns[f"label_f1_{average}{INFLUENCE}"] = one.by_study
        values[f"label_f1_{average}"] = one.value
    return columns, values


@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_is_the_one_that_gave_the_stored_influences(policy: str) -> None:
    columns, values = stored(policy)
    found = REPORT_LABELS.influences(columns)
    assert {name: found[name].value for name in values} == values
    for name in values:
        np.testing.assert_array_equal(found[name].by_study, columns[f"{name}{INFLUENCE}"])


def test_edited_influences_change_nothing_where_the_labels_are_there() -> None:
    columns, values = stored(POLICIES[0])
    for name in values:
        columns[f"{name}{INFLUENCE}"] = 50.0 * columns[f"{name}{INFLUENCE}"]
    found = REPORT_LABELS.influences(columns)
    assert {name: found[name].value for name in values} == values


def test_influences_alone_are_taken_as_they_stand() -> None:
    columns, values = stored(POLICIES[0])
    kept = {name: column for name, column in columns.items() if name.endswith(INFLUENCE)}
    found = REPORT_LABELS.influences(kept)
    assert set(found) == set(values)
    assert all(one.value is None for one in found.values())
