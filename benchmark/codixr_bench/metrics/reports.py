"""A study's real report and the one made for it, checked, for the metrics of reports."""

from collections.abc import Iterator, Sequence

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.model import Sample


def report_pairs(
    positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
) -> Iterator[tuple[str, str]]:
    """(reference, generated) of each study; the generated one may be empty, the reference not.

    Raises InputError, which names the position, for a study or a sample without a report.
    """
    for position, study, sample in zip(positions, studies, samples, strict=True):
        reference, generated = study.report, sample.get(Modality.T)
        if reference is None or not reference.strip():
            raise InputError(
                f"the study at position {position} has no report to score against; "
                "leave it out of the split"
            )
        if not isinstance(generated, str):
            raise InputError(f"the sample at position {position} has no report")
        yield reference, generated
