"""Samples against studies: the second half of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy import generic
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr_bench.metric import LoadsNetworks, Metric, Peer, Prepares, has_skill
from codixr_bench.model import Sample
from codixr_bench.runs.references import Reference, measured, with_skill
from codixr_bench.runs.warnings import above_real
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.bootstrap import patient_numbers, resampling_patients
from codixr_bench.statistics.skill import Measured
from codixr_bench.task import Task
from codixr_bench.track import Evaluation


class SampleSource(Protocol):
    """Samples by position: a SampleStore, or a folder that another program made."""

    task: Task

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def batches(self) -> Iterator[tuple[range, list[Sample]]]:
        """(positions, samples), in order."""
        ...


def load_networks(metrics: Sequence[Metric]) -> None:
    """Have the metrics load what they compute with: faults show before hours of work.

    Raises InputError as ``LoadsNetworks.load``.
    """
    for metric in metrics:
        if isinstance(metric, LoadsNetworks):
            metric.load()


def prepare_metrics(metrics: Sequence[Metric], evaluation: Evaluation) -> None:
    """Have the metrics prepare what they need beside the evaluated studies, before they score."""
    for metric in metrics:
        if isinstance(metric, Prepares):
            metric.prepare(evaluation)


@dataclass(frozen=True)
class Scored:
    """What scoring gives: the scores, and one row of statistics a study, of ``n`` studies."""

    scores: list[Score]
    statistics: Mapping[str, NDArray[generic]]
    n: int
    patients: int
    """As many as ``n`` where every study is a patient of its own."""
    warnings: Sequence[ResultWarning] = ()
    """What came of holding it against the real studies."""


def score_samples(
    source: SampleSource,
    dataset: StudyDataset,
    metrics: Sequence[Metric],
    peers: Sequence[Peer] = (),
    references: Sequence[Reference] | None = None,
) -> Scored:
    """Score every sample against its study; nothing is dropped. ``peers`` see the same samples.

    ``references``, constant and ceiling, give each score its ``skill``; None for no skill at all.

    Intervals resample patients. Where some have several studies, the statistics' column ``patient``
    numbers them by first appearance.

    Raises InputError when the samples are not as many as the studies.
    """
    if len(source) != len(dataset):
        raise InputError(f"{len(source)} samples for {len(dataset)} studies: nothing is scored")
    n = 0
    patients: list[str] = []
    for positions, samples in source.batches():
        studies = [dataset[position] for position in positions]
        for metric in metrics:
            metric.update(positions, studies, samples)
        for peer in peers:
            peer.update(positions, studies, samples)
        for reference in references or ():
            reference.update(positions, studies)
        n += len(positions)
        patients += [study.subject_id for study in studies]
    if n != len(dataset):
        raise InputError(f"{n} of {len(dataset)} samples could be read: nothing is scored")
    scores: list[Score] = []
    statistics: dict[str, NDArray[generic]] = {}
    with resampling_patients(patients) as count:
        numbers = patient_numbers()
        if numbers is not None and count < n:
            statistics["patient"] = numbers
        held = [(one.name, one.measured()) for one in references or ()]
        found: dict[str, Measured] = {}
        for metric in metrics:
            own = metric.compute()
            if references is not None and has_skill(metric):
                mine = measured(own, metric)
                own = with_skill(own, mine, held, statistics.get("patient"))
                found |= mine
            scores += own
            for name, values in metric.statistics().items():
                statistics[name if name not in statistics else f"{metric.name}.{name}"] = values
    real = dict(held).get("real", {})
    warnings = tuple(above_real(found, real, statistics.get("patient")))
    return Scored(scores, statistics, n, count, warnings)
