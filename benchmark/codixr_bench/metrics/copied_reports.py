"""``copies_report``: does a model repeat training reports that nobody writes twice by chance?

Half of all reports stand word for word in other studies: standard sentences are nobody's property.
A report's rarity is the sum over its sentences of -log of the share of training reports that have
the sentence. Only a report so rare that fewer than .003 accidental equals are expected among all
training reports can be a copy: it is testable. It is one where it shares that much with a training
report, and four fifths of the rarity of both; or where what they share is sixty times as rare,
whatever else stands in either. A sentence that no training report has counts for neither, so that
padding hides nothing; nor do order, case, stops, abbreviations, a changed word
(``report_index.py``).

``copies_report_masked`` is the share among the reports that hold a masked word (XXXX, ___): what
stood there differs, so that masked sentences are more often equal by chance than they look. It is
there where a generated report holds one.

``copies_of_test_report`` is the same among the other evaluated reports; a study's own report is
what was asked for (but see ``own_wording.py``). ``testable_reports`` is the share that can be told
at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.dataset import StudyDataset
from codixr.data.groups import LEAST
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.labeler.clinical_text import MASK
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.own_wording import (
    LOWEST,
    ONE_WORDING,
    OwnWording,
    wording_ratio,
    wording_warnings,
)
from codixr_bench.metrics.repeats import NO_TRAINING, repeat_warnings, training_outputs
from codixr_bench.metrics.report_index import (
    LEAST_SHARED,
    OF_PART,
    ReportIndex,
    sentences_of_training,
)
from codixr_bench.metrics.reports import generated_reports
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.models.train_set import train_reports
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.effective_draws import by_patient, ratio_interval
from codixr_bench.statistics.influence import PATIENT
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

ACCIDENTAL = 0.01
"""The share of testable real reports that count: sentences are less unrelated than that."""
LEAST_TESTABLE = 0.1
TOO_COMMON = "under 10 % of the reports are rare enough to be told from chance"
FEW_MASKED = f"fewer than {LEAST} patients' testable reports hold masked words"
Array = NDArray[np.float64]
_SCORES = ("copies_report", "copies_of_test_report", "testable_reports")
MASKED = "copies_report_masked"
"""``copies_report`` among the reports that hold a masked word, where there are any."""
_HOLDS = f"{MASKED}.holds"
"""The column of 0 and 1: whether a generated report holds a masked word."""
_YES = ".yes"
"""The end of a column of 0 and 1: a copy, a copy of a test report, testable."""


class CopiesReport:
    """Copies among the generated reports."""

    name = "copies_report"
    has_skill = False

    def __init__(self) -> None:
        self.absent: str | None = NO_TRAINING
        self._rows = Rows()
        self._training: ReportIndex | None = None
        self._evaluated: ReportIndex | None = None
        self._known = 0

    def prepare(self, evaluation: Evaluation) -> None:
        """Index the training and the evaluated reports; null scores without training ones."""
        self.learn(evaluation.training(), evaluation.dataset)

    def learn(self, train: StudyDataset | None, evaluated: StudyDataset) -> None:
        """The same, from the studies themselves."""
        if train is None:
            return
        self.absent = None
        sentences = sentences_of_training(train)
        self._training = ReportIndex(sentences)
        self._evaluated = ReportIndex(sentences, train_reports(evaluated))
        self._known = len(train)

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a sample without one."""
        made = list(generated_reports(positions, samples))
        rows = np.zeros((len(made), len(_SCORES) + 1))
        if self._training is not None and self._evaluated is not None:
            for row, position, report in zip(rows, positions, made, strict=True):
                if self._training.is_testable(report):
                    row[:3] = (
                        self._training.repeats(report),
                        self._evaluated.repeats(report, leave_out=position),
                        True,
                    )
        rows[:, 3] = [MASK.search(text.lower()) is not None for text in made]
        self._rows.add(positions, {"row": rows})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share of copies among testable reports, then the share of these among all."""
        n = len(self._rows)
        rows = self._table()
        testable = rows[:, 2]
        found = []
        for name, counted, could in _strata(rows):
            value, interval = None, None
            reason = "no study was scored" if n == 0 else self.absent
            if reason is None and name != "testable_reports" and testable.mean() < LEAST_TESTABLE:
                reason = TOO_COMMON
            if reason is None and name == MASKED and _patients(could) < LEAST:
                reason = FEW_MASKED
            if reason is None and name == "testable_reports":
                value, interval = mean_of_studies(testable)
            elif reason is None:
                value, interval = _share(counted, could, patients_of(n))
            rule = f"shared:{LEAST_SHARED}|part:{OF_PART:g}"
            parts_of = [name, "sentences:cut", rule, f"train:{self._known}"]
            found.append(
                Score(
                    name=name,
                    value=value,
                    reason=reason,
                    ci95=interval,
                    n=n,
                    higher_is_better=name == "testable_reports",
                    signature="|".join([*parts_of, f"n:{n}", f"ci:{MID_P}"]),
                )
            )
        return found

    def statistics(self) -> Columns:
        """``<score>.yes``: each study's answers; nothing tells which report was repeated."""
        rows = self._table()
        if self.absent or not len(rows):
            return {}
        found = {f"{name}{_YES}": rows[:, at].astype(np.int8) for at, name in enumerate(_SCORES)}
        return found | ({_HOLDS: rows[:, 3].astype(np.int8)} if rows[:, 3].any() else {})

    def _table(self) -> NDArray[np.float64]:
        columns = self._rows.columns()
        return np.asarray(columns["row"], dtype=np.float64) if columns else np.zeros((0, 4))

    def __getstate__(self) -> dict[str, Any]:
        # A shard travels with its rows; what it was compared with stays.
        return self.__dict__ | {"_training": None, "_evaluated": None}


def _strata(rows: NDArray[np.float64]) -> Iterator[tuple[str, Array, Array]]:
    """(score, studies that count, studies that could), of rows [n, 4]."""
    testable = rows[:, 2]
    for at, name in enumerate(_SCORES):
        yield name, rows[:, at], testable
    if rows[:, 3].any():
        yield MASKED, rows[:, 0] * rows[:, 3], testable * rows[:, 3]


def _share(
    counted: Array, could: Array, patients: NDArray[np.integer] | None
) -> tuple[float, tuple[float, float]]:
    """A share of those that could, and its interval."""
    low, high = ratio_interval(*(by_patient(x, patients) for x in (counted, could)))
    return float(counted.sum() / could.sum()), (float(low), float(high))


def _patients(could: Array) -> int:
    """Patients with a study that could count."""
    patients, some = patients_of(len(could)), could > 0
    return int(some.sum()) if patients is None else len(np.unique(patients[some]))


class CopiesOfReports(Family):
    """Copies of training and of evaluated reports, among those that chance doesn't write twice."""

    name = "copies_report"
    card = "copies.md"
    on_trial = False
    reasons = (*Family.reasons, NO_TRAINING, TOO_COMMON, ONE_WORDING, FEW_MASKED)
    scores = {
        name: Facts(
            higher_is_better=name == "testable_reports",
            about=About.REPORT,
            lowest=0.0,
            highest=1.0,
            yes_or_no=name == "testable_reports",
            only_stated=True,
        )
        for name in (*_SCORES, MASKED)
    } | {
        "own_wording": Facts(
            higher_is_better=False,
            about=About.REPORT,
            lowest=LOWEST,
            highest=1.0,
            real_is_best=False,
            only_stated=True,
        )
    }

    def metrics(self, task: Task, track: Track) -> list[CopiesReport | OwnWording]:
        """Two, where the task makes reports."""
        return [CopiesReport(), OwnWording()] if Modality.T in task.outputs else []

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """From each study's answers, where they are there; else the stored ones."""
        found = super().influences(columns)
        gained, could = (columns.get(f"own_wording.{kind}") for kind in ("gained", "could"))
        if gained is not None and could is not None and np.any(could):
            value, by_study = wording_ratio(*(np.asarray(x, dtype=float) for x in (gained, could)))
            found["own_wording"] = Influence(by_study, value)
        testable = columns.get(f"{_SCORES[2]}{_YES}")
        if testable is None:
            return found
        no = np.zeros(len(testable))
        said = {name: columns.get(f"{name}{_YES}") for name in _SCORES}
        said[MASKED] = said[_SCORES[0]]
        rows = np.column_stack([columns.get(f"{n}{_YES}", no) for n in _SCORES])
        rows = np.column_stack([rows, columns.get(_HOLDS, no)])
        for name, counted, could in _strata(np.asarray(rows, dtype=np.float64)):
            of = np.ones_like(could) if name == _SCORES[2] else could
            if said[name] is not None and of.any():
                patients = columns.get(PATIENT)
                numbers = None if patients is None else np.asarray(patients, dtype=np.int64)
                share, ci95 = _share(counted, of, numbers)
                found[name] = Influence((counted - share * of) / of.mean(), share, ci95)
        return found

    def may_be_null(self, name: str, columns: Columns) -> bool:
        """Copies, where too few of the reports are rare enough."""
        testable = columns.get(f"{_SCORES[2]}{_YES}")
        if testable is None or name not in (*_SCORES[:2], MASKED):
            return False
        return float(np.asarray(testable, dtype=np.float64).mean()) < LEAST_TESTABLE

    def about_studies(self, column: str) -> bool:
        """What can be told of a study's wording."""
        return column == "own_wording.could"

    def column_faults(self, columns: Columns) -> Problems:
        """An answer that is neither yes nor no, or a copy of what can't be told."""
        testable = columns.get(f"{_SCORES[2]}{_YES}")
        holds = columns.get(_HOLDS)
        if holds is not None and not np.isin(holds, (0, 1)).all():
            yield _HOLDS, "an answer that is neither yes nor no"
        for name in _SCORES:
            answers = columns.get(f"{name}{_YES}")
            if answers is None or testable is None:
                continue
            if not np.isin(answers, (0, 1)).all():
                yield f"{name}{_YES}", "an answer that is neither yes nor no"
            elif np.greater(answers, testable).any():
                yield f"{name}{_YES}", "a copy among the reports that can't be told"
        gained, could = (columns.get(f"own_wording.{kind}") for kind in ("gained", "could"))
        if gained is not None and could is not None and np.greater(gained, could).any():
            yield "own_wording.gained", "more hits than sentences"

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """More copies than chance allows; and words that nothing told."""
        testable = scores.get("testable_reports")
        if testable is not None and testable.value is not None:
            yield from repeat_warnings(
                scores, "copies_report", "copies_of_test_report", ACCIDENTAL, testable.value
            )
        yield from wording_warnings(scores)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """Outputs of training studies, as they are."""
        return training_outputs(samples, evaluation)


COPIES_REPORT = CopiesOfReports()
