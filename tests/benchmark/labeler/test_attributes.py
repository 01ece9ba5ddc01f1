"""The rule reader of sides, zones, severities and devices."""

import pytest

from codixr.data.phantom.attributes import ATTRIBUTES, BEARERS, attribute_rows
from codixr.data.phantom.case import DEVICES, Case, sample_case
from codixr.data.phantom.dataset import report_of
from codixr_bench.labeler.attributes import Statement, read_attributes


def said(report: str) -> set[str]:
    return {f"{s.attribute} {s.bearer}: {s.value}".rstrip(": ") for s in read_attributes(report)}


@pytest.mark.parametrize(
    ("report", "statements"),
    [
        ("Moderate left pleural effusion.", {"side Pleural Effusion: left",
                                             "severity Pleural Effusion: moderate"}),
        ("Small bilateral pleural effusions.", {"side Pleural Effusion: bilateral",
                                                "severity Pleural Effusion: mild"}),
        ("Right pleural effusion and left basilar atelectasis.",
         {"side Pleural Effusion: right", "side Atelectasis: left", "zone Atelectasis: lower"}),
        ("RUL consolidation.", {"side Consolidation: right", "zone Consolidation: upper"}),
        ("Consolidation in the lingula, mild.", {"side Consolidation: left",
                                                 "zone Consolidation: mid",
                                                 "severity Consolidation: mild"}),
        ("Bibasilar atelectasis.", {"side Atelectasis: bilateral", "zone Atelectasis: lower"}),
        ("No left pneumothorax. Marked cardiomegaly.", {"severity Cardiomegaly: severe"}),
        ("Possible right pneumonia.", set()),
        ("The heart size is normal. The lungs are clear.", set()),
        ("Left-sided pacemaker with leads in the right atrium.", {"device pacemaker: left"}),
        ("Endotracheal tube in place. No nasogastric tube.", {"device endotracheal tube"}),
        ("Right PICC line removed.", set()),
    ],
)  # fmt: skip
def test_a_word_belongs_to_the_finding_of_its_part_of_the_sentence(report, statements):
    assert said(report) == statements


def test_a_finding_without_a_place_shares_that_of_its_sentence():
    found = said("severe pneumonia with patchy right mid zone opacity.")
    assert {"side Pneumonia: right", "zone Pneumonia: mid", "severity Pneumonia: severe"} <= found
    assert "severity Lung Opacity: severe" not in found


def truth(case: Case) -> set[Statement]:
    present, values = attribute_rows(case)
    found = set()
    for k, bearer in enumerate(BEARERS):
        if present[k] != 1:
            continue
        known = {a: v[values[k, i]] for i, (a, v) in enumerate(ATTRIBUTES.items())
                 if values[k, i] >= 0}  # fmt: skip
        if bearer in DEVICES:
            found.add(Statement("device", bearer, known.get("side", "")))
        else:
            found |= {Statement(attribute, bearer, value) for attribute, value in known.items()}
    return found


def test_the_reader_reads_what_the_simulation_placed():
    # A text tells of two opacities where there are a haze and a pneumonia.
    def others(statements):
        return {s for s in statements if s.bearer != "Lung Opacity"}

    for index in range(8500, 9000):
        case = sample_case(0, index)
        assert others(read_attributes(report_of(0, index))) == others(truth(case)), index
