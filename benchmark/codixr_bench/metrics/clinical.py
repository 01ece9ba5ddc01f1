"""All sixteen metrics of the package radeval, by name; three of them unasked.

``--metrics radeval`` gives three, ``--metrics green`` a language model of seven billion parameters,
and ``--metrics srrbert,radcliq`` what is named (``SCORERS``). Each is a mean over reports; an empty
report has the worst value. Without the package, or where it cannot load a model, a score is null
with the reason, never 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from codixr import messages
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metric import About, Columns, Facts, Family
from codixr_bench.metrics.reports import report_pairs
from codixr_bench.metrics.sums import MID_P, mean_of_studies
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.statistics.influence_interval import influence_interval
from codixr_bench.task import Task
from codixr_bench.track import Track

# RadCliQ-v1 (Yu et al. 2023) where each of its four parts is 0, by its published coefficients.
EMPTY_RADCLIQ = 2.4501431


@dataclass(frozen=True, slots=True)
class Scorer:
    """What radeval calls a metric, and what its values are."""

    name: str
    key: str
    """Of its output, a value a report."""
    empty: float = 0.0
    """Of a report without a word."""
    lowest: float = 0.0
    highest: float = 1.0
    higher_is_better: bool = True
    scale: float = 1.0
    """What turns its values into ours."""


SCORERS = {
    "radgraph_f1": Scorer("radgraph", "radgraph_partial"),
    "ratescore": Scorer("ratescore", "ratescore"),
    "bertscore": Scorer("bertscore", "bertscore", lowest=-1.0),
    "green": Scorer("green", "green"),
    "radeval_bleu": Scorer("bleu", "bleu"),
    "radeval_rouge": Scorer("rouge", "rougeL"),
    "radeval_bertscore": Scorer("radeval_bertscore", "radeval_bertscore", lowest=-1.0),
    "f1chexbert": Scorer("f1chexbert", "f1chexbert_sample_acc_all"),
    "f1radbert_ct": Scorer("f1radbert_ct", "f1radbert_ct_sample_acc"),
    "radgraph_radcliq": Scorer("radgraph_radcliq", "radgraph_radcliq"),
    "radcliq": Scorer(
        "radcliq", "radcliq_v1", EMPTY_RADCLIQ, -math.inf, math.inf, higher_is_better=False
    ),
    "srrbert": Scorer("srrbert", "srrbert_weighted_f1"),
    "temporal": Scorer("temporal", "temporal_f1"),
    "mammo_green": Scorer("mammo_green", "mammo_green"),
    "crimson": Scorer("crimson", "crimson", empty=-1.0, lowest=-1.0),
    "radfact_ct": Scorer("radfact_ct", "radfact_ct_f1", scale=0.01),
}
"""Score -> radeval's metric. RadGraph's is its ``partial`` reward; of CheXbert and RadBERT-CT it is
the share of labels that agree, which a report has: their F1 is of all reports together
(``label_f1_*`` with ``--labeler chexbert``). RadCliQ-v1 is lower for better reports."""
SENT_AWAY = ("mammo_green", "radfact_ct")
"""Scores for which radeval sends reports to a company's service."""
USUAL = ("radgraph_f1", "ratescore", "bertscore")
"""What ``--metrics radeval`` gives."""
NOT_INSTALLED = "the package radeval is not installed"

Array = NDArray[np.float64]


class ClinicalMetric:
    """Scores of ``SCORERS``.

    Args:
        name: of the family: ``radeval`` or ``green``.
        scores: which, where nothing is asked for by name.
        offers: which may be asked for; the same by default.
        patients_of: the track whose reports are those of patients; None where they are simulated.
    """

    has_skill = False
    """Its models would have to read two more sets of reports."""

    def __init__(
        self,
        name: str,
        scores: Sequence[str],
        offers: Sequence[str] = (),
        patients_of: str | None = None,
    ) -> None:
        self.name = name
        self.scores = tuple(scores)
        self.offers = tuple(offers) or self.scores
        self._usual = self.scores
        self._patients_of = patients_of
        self._texts: dict[int, tuple[str, str]] = {}
        self._found: dict[str, Array | str] | None = None

    def choose(self, wanted: Sequence[str]) -> None:
        """Make those of ``wanted`` that are offered, and the usual ones for the family's name.

        InputError for one that would send patients' reports away.
        """
        away = next((score for score in SENT_AWAY if score in wanted), None)
        if away is not None and self._patients_of is not None:
            raise InputError(
                f"'{away}' sends reports to a company's service, and track '{self._patients_of}' "
                "has reports of patients: leave it out"
            )
        asked = {*wanted, *(self._usual if self.name in wanted else ())}
        self.scores = tuple(score for score in self.offers if score in asked) or self._usual

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
            value, interval = _mean(values, SCORERS[name])
        n = len(self._texts)
        scorer = SCORERS[name]
        return Score(
            name=name,
            value=value,
            reason=values if isinstance(values, str) else None,
            ci95=interval,
            n=n,
            higher_is_better=scorer.higher_is_better,
            signature=f"{name}|radeval:{_version()}|{scorer.name}:{scorer.key}|mean-of-reports|n:{n}"
            f"|ci:{MID_P if math.isfinite(scorer.highest) else 'influence'}",
        )


class Clinical(Family):
    """Scores of the package radeval, one a model of theirs.

    Args:
        name: of the family.
        scores: names of ``SCORERS``: what it makes unasked.
        offers: what it makes by name; the same by default.
    """

    card = "clinical.md"
    reasons = (
        *Family.reasons,
        NOT_INSTALLED,
        r"radeval could not load or run \w+",
        r"radeval gave no finite \w+ value a report",
    )

    def __init__(self, name: str, scores: Sequence[str], offers: Sequence[str] = ()) -> None:
        self.name = name
        self._usual = tuple(scores)
        self.scores = {
            score: Facts(
                higher_is_better=SCORERS[score].higher_is_better,
                about=About.REPORT,
                lowest=SCORERS[score].lowest,
                highest=SCORERS[score].highest,
            )
            for score in (offers or scores)
        }

    def metrics(self, task: Task, track: Track) -> list[ClinicalMetric]:
        """One, where ``task`` makes reports."""
        if Modality.T not in task.outputs:
            return []
        patients_of = None if track.simulated else track.name
        return [ClinicalMetric(self.name, self._usual, tuple(self.scores), patients_of)]


RADEVAL = Clinical("radeval", USUAL, tuple(name for name in SCORERS if name != "green"))
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
    scorer = SCORERS[name]
    values = np.full(len(texts), scorer.empty)
    told = [i for i, (_, made) in enumerate(texts) if made.strip()]
    if not told:
        return values
    try:
        # Its progress bar would go to standard output.
        evaluate = RadEval(metrics=[scorer.name], per_sample=True, show_progress=False)
        found: Any = evaluate(refs=[texts[i][0] for i in told], hyps=[texts[i][1] for i in told])
        by_report = np.asarray(found[scorer.key], dtype=np.float64) * scorer.scale
    except Exception as error:  # whatever a download or a foreign model raises
        # Its message may quote a report.
        kind = type(error).__name__
        messages.note("codixr-bench", f"{name}: radeval's {scorer.name} failed: {kind}")
        return f"radeval could not load or run {scorer.name}"
    if by_report.shape != (len(told),) or not np.isfinite(by_report).all():
        return f"radeval gave no finite {scorer.name} value a report"
    if by_report.min() < scorer.lowest or by_report.max() > scorer.highest:
        return f"radeval gave no finite {scorer.name} value a report"
    values[told] = by_report
    return values


def _mean(values: Array, scorer: Scorer) -> tuple[float, tuple[float, float] | None]:
    """The mean over reports, and its interval."""
    if math.isfinite(scorer.highest):
        return mean_of_studies(values, lowest=scorer.lowest, highest=scorer.highest)
    value = float(values.mean())
    return value, influence_interval(value, values - value, patients_of(len(values)))


def _version() -> str:
    try:
        return version("radeval")
    except PackageNotFoundError:
        return "absent"
