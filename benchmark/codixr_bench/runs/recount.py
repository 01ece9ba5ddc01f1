"""What reports alone give: the columns of every metric that reads nothing else, counted again.

A checker that has a row's reports, and whose track is simulated, needs no trust in the counts of
words, labels and copies beside them: the studies and the training reports are made from their
seeds, without a picture, and the metrics are those of a run. Imports no torch.
"""

from functools import lru_cache

import numpy as np

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metric import About, Columns, LoadsNetworks, Metric, Prepares
from codixr_bench.registry import family_of
from codixr_bench.result import Result
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track


def counted_again(result: Result, reports: tuple[str, ...]) -> tuple[Columns, frozenset[str]]:
    """The columns that a result's reports give, and the scores that they decide.

    Of the families that the result has scores of. One that needs a network is left out.

    Args:
        result: of a whole public split of a simulated track.
        reports: one a study, in the split's order.

    Raises InputError for a result of other studies than its track has here.
    """
    about = result.track
    if about.fingerprint != _dataset(about.name, about.version, about.split).fingerprint:
        raise InputError(f"the result is of other studies than track '{about.name}' has here")
    families = _families(result)
    columns, counted = _counted(
        about.name, about.version, about.split, tuple(sorted(set(families.values()))), reports
    )
    return columns, frozenset(name for name, family in families.items() if family in counted)


def _families(result: Result) -> dict[str, str]:
    """Score -> family, of those that are about reports: no picture has a part in them."""
    found = {}
    for score in result.scores:
        family = family_of(score.name)
        facts = family.facts(score.name) if family is not None else None
        if family is not None and facts is not None and facts.about is About.REPORT:
            found[score.name] = family.name
    return found


@lru_cache(maxsize=8)
def _dataset(name: str, version: str, split: str) -> StudyDataset:
    return Track.of_version(name, version).dataset(split)


@lru_cache(maxsize=8)
def _counted(
    name: str, version: str, split: str, families: tuple[str, ...], reports: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], frozenset[str]]:
    """Columns, and the families that they are of: equal reports of several tasks count once."""
    track, dataset = Track.of_version(name, version), _dataset(name, version, split)
    studies = _without_pictures(dataset)
    if len(studies) != len(reports):
        raise InputError(f"{len(reports)} reports for {len(studies)} studies")
    evaluation = Evaluation(track, dataset)
    # Metrics of reports don't ask what they were made from.
    task = Task.parse("F->T")
    found: dict[str, np.ndarray] = {}
    counted = set()
    for family in families:
        metrics = [m for m in track.metrics(task, (family,)) if not isinstance(m, LoadsNetworks)]
        for metric in metrics:
            found |= _columns(metric, evaluation, studies, reports)
            counted.add(family)
    return found, frozenset(counted)


def _columns(
    metric: Metric, evaluation: Evaluation, studies: list[Study], reports: tuple[str, ...]
) -> dict[str, np.ndarray]:
    if isinstance(metric, Prepares):
        metric.prepare(evaluation)
    metric.update(range(len(studies)), studies, [{Modality.T: report} for report in reports])
    return {name: np.asarray(values) for name, values in metric.statistics().items()}


def _without_pictures(dataset: StudyDataset) -> list[Study]:
    """The studies' reports and labels, by the fastest way that the dataset offers."""
    described = getattr(dataset, "without_pictures", None)
    if callable(described):
        return list(described())
    return [dataset[position] for position in range(len(dataset))]
