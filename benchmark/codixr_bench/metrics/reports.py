"""A study's real report and the one made for it, checked, for the metrics of reports."""

from collections.abc import Iterator, Sequence

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Sample

WRONG_FINDINGS = (
    "finding denied",
    "denial affirmed",
    "finding left out",
    "finding made up",
    "words masked",
    "cut short",
    "another patient's report",
    "one report for many",
)
"""Faults of the court that whatever reads a report must see."""
WRONG_WORDS = (
    *WRONG_FINDINGS,
    "side exchanged",
    "severity exchanged",
    "zone exchanged",
    "last word repeated",
)
"""And those that whatever compares words must see."""


def report_pairs(
    positions: Sequence[int],
    studies: Sequence[Study],
    samples: Sequence[Sample],
    *,
    blank: bool = False,
) -> Iterator[tuple[str, str]]:
    """(reference, generated) of each study; the generated one may be empty.

    Raises InputError, which names the position, for a study or a sample without a report; a real
    report of blanks counts as none unless ``blank`` allows it.
    """
    made = generated_reports(positions, samples)
    for position, study, generated in zip(positions, studies, made, strict=True):
        reference = study.report
        if reference is None or not (blank or reference.strip()):
            raise InputError(
                f"the study at position {position} has no report to score against; "
                "leave it out of the split"
            )
        yield reference, generated


def generated_reports(positions: Sequence[int], samples: Sequence[Sample]) -> list[str]:
    """The generated reports, which may be empty; InputError names the position that has none."""
    reports = []
    for position, sample in zip(positions, samples, strict=True):
        report = sample.get(Modality.T)
        if not isinstance(report, str):
            raise InputError(f"the sample at position {position} has no report")
        reports.append(report)
    return reports
