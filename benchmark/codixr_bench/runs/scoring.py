"""Samples against studies: the second half of a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy import generic
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metric import LoadsNetworks, Metric, Peer, Prepares, has_skill
from codixr_bench.metrics.reports import generated_reports
from codixr_bench.model import Sample
from codixr_bench.runs.processes import Processes
from codixr_bench.runs.references import Reference, measured, metrics_of, with_skill
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

    def batches(self, rank: int = 0, size: int = 1) -> Iterator[tuple[range, list[Sample]]]:
        """(positions, samples), in order: of ``size`` processes, the share of number ``rank``."""
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
    reports: tuple[str, ...] | None = None
    """The generated ones, where they were asked for and the task makes any."""


def score_samples(
    source: SampleSource,
    dataset: StudyDataset,
    metrics: Sequence[Metric],
    peers: Sequence[Peer] = (),
    references: Sequence[Reference] | None = None,
    processes: Processes | None = None,
    *,
    keep_reports: bool = False,
) -> Scored | None:
    """Score every sample against its study; nothing is dropped. ``peers`` see the same samples.

    ``references``, constant and ceiling, give each score its ``skill``; None for no skill at all.

    Of several processes each reads a share of the samples, and the first has the scores: the others
    return None. The numbers are those of one process, bit for bit: metrics keep their rows by
    position.

    Intervals resample patients. Where some have several studies, the statistics' column ``patient``
    numbers them by first appearance.

    Raises InputError when the samples are not as many as the studies.
    """
    if len(source) != len(dataset):
        raise InputError(f"{len(source)} samples for {len(dataset)} studies: nothing is scored")
    processes = processes or Processes()
    share = () if processes.size == 1 else (processes.rank, processes.size)
    subjects: dict[int, str] = {}
    reports: dict[int, str] = {}
    for positions, samples in source.batches(*share):
        studies = [dataset[position] for position in positions]
        for metric in metrics:
            metric.update(positions, studies, samples)
        for peer in peers:
            peer.update(positions, studies, samples)
        for reference in references or ():
            reference.update(positions, studies)
        subjects |= {at: study.subject_id for at, study in zip(positions, studies, strict=True)}
        if keep_reports and Modality.T in source.task.outputs:
            made = generated_reports(positions, samples)
            reports |= dict(zip(positions, made, strict=True))
    if not _merged(processes, [*metrics, *metrics_of(references or ())], subjects, reports):
        return None
    n, patients = len(subjects), [subjects[position] for position in sorted(subjects)]
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
    kept = tuple(reports[position] for position in sorted(reports)) or None
    return Scored(scores, statistics, n, count, warnings, kept)


def _merged(
    processes: Processes,
    metrics: Sequence[Metric],
    subjects: dict[int, str],
    reports: dict[int, str],
) -> bool:
    """Bring every process's share into the first one's; False in the others."""
    if processes.size == 1:
        return True
    shares = processes.gather(None if processes.leads else (list(metrics), subjects, reports))
    for share in shares or ():
        if share is not None:
            theirs, of, made = share
            for mine, other in zip(metrics, theirs, strict=True):
                mine.merge(other)
            subjects |= of
            reports |= made
    return shares is not None
