"""The court: every metric is shown real outputs with planted faults, and what it sees is noted.

Each output of the evaluated studies is changed by one fault at a time, in three grades, and scored
beside the real outputs. A metric *sees* a fault when its severest grade costs a share of at least
``LEAST`` of what worthless outputs (noise, nonsense) cost, and the paired difference over the
studies is not chance (p < ``ALPHA``, one-sided). It is *blind* to one that it doesn't see, and
*rewards* one that makes it better by as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.progress import Progress
from codixr.workers import end_with_parent
from codixr_bench.comparing.fault import Fault, Outputs, changed
from codixr_bench.comparing.influences import influences
from codixr_bench.comparing.trial import FAULTS, Finding, Row, Trial, Verdict
from codixr_bench.comparing.tried import family_called, on_trial, scores_of
from codixr_bench.metric import (
    About,
    Family,
    Influence,
    LoadsNetworks,
    MakesSeveral,
    Metric,
    Prepares,
)
from codixr_bench.model import Sample
from codixr_bench.registry import facts_of, family_of
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import upper_tail
from codixr_bench.task import GROUPS, Task
from codixr_bench.track import Evaluation, Track

STUDIES = 200
LEAST = 0.005
ALPHA = 0.01
_SLACK = 0.01
"""By how much of what worthless outputs cost a severer grade may cost less, and still grow."""
_BATCH = 50
_PAIRS = {Modality.F: "L->F+T", Modality.L: "T->F+L", Modality.T: "L->F+T"}
"""Where the agreement of an output with another one is tried."""


@dataclass(frozen=True)
class _Value:
    value: float | None
    reason: str | None
    influence: Influence | None


def try_metrics(
    track: Track,
    wanted: tuple[str, ...] = (),
    *,
    n: int = STUDIES,
    data_dir: Path | None = None,
    faults: Sequence[Fault] = FAULTS,
    workers: int = 1,
) -> Trial:
    """Put a track's metrics on trial, on the first ``n`` studies of its test split.

    Args:
        track: its metrics are tried, with all the scores they can make.
        wanted: other metrics, or scores, by name: plugged-in ones too.
        n: studies, at least 10.
        data_dir: where a real track's studies are.
        faults: to show, of ``FAULTS``.
        workers: processes that score; they find the same, whatever their number.

    Raises InputError for fewer studies, an unknown metric, or one that applies to no output here.
    """
    session = _Session.open(track, wanted, n, data_dir)
    trial = Trial(track.name, len(session.studies))
    steps = [
        (seat, [f for f in faults if f.of_reports is not seat.output.is_image])
        for seat in session.seats
    ]
    questions = [
        _Question(number, what, grade)
        for number, (_, shown) in enumerate(steps)
        for what, grade in (
            (_REAL, 0.0),
            (_WORTHLESS, 0.0),
            *((fault.name, grade) for fault in shown for grade in fault.grades),
        )
    ]
    with (
        Progress("on trial", len(questions), unit="rounds") as bar,
        _answers(session, questions, workers) as answers,
    ):
        counted = _counted(answers, bar)
        for seat, shown in steps:
            seat.hear(shown, trial, counted)
    # A score of pairs says nothing where the other output of a task was changed.
    tried = {row.score for row in trial.rows}
    trial.without = {n: w for n, w in trial.without.items() if n.partition("[")[0] not in tried}
    return trial


_REAL, _WORTHLESS = "real outputs", "worthless outputs"


@dataclass(frozen=True, slots=True)
class _Question:
    """What are the scores of a seat, when its output has this fault in this grade?"""

    seat: int
    what: str
    """A fault's name, or ``_REAL`` or ``_WORTHLESS``."""
    grade: float


@dataclass(frozen=True)
class _Answer:
    studies: int
    """That have the fault."""
    scores: dict[str, _Value]


@dataclass
class _Session:
    """The seats of a trial; each process has its own."""

    asked: tuple[Track, tuple[str, ...], int, Path | None]
    studies: Sequence[Study]
    seats: "list[_Seat]"

    @classmethod
    def open(
        cls, track: Track, wanted: tuple[str, ...], n: int, data_dir: Path | None
    ) -> "_Session":
        """InputError as ``try_metrics``."""
        dataset = track.dataset("test", n, data_dir)
        if len(dataset) < 10:
            raise InputError(f"a trial needs 10 studies or more, not {len(dataset)}")
        evaluation = Evaluation(track, dataset, data_dir)
        studies = [dataset[position] for position in range(len(dataset))]
        seats = list(_seats(evaluation, studies, wanted))
        return cls((track, wanted, n, data_dir), studies, seats)

    def answer(self, question: _Question) -> _Answer:
        """The scores that a question asks for."""
        seat = self.seats[question.seat]
        if question.what == _WORTHLESS:
            return _Answer(len(self.studies), seat.worthless())
        real = [study.get(seat.output) for study in self.studies]
        if question.what == _REAL:
            return _Answer(0, seat.scored(real))
        fault = next(fault for fault in FAULTS if fault.name == question.what)
        outputs = Outputs(seat.output, self.studies, real)
        contents = fault.make(outputs, question.grade)
        studies = changed(outputs, contents)
        return _Answer(studies, seat.scored(contents) if studies else {})


_session: _Session | None = None
"""Of a process that scores for another one."""


def _join(track: dict[str, Any], wanted: tuple[str, ...], n: int, data_dir: Path | None) -> None:
    import torch

    end_with_parent()
    torch.set_num_threads(1)
    globals()["_session"] = _Session.open(Track(**track), wanted, n, data_dir)


def _answered(question: _Question) -> _Answer:
    assert _session is not None, "_join comes first"
    return _session.answer(question)


@contextmanager
def _answers(
    session: _Session, questions: Sequence[_Question], workers: int
) -> Iterator[Iterator[_Answer]]:
    """An answer a question, in their order."""
    if workers < 2:
        yield map(session.answer, questions)
        return
    track, wanted, n, data_dir = session.asked
    # A read-only view, as a track has them, can't be sent.
    fields = {k: dict(v) if isinstance(v, Mapping) else v for k, v in vars(track).items()}
    # Started anew: a process with threads, as torch has them, can't be copied safely.
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_join,
        initargs=(fields, wanted, n, data_dir),
    ) as pool:
        yield pool.map(_answered, questions)


def _counted(answers: Iterator[_Answer], bar: Progress) -> Iterator[_Answer]:
    for answer in answers:
        bar.advance()
        yield answer


@dataclass
class _Seat:
    """The metrics that are tried by changing one output of one task."""

    evaluation: Evaluation
    task: Task
    output: Modality
    wanted: tuple[str, ...]
    studies: Sequence[Study]

    def hear(self, faults: Sequence[Fault], trial: Trial, answers: Iterator[_Answer]) -> None:
        """Add a row a score to ``trial``: the next answers are of its questions."""
        before, worst = next(answers).scores, next(answers).scores
        rows: dict[str, list[Finding]] = {}
        for name, own in before.items():
            if own.value is None:
                trial.without[name] = own.reason or "no value"
            else:
                rows[name] = []
        for fault in faults:
            rounds = [next(answers) for _ in fault.grades]
            studies = rounds[-1].studies
            for name, findings in rows.items():
                values = [one.scores.get(name) for one in rounds]
                findings.append(
                    self._finding(fault, name, before[name], worst[name], values, studies)
                )
        for name, findings in rows.items():
            low, high = before[name].value, worst[name].value
            base = name.partition("[")[0]
            moved = any(v != low for f in findings for v in f.values)
            if low is None or high is None:
                trial.without[base] = worst[name].reason or "no value of worthless outputs"
            elif low == high and not moved:
                trial.without[base] = "it is about the studies, not the outputs"
            else:
                trial.rows.append(
                    Row(base, self.output, self.task.name, low, high, tuple(findings))
                )

    def _finding(
        self,
        fault: Fault,
        name: str,
        real: _Value,
        worthless: _Value,
        found: Sequence[_Value | None],
        studies: int,
    ) -> Finding:
        values = [one.value for one in found if one is not None]
        if not studies or not values:
            return Finding(fault, Verdict.NOT_TRIED)
        if real.value is None or worthless.value is None or any(v is None for v in values):
            return Finding(fault, Verdict.NO_VALUE, studies, tuple(values))
        facts = facts_of(name)
        sign = 1.0 if facts is not None and facts.higher_is_better else -1.0
        unit = abs(real.value - worthless.value)
        lost = [sign * (real.value - value) for value in values if value is not None]
        # Plus 0: never -0.
        losses = tuple(
            (loss / unit if unit else float(loss > 0) - float(loss < 0)) + 0.0 for loss in lost
        )
        p = self._chance(real.influence, found[-1], sign * lost[-1], lost[-1])
        clear = p is None or p < ALPHA
        verdict = Verdict.BLIND
        if clear and abs(losses[-1]) >= LEAST:
            verdict = Verdict.SEES if losses[-1] > 0 else Verdict.REWARDS
        steps = zip((0.0, *losses), losses, strict=False)
        grows = all(after >= before - _SLACK for before, after in steps) and losses[-1] > losses[0]
        return Finding(fault, verdict, studies, tuple(values), losses, p, grows)

    def _chance(
        self, real: Influence | None, other: _Value | None, difference: float, lost: float
    ) -> float | None:
        """How often chance alone makes a paired difference as large, in its direction."""
        if real is None or other is None or other.influence is None:
            return None
        by_study = real.by_study - other.influence.by_study
        patients = [study.subject_id for study in self.studies]
        error, df = standard_error(by_study - by_study.mean(), patients)
        if error <= 0.0:
            return 0.0 if lost else 1.0
        return upper_tail(abs(difference) / error, df)

    def worthless(self) -> dict[str, _Value]:
        """The scores when the output is what each metric's family calls worthless."""
        found: dict[str, _Value] = {}
        samples = self._samples([study.get(self.output) for study in self.studies])
        alike: dict[Any, list[Family]] = {}
        for family in dict.fromkeys(self._families()):
            alike.setdefault(type(family).worsened, []).append(family)
        for families in alike.values():
            if tried := self.metrics(families):
                bad = families[0].worsened(self.studies, samples, self.evaluation)
                scored = self.scored([one[self.output] for one in bad], tried)
                found |= {name: one for name, one in scored.items() if family_of(name) in families}
        return found

    def _families(self) -> list[Family]:
        asked = self.wanted or self.evaluation.track.metric_names
        return [family for name in asked if (family := family_called(name)) is not None]

    def _samples(self, contents: Sequence[Any]) -> list[Sample]:
        samples: list[Sample] = []
        for study, content in zip(self.studies, contents, strict=True):
            found: dict[Modality, Any] = {m: study.get(m) for m in self.task.outputs}
            samples.append(found | {self.output: content})
        return samples

    def scored(
        self, contents: Sequence[Any], metrics: Sequence[Metric] | None = None
    ) -> dict[str, _Value]:
        """Every score when the output's contents are these, by name; by new ``metrics``."""
        samples = self._samples(contents)
        found: dict[str, _Value] = {}
        for metric in self.metrics() if metrics is None else metrics:
            for start in range(0, len(samples), _BATCH):
                part = range(start, min(start + _BATCH, len(samples)))
                metric.update(part, [self.studies[i] for i in part], [samples[i] for i in part])
            scores = [s for s in metric.compute() if self._is_tried(s.name)]
            valued = [s.name for s in scores if s.value is not None]
            by_study: Mapping[str, Influence] = influences(metric.statistics(), valued)
            for score in scores:
                found[score.name] = _Value(score.value, score.reason, by_study.get(score.name))
        return found

    def _is_tried(self, score: str) -> bool:
        facts = facts_of(score)
        return facts is not None and (facts.about is About.PAIR) == (len(self.task.outputs) > 1)

    def metrics(self, of: Sequence[Family] | None = None) -> list[Metric]:
        """New metrics of the seat, ready to be updated; InputError as ``Track.metrics``.

        ``of``: those with a score of these families alone.
        """
        chosen = self.evaluation.track.metrics(self.task, self.wanted)
        tried = [
            metric
            for metric in chosen
            if any(map(self._is_tried, scores_of(metric)))
            and (self.wanted or on_trial(metric))
            and (of is None or any(family_of(score) in of for score in scores_of(metric)))
        ]
        for metric in tried:
            if isinstance(metric, MakesSeveral) and not self.wanted:
                metric.choose(metric.offers)
            if isinstance(metric, LoadsNetworks):
                metric.load()
            if isinstance(metric, Prepares):
                metric.prepare(self.evaluation)
        return tried


def _seats(
    evaluation: Evaluation, studies: Sequence[Study], wanted: tuple[str, ...]
) -> Iterator[_Seat]:
    """An output alone, and beside another one; InputError when nothing that is wanted applies."""
    here = evaluation.track.modalities
    tasks = [
        (task, output)
        for output in Modality
        for task in (_alone(output), Task.parse(_PAIRS[output]))
        if here.issuperset(task.outputs)
    ]
    fault: InputError | None = None
    seats = 0
    for task, output in tasks:
        seat = _Seat(evaluation, task, output, wanted, studies)
        try:
            tried = seat.metrics()
        except InputError as error:
            fault = error
            continue
        if tried:
            seats += 1
            yield seat
    if not seats:
        raise fault or InputError(
            f"track '{evaluation.track.name}' has no metric of an output that is here"
        )


def _alone(output: Modality) -> Task:
    return next(task for task in GROUPS["paper"] if task.outputs == (output,))
