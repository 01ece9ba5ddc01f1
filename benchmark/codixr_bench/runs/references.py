"""What a run's scores are held against: ``constant`` and the ceiling, on the same studies.

Both are scored beside the run's samples, by the same metrics. The ceiling is what can be reached:
``classifier``, the supervised towers, for reports from pictures on the phantom; else ``real``.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.errors import InputError
from codixr_bench.hooks import LearnsFromTrack, SeesTruth, needs_training, train_limit
from codixr_bench.metric import Metric, has_skill
from codixr_bench.model import GenerativeModel, Sample
from codixr_bench.registry import family_of, load_model
from codixr_bench.runs.sample_check import conditions_of
from codixr_bench.runs.store import as_stored
from codixr_bench.score import NO_CONSTANT, NOT_PAIRED, TOO_ALIKE, Score, Skill
from codixr_bench.statistics.skill import Measured, skill
from codixr_bench.task import Task
from codixr_bench.track import Evaluation

CEILINGS = ("classifier", "real")
"""The first that applies."""


class Reference:
    """A model's own samples of the evaluated studies, scored by metrics of its own.

    Args:
        model: ready to generate.
        task: the task.
        metrics: new ones, prepared.
    """

    def __init__(self, model: GenerativeModel, task: Task, metrics: Sequence[Metric]) -> None:
        self.name = model.name
        self._model = model
        self._task = task
        self._metrics = metrics

    def update(self, positions: Sequence[int], studies: Sequence[Study]) -> None:
        """Make and score the samples of some studies, rounded as a run stores them."""
        samples = [
            {m: c if isinstance(c, str) else as_stored(c) for m, c in sample.items()}
            for sample in self._made(positions, studies)
        ]
        for metric in self._metrics:
            metric.update(positions, studies, samples)

    def measured(self) -> dict[str, Measured]:
        """Score name -> its value and influences, of the scores that have both."""
        found: dict[str, Measured] = {}
        for metric in self._metrics:
            found |= measured(metric.compute(), metric)
        return found

    def _made(self, positions: Sequence[int], studies: Sequence[Study]) -> Sequence[Sample]:
        if isinstance(self._model, SeesTruth):
            return self._model.reproduce(studies, self._task)
        needed = bool(getattr(self._model, "uses_conditions", True))
        conditions = [
            conditions_of(study, self._task, position, needed=needed)
            for position, study in zip(positions, studies, strict=True)
        ]
        return self._model.generate(conditions, self._task, [0] * len(studies))


def references(
    task: Task, evaluation: Evaluation, wanted: tuple[str, ...] = ()
) -> tuple[Reference, ...]:
    """``constant`` and the ceiling, with the metrics that have a skill; empty without a constant.

    Args:
        task: the task being scored.
        evaluation: the studies, and their track.
        wanted: names of the metrics, as in ``Track.metrics``.
    """
    constant = _ready("constant", task, evaluation)
    ceilings = (_ready(name, task, evaluation) for name in CEILINGS)
    ceiling = next((model for model in ceilings if model is not None), None)
    if constant is None or ceiling is None:
        return ()
    found = []
    for model in (constant, ceiling):
        metrics = [m for m in evaluation.track.metrics(task, wanted) if has_skill(m)]
        found.append(Reference(model, task, metrics))
    return tuple(found)


def metrics_of(every: Sequence[Reference]) -> list[Metric]:
    """All their metrics, which have to be prepared."""
    return [metric for one in every for metric in one._metrics]


def measured(scores: Sequence[Score], metric: Metric) -> dict[str, Measured]:
    """Score name -> its value and influences, of a metric's scores that have both."""
    columns = metric.statistics()
    found: dict[str, Measured] = {}
    for score in scores:
        family = family_of(score.name)
        if score.value is None or family is None or score.name in found:
            continue
        for name, one in family.influences(columns).items():
            value = next((s.value for s in scores if s.name == name), None)
            if value is not None and np.isfinite(one.by_study).all():
                found.setdefault(name, Measured(value, one.by_study))
    return found


def with_skill(
    scores: Sequence[Score],
    own: Mapping[str, Measured],
    held: Sequence[tuple[str, Mapping[str, Measured]]],
    patients: NDArray[np.generic] | None,
) -> list[Score]:
    """The scores of a metric that has a skill, with it.

    Args:
        scores: of one metric.
        own: its ``measured``.
        held: names and scores of constant and ceiling; empty where there is no constant.
        patients: [n], the number of each study's patient, where some have several studies.
    """
    return [_skilled(score, own, held, patients) for score in scores]


def _skilled(
    score: Score,
    own: Mapping[str, Measured],
    of: Sequence[tuple[str, Mapping[str, Measured]]],
    patients: NDArray[np.generic] | None,
) -> Score:
    if score.value is None:
        return score
    if not of:
        return score.model_copy(update={"skill": Skill(value=None, reason=NO_CONSTANT)})
    (_, constants), (name, ceilings) = of
    mine, constant, ceiling = (found.get(score.name) for found in (own, constants, ceilings))
    value, ci95, reason = None, None, NOT_PAIRED
    if mine is not None and constant is not None and ceiling is not None:
        reason = TOO_ALIKE
        if (found := skill(mine, constant, ceiling, patients)) is not None:
            value, ci95 = found
    made = Skill(
        value=value,
        reason=reason if value is None else None,
        ci95=ci95,
        constant=None if constant is None else constant.value,
        ceiling=None if ceiling is None else ceiling.value,
        of="classifier" if name == "classifier" else "real",
    )
    return score.model_copy(update={"skill": made})


def _ready(name: str, task: Task, evaluation: Evaluation) -> GenerativeModel | None:
    """The model, learnt from the track; None where it can't serve the task on it."""
    try:
        model = _loaded(name)
        track = evaluation.track
        if not model.supports(task) or (needs_training(model) and "train" not in track.splits):
            return None
        track.check(task, model)
        if isinstance(model, LearnsFromTrack):
            limit = train_limit(model)
            has_train = "train" in track.splits
            model.prepare(evaluation.split("train", limit) if has_train else None, task)
    except InputError:
        return None
    return model


@lru_cache(maxsize=4)
def _loaded(name: str) -> GenerativeModel:
    return load_model(name)
