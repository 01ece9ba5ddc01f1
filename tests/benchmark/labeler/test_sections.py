"""Reports are cut at their headers, however people write these."""

import pytest

from codixr_bench.labeler.sections import SectionCutter

WRITTEN = {
    "capitals": "FINDINGS: No effusion.\nIMPRESSION: Edema.",
    "lower case": "findings: No effusion.\nimpression: Edema.",
    "tabs": "\tFINDINGS\t:\tNo effusion.\r\n\tIMPRESSION\t:\tEdema.",
    "inside a line": "CHEST PA. Findings: No effusion. Impression: Edema.",
    "inside a line, without a stop": "CHEST FINDINGS: No effusion. IMPRESSION: Edema.",
    "alone on their lines": "FINDINGS\nNo effusion.\n\nImpression\nEdema.",
    "before a dash": "Findings - No effusion.\nIMPRESSION \u2013 Edema.",
    "Markdown": "**FINDINGS:** No effusion.\n## Impression\nEdema.",
    "HTML": "<b>FINDINGS:</b> No effusion. <b>IMPRESSION</b>: Edema.",
    "another colon": "FINDINGS\uff1a No effusion.\nIMPRESSION:: Edema.",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_header_is_known_as_people_write_it(kind):
    report = WRITTEN[kind]
    assert SectionCutter("impression", required=True)(report) == "Edema."
    assert SectionCutter("Findings", required=True)(report) == "No effusion."
    assert SectionCutter("findings; impression")(report) == "No effusion.\nEdema."


@pytest.mark.parametrize(
    "report",
    [
        "No effusion; my impression: unchanged.",
        "These are stable\nfindings\nof the chest.",
        "Stable findings - no edema.",
    ],
)
def test_a_name_in_prose_is_no_header(report):
    assert SectionCutter("findings,impression", required=True)(report) is None
