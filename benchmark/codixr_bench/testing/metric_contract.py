"""``check_metric``: says in plain words what a metric does otherwise than the benchmark relies on.

    from codixr_bench.testing import check_metric
    from my_metric import metrics
    report = check_metric(metrics)
    assert report.passed, str(report)

A few simulated studies are scored several times: in one batch and one by one, in shards that are
merged in another order, without single studies, with the real outputs and with worthless ones.
"""

import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.study import Study
from codixr_bench.metric import Facts, Family, Influence, Metric, Prepares
from codixr_bench.model import Sample
from codixr_bench.registry import load_family
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.testing.report import Fault, Kind, Report
from codixr_bench.track import Evaluation, Track

Array = NDArray[np.float64]
TASKS = ("T->F+L", "F->L+T")
"""Together they make everything that can be scored."""
TRAINING = 48
"""Studies of the other splits that metrics may prepare themselves with."""
_LEFT_OUT = 6
"""Studies that are left out, one at a time."""
_CLOSE = 1e-4
"""Relative: a batch's size alone moves a network's last digits."""


def check_metric(
    family: Family | str,
    tasks: Sequence[str] = TASKS,
    *,
    track: Track | None = None,
    n: int = 20,
) -> Report:
    """Try a family of metrics on a few studies of each task that it scores.

    Held against it: its scores have the names, directions and ranges that it says; intervals hold
    their values; any split into shards, and any size of batches, gives the same; each score's
    influences sum to zero and agree with leaving studies out; worthless outputs are not better
    than real ones, and worse in a score at least; scores survive JSON, and the state pickling.

    Args:
        family: the object, or its name in the registry.
        tasks: where to try it; those it makes no metric for are left out.
        track: where the studies come from; the phantom track by default.
        n: studies, at least 4.

    Raises ValueError for fewer studies, and InputError for an unknown name or task.
    """
    if n < 4:
        raise ValueError("check_metric needs four studies or more, to leave some out")
    family = load_family(family) if isinstance(family, str) else family
    track = track or Track.load("phantom")
    evaluation = _Small(track, track.dataset("test", n))
    faults: list[Fault] = []
    tried: list[str] = []
    for task in map(Task.parse, tasks):
        for number, metric in enumerate(family.metrics(task, track)):
            if not isinstance(metric, Metric):
                what = f"a metric of it is a {type(metric).__name__} that lacks a Metric's methods"
                faults.append(Fault("interface", task.name, what))
                continue
            tried.append(task.name)
            faults += _Trial(family, task, number, evaluation).faults()
    if not tried and not faults:
        faults.append(Fault("interface", "", f"it makes no metric for {', '.join(tasks)}"))
    names = tuple(dict.fromkeys(tried))
    return Report(family.name, names, tuple(faults), "metric")


class _Small(Evaluation):
    """Splits of few studies: preparing itself should not take a metric long."""

    def split(self, name: str, limit: int | None = None) -> StudyDataset:
        return super().split(name, min(limit or TRAINING, TRAINING))


class _Trial:
    """One metric of a family, on one task."""

    def __init__(self, family: Family, task: Task, number: int, evaluation: Evaluation) -> None:
        self.family = family
        self.task = task
        self.number = number
        self.evaluation = evaluation
        dataset = evaluation.dataset
        self.studies = [dataset[position] for position in range(len(dataset))]
        self.real = [_outputs_of(study, task) for study in self.studies]
        n = len(dataset)
        more = evaluation.track.dataset("test", 2 * n)
        others = [_outputs_of(more[position], task) for position in range(n, 2 * n)]
        # Half of each output is another study's: nothing is perfect, nothing worthless.
        self.mixed = [
            {m: (own if (i // 2 + place) % 2 else other)[m] for place, m in enumerate(own)}
            for i, (own, other) in enumerate(zip(self.real, others, strict=True))
        ]

    def faults(self) -> Iterator[Fault]:
        """What is wrong, the first things first."""
        everything = list(range(len(self.studies)))
        half = len(everything) // 2
        parts = [everything[half:], everything[:half]]
        whole = self._scored(parts, self.mixed)
        scores = whole.compute()
        if again := _unequal(scores, whole.compute()):
            yield self._fault("not reproducible", f"compute() called twice gives another {again}")
        yield from self._score_faults(scores)
        shards = [self._scored([part], self.mixed) for part in reversed(parts)]
        merged = pickle.loads(pickle.dumps(shards[0]))
        merged.merge(shards[1])
        if other := _unequal(scores, merged.compute()):
            yield self._fault("merge", f"two shards, merged in another order, give another {other}")
        single = self._scored([[i] for i in everything], self.mixed).compute()
        for one, two in zip(scores, single, strict=True):
            if not _close(one.value, two.value):
                what = f"{one.name}: {one.value} in batches, {two.value} of studies one by one"
                yield self._fault("batch-dependent", what)
        yield from self._influence_faults(whole, scores)
        yield from self._direction_faults()

    def _fault(self, kind: Kind, what: str) -> Fault:
        return Fault(kind, self.task.name, what)

    def _scored(self, batches: Sequence[Sequence[int]], samples: Sequence[Sample]) -> Metric:
        """A new metric that has seen these studies, a batch at a time."""
        metric = self.family.metrics(self.task, self.evaluation.track)[self.number]
        if isinstance(metric, Prepares):
            metric.prepare(self.evaluation)
        for batch in batches:
            metric.update(batch, [self.studies[i] for i in batch], [samples[i] for i in batch])
        return metric

    def _score_faults(self, scores: Sequence[Score]) -> Iterator[Fault]:
        for score in scores:
            facts = self.family.facts(score.name)
            if facts is None:
                what = f"the score '{score.name}' is not among the family's: {self._names()}"
                yield self._fault("name", what)
                continue
            if score.higher_is_better is not facts.higher_is_better:
                yield self._fault("direction", f"{score.name}: its facts say another direction")
            if score.n != len(self.studies):
                what = f"{score.name}: n is {score.n} of {len(self.studies)} studies"
                yield self._fault("count", what)
            if f"n:{score.n}" not in score.signature.split("|"):
                what = f"{score.name}: the signature '{score.signature}' does not end with n:…"
                yield self._fault("signature", what)
            for wrong in self.family.signature_faults(score):
                yield self._fault("signature", f"{score.name}: '{score.signature}': {wrong}")
            yield from self._number_faults(score, facts)
            if Score.model_validate_json(score.model_dump_json()) != score:
                yield self._fault("JSON", f"{score.name} is another score after writing it as JSON")

    def _number_faults(self, score: Score, facts: Facts) -> Iterator[Fault]:
        if score.value is None:
            if score.reason is None or not self.family.knows_reason(score.reason):
                what = f"{score.name}: null with the reason '{score.reason}', none of its reasons"
                yield self._fault("range", what)
            return
        low, high = score.ci95 or (score.value, score.value)
        if not low <= score.value <= high:
            what = (
                f"{score.name}: {score.value:.6g} lies outside its interval {low:.6g}, {high:.6g}"
            )
            yield self._fault("interval", what)
        if low < facts.lowest - _CLOSE or high > facts.highest + _CLOSE:
            what = f"{score.name}: {low:.6g} to {high:.6g} leaves {facts.lowest:g} to "
            yield self._fault("range", f"{what}{facts.highest:g}")

    def _influence_faults(self, whole: Metric, scores: Sequence[Score]) -> Iterator[Fault]:
        n = len(self.studies)
        columns = whole.statistics()
        for name, column in columns.items():
            if len(column) != n or column.dtype.kind not in "biuf":
                what = f"the column '{name}' is {column.dtype} {column.shape}, not {n} numbers"
                yield self._fault("statistics", what)
                return
        found = self.family.influences(columns)
        valued = [score for score in scores if score.value is not None]
        for score in valued:
            one = found.get(score.name)
            if one is None:
                what = f"{score.name}: its statistics give no influences, so it is never compared"
                yield self._fault("influence", what)
            elif wrong := _wrong_influence(one, score, n):
                yield self._fault("influence", f"{score.name}: {wrong}")
        known = {s.name: s for s in valued if s.name in found}
        yield from self._left_out_faults(found, known)

    def _left_out_faults(
        self, found: Mapping[str, Influence], scores: Mapping[str, Score]
    ) -> Iterator[Fault]:
        """Influences against (n - 1) times what a score loses without a study."""
        n = len(self.studies)
        chosen = np.linspace(0, n - 1, min(_LEFT_OUT, n)).astype(int).tolist()
        lost: dict[str, list[float]] = {name: [] for name in scores}
        for left_out in chosen:
            rest = [i for i in range(n) if i != left_out]
            for score in self._scored([rest], self.mixed).compute():
                whole = scores.get(score.name)
                if whole is not None and whole.value is not None:
                    value = np.nan if score.value is None else score.value
                    lost[score.name].append((n - 1) * (whole.value - value))
        for name, losses in lost.items():
            facts = self.family.facts(name)
            if facts is None or not facts.by_study or not np.isfinite(losses).all():
                continue
            there, here = np.array(losses), found[name].by_study[chosen]
            if not _agree(here - np.median(here), there - np.median(there), _CLOSE * n):
                what = f"{name}: its influences are not what leaving studies out does "
                yield self._fault("influence", f"{what}({here.round(4)}, {there.round(4)})")

    def _direction_faults(self) -> Iterator[Fault]:
        """Worthless outputs against the real ones."""
        everything = list(range(len(self.studies)))
        worse = self.family.worsened(self.studies, self.real, self.evaluation)
        real, bad = (self._scored([everything], s).compute() for s in (self.real, worse))
        losses, tried = 0, 0
        for one, two in zip(real, bad, strict=True):
            facts = self.family.facts(one.name)
            if one.value is None or two.value is None or facts is None:
                continue
            if not facts.real_is_best:
                continue
            loss = (one.value - two.value) * (1 if facts.higher_is_better else -1)
            losses, tried = losses + (loss > 0), tried + 1
            if loss < -_CLOSE * max(1.0, abs(one.value)):
                what = f"{one.name}: {two.value:.4g} of worthless outputs is better than "
                yield self._fault("direction", f"{what}{one.value:.4g} of the real ones")
        if tried and not losses:
            yield self._fault("direction", "worthless outputs are worse in no score")

    def _names(self) -> str:
        return ", ".join(list(self.family.scores)[:8]) or "none"


def _wrong_influence(one: Influence, score: Score, n: int) -> str:
    by_study = one.by_study
    if by_study.shape != (n,) or not np.isfinite(by_study).all():
        return f"its influences are {by_study.shape}, or not finite"
    if abs(by_study.mean()) > 1e-6 * (1e-6 + float(np.abs(by_study).max())):
        return f"its influences have the mean {by_study.mean():.3g}, not 0"
    if one.value is not None and not _close(one.value, score.value):
        return f"its statistics give {one.value:.6g}, the score is {score.value}"
    return ""


def _agree(here: Array, there: Array, close: float) -> bool:
    """Whether influences are about what leaving studies out does; both about their medians.

    An influence is a derivative, and of few studies one may change much: a class that loses its
    only case jumps. So two thirds of the studies have to agree, or all of them by and large.
    """
    best = np.argsort(np.abs(here - there))[: (2 * len(here) + 2) // 3]
    off, size = (float(np.linalg.norm(x[best])) for x in (here - there, there))
    if off <= 0.5 * size + close:
        return True
    return here.std() > 0 and there.std() > 0 and float(np.corrcoef(here, there)[0, 1]) > 0.8


def _outputs_of(study: Study, task: Task) -> Sample:
    """The study's own outputs; ValueError where it lacks one."""
    found = {}
    for modality in task.outputs:
        content = study.get(modality)
        if content is None:
            raise ValueError(f"a study of the track has no {modality}")
        found[modality] = content
    return found


def _close(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return bool(np.isclose(one, two, rtol=_CLOSE, atol=_CLOSE))


def _unequal(first: Sequence[Score], second: Sequence[Score]) -> Literal[""] | str:
    """The name of a score that is not the same, or nothing."""
    if [score.name for score in first] != [score.name for score in second]:
        return "list of scores"
    for one, two in zip(first, second, strict=True):
        if json.loads(one.model_dump_json()) != json.loads(two.model_dump_json()):
            return one.name
    return ""
