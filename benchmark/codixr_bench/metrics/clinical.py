"""RadGraph F1, RaTEScore, BERTScore and GREEN of generated reports, by the package radeval.

``--metrics radeval`` gives three, ``--metrics green`` the fourth (a language model of seven
billion parameters: it wants a GPU). Each is a mean over reports; an empty report scores 0. Without
the package, or where it cannot load a model, a score is null with the reason, never 0.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr import messages
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.metric import About, Columns, Facts, Family
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track

SCORERS = {
    "radgraph_f1": ("radgraph", "radgraph_partial"),
    "ratescore": ("ratescore", "ratescore"),
    "bertscore": ("bertscore", "bertscore"),
    "green": ("green", "green"),
}
"""Score -> radeval's metric, and the key of its output. RadGraph's is its ``partial`` reward."""
NOT_INSTALLED = "the package radeval is not installed"

Array = NDArray[np.float64]


class ClinicalMetric:
    """Scores of ``SCORERS``.

    Args:
        name: of the family: ``radeval`` or ``green``.
        scores: which.
    """

    has_skill = False
    """Its models would have to read two more sets of reports."""

    def __init__(self, name: str, scores: Sequence[str]) -> None:
        self.name = name
        self.scores = tuple(scores)
        self._texts: dict[int, tuple[str, str]] = {}
        self._found: dict[str, Array | str] | None = None

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes reports."""
        return Modality.T in task.outputs

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add reports; InputError names the position of a study or sample without one."""
        self._found = None
        for position, pair in zip(
            positions, report_pairs(positions, studies, samples), strict=True
        ):
            self._add(int(position), pair)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._found = None
        for position, texts in other._texts.items():
            self._add(position, texts)

    def compute(self) -> list[Score]:
        """A score each; null, with the reason, where radeval cannot give it."""
        return [self._score(name, values) for name, values in self._values().items()]

    def statistics(self) -> Columns:
        """``<score>.influence``: a report's value less the mean."""
        return {
            f"{name}.influence": values - values.mean()
            for name, values in self._values().items()
            if not isinstance(values, str)
        }

    def _add(self, position: int, texts: tuple[str, str]) -> None:
        if position in self._texts:
            raise ValueError(f"position {position} was added twice")
        self._texts[position] = texts

    def _values(self) -> dict[str, Array | str]:
        """A value a report in order of position [n], or why there is none."""
        if self._found is None:
            texts = [self._texts[position] for position in sorted(self._texts)]
            self._found = {name: _values_of(name, texts) for name in self.scores}
        return self._found

    def _score(self, name: str, values: Array | str) -> Score:
        value, interval = None, None
        if not isinstance(values, str):
            value, interval = mean_of_studies(values, lowest=-1.0)
        n = len(self._texts)
        scorer, key = SCORERS[name]
        return Score(
            name=name,
            value=value,
            reason=values if isinstance(values, str) else None,
            ci95=interval,
            n=n,
            higher_is_better=True,
            signature=f"{name}|radeval:{_version()}|{scorer}:{key}|mean-of-reports|n:{n}"
            f"|ci:{MID_P}",
        )


class Clinical(Family):
    """Scores of the package radeval, one a model of theirs.

    Args:
        name: of the family.
        scores: names of ``SCORERS``.
    """

    card = "clinical.md"
    reasons = (
        *Family.reasons,
        NOT_INSTALLED,
        r"radeval could not load or run \w+",
        r"radeval gave no finite \w+ value a report",
    )

    def __init__(self, name: str, scores: Sequence[str]) -> None:
        self.name = name
        facts = Facts(higher_is_better=True, about=About.REPORT, lowest=-1.0, highest=1.0)
        self.scores = dict.fromkeys(scores, facts)

    def metrics(self, task: Task, track: Track) -> list[ClinicalMetric]:
        """One, where ``task`` makes reports."""
        return [ClinicalMetric(self.name, list(self.scores))] if Modality.T in task.outputs else []


RADEVAL = Clinical("radeval", ("radgraph_f1", "ratescore", "bertscore"))
GREEN = Clinical("green", ("green",))


def _values_of(name: str, texts: Sequence[tuple[str, str]]) -> Array | str:
    if not texts:
        return "no study was scored"
    try:
        from radeval import RadEval  # type: ignore[import-not-found]
    except ImportError as error:
        why = error.name or type(error).__name__
        messages.note(
            "codixr-bench",
            f"{name}: radeval cannot be imported ({why}): `pip install 'codixr[radeval]'`",
        )
        return NOT_INSTALLED
    values = np.zeros(len(texts))
    told = [i for i, (_, made) in enumerate(texts) if made.strip()]
    if not told:
        return values
    scorer, key = SCORERS[name]
    try:
        # Its progress bar would go to standard output.
        evaluate = RadEval(metrics=[scorer], per_sample=True, show_progress=False)
        found: Any = evaluate(refs=[texts[i][0] for i in told], hyps=[texts[i][1] for i in told])
        by_report = np.asarray(found[key], dtype=np.float64)
    except Exception as error:  # whatever a download or a foreign model raises
        # Its message may quote a report.
        kind = type(error).__name__
        messages.note("codixr-bench", f"{name}: radeval's {scorer} failed: {kind}")
        return f"radeval could not load or run {scorer}"
    if by_report.shape != (len(told),) or not np.isfinite(by_report).all():
        return f"radeval gave no finite {scorer} value a report"
    values[told] = by_report
    return values


def _version() -> str:
    try:
        return version("radeval")
    except PackageNotFoundError:
        return "absent"
