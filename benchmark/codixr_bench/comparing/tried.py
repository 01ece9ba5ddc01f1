"""Which metrics the court tries, and of which family each is."""

from codixr_bench.metric import Family, Metric
from codixr_bench.registry import family_of, load_family, names


def on_trial(metric: Metric) -> bool:
    """Whether its family is tried unasked: a search for copies would take hours of rounds."""
    family = family_called(metric.name.partition("[")[0])
    return family is None or family.on_trial


def family_called(name: str) -> Family | None:
    """The family that a track's recipe, a score or a metric calls so."""
    return load_family(name) if name in names("metrics") else family_of(name)


def scores_of(metric: Metric) -> list[str]:
    """Names of its scores, by its family; of a metric named otherwise, of one it makes."""
    family = family_called(metric.name.partition("[")[0])
    return list(family.scores) if family is not None else [s.name for s in metric.compute()]
