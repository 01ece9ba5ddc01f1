"""``judge_gap``: by how much two judges agree less about generated pictures than about real ones.

A picture can be made for a judge: grey noise pushed until its features match. Another network,
trained on other studies, is not served by it. For each known label of a study: did the first judge
get it right, and did the second? ``judge_gap`` is the first's share of right labels less the
second's on generated pictures, less the same difference on the studies' own pictures. Honest
pictures, however poor, cost both judges about alike; the warning ``judge_gap`` is for more than
``ALLOWED``, one-sided p < ``ALPHA``. ``plain_gap`` (``plain_gap.py``) is held against the same p.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import Images, generated_images, real_images, suffix_of
from codixr_bench.backbones.classifier import Classifier
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Influence
from codixr_bench.metrics.judges import decisions, judge_of, second_judge_of
from codixr_bench.metrics.plain_gap import ONE_KIND_ONLY, PlainGap, gap_of_columns
from codixr_bench.metrics.plain_reader import ONE_KIND, PlainReader
from codixr_bench.metrics.repeats import NO_TRAINING
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import NO_STUDY
from codixr_bench.metrics.training_search import NOT_SEARCHED, TOO_FEW
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.influence_interval import standard_error
from codixr_bench.statistics.significance import holm, shown_p, upper_tail
from codixr_bench.task import Task
from codixr_bench.track import Track

ALLOWED = {"judge_gap": 0.02, "plain_gap": 0.05}
"""Gaps that pictures may have which are less sharp than real ones, or lie a pixel aside, but are
honest."""
ALPHA = 0.01
_Z = 1.959964
"""Half of a 95 % interval, in standard errors."""


class JudgeGap:
    """``judge_gap`` of one generated view.

    Args:
        first: the judge of the track's primary scores.
        second: the other opinion.
        view: F or L.
        task: the task being scored; the name gets ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(
        self, first: Classifier, second: Classifier, view: Modality, task: Task | None = None
    ) -> None:
        self.first = first
        self.second = second
        self.view = view
        self.name = f"judge_gap{suffix_of(task, view)}"
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def load(self) -> None:
        """Load both judges; InputError where weights are missing."""
        _ = self.first.signature, self.second.signature

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        labels = np.array(
            [[_known(study.labels.get(name)) for name in self.first.classes] for study in studies],
            dtype=np.int8,
        ).reshape(len(studies), len(self.first.classes))
        made = self._lead(generated_images(positions, samples, self.view), labels)
        real = self._lead(real_images(positions, studies, self.view), labels)
        self._rows.add(positions, {"gap": made - real})

    def _lead(self, images: Images, labels: NDArray[np.int8]) -> NDArray[np.float64]:
        """The first judge's share of right labels less the second's, [B]."""
        known = labels >= 0
        right = [
            ((judge.probabilities(images) >= judge.thresholds) == (labels == 1)) & known
            for judge in (self.first, self.second)
        ]
        lead = right[0].sum(axis=1) - right[1].sum(axis=1)
        return np.asarray(lead / np.maximum(known.sum(axis=1), 1), dtype=np.float64)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The mean over studies; null without one."""
        n = len(self._rows)
        judges = f"first:{self.first.signature}|second:{self.second.signature}"
        gaps = self._gaps()
        value = float(gaps.mean()) if n else None
        ci95 = None
        if n > 1 and value is not None:
            half = _Z * standard_error(gaps - value)[0]
            ci95 = (max(-2.0, value - half), min(2.0, value + half))
        return [
            Score(
                name=self.name,
                value=value,
                reason=None if n else NO_STUDY,
                ci95=ci95,
                n=n,
                higher_is_better=False,
                signature=f"judge_gap|{judges}|ref:same-studies|n:{n}|ci:t",
            )
        ]

    def statistics(self) -> Columns:
        """``judge_gap.influence``: each study's gap about their mean."""
        gaps = self._gaps()
        return {f"{self.name}{INFLUENCE}": gaps - gaps.mean()} if len(gaps) else {}

    def _gaps(self) -> NDArray[np.float64]:
        return np.asarray(self._rows.columns().get("gap", np.zeros(0)), dtype=np.float64)


class JudgeGapFamily(Family):
    """Gaps between the judge of the phantom's pictures and two other opinions."""

    name = "judge_gap"
    card = "judge_gap.md"
    scores = MappingProxyType(
        {
            name: Facts(
                higher_is_better=False,
                about=About.PICTURE,
                lowest=-2.0,
                highest=2.0,
                decimals=4,
            )
            for name in ALLOWED
        }
    )
    reasons = (*Family.reasons, NO_TRAINING, NOT_SEARCHED, TOO_FEW, ONE_KIND, ONE_KIND_ONLY)

    def metrics(self, task: Task, track: Track) -> list[JudgeGap | PlainGap]:
        """Two a generated view; none where the track has no second judge."""
        found: list[JudgeGap | PlainGap] = []
        for view in task.outputs:
            if view.is_image and (second := second_judge_of(track, view)) is not None:
                first = judge_of(track, view)
                found.append(JudgeGap(first, second, view, task))
                found.append(PlainGap(first, PlainReader(view, first.classes), task))
        return found

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """From what the judges and the reader say of the generated and of the real pictures."""
        found = {}
        for view in ("", "[F]", "[L]"):
            made, true = (_lead_of_columns(side, view) for side in (columns, real))
            if made is not None and true is not None:
                gaps = made - true
                value = float(gaps.mean())
                found[f"judge_gap{view}"] = Influence(gaps - value, value)
            if (plain := gap_of_columns(columns, real, view)) is not None:
                found[f"plain_gap{view}"] = plain
        return found

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """``judge_gap`` where a gap is above what is allowed: Holm's p over gaps and views."""
        adjusted = holm([judge_gap(score) for score in scores.values()])
        found = {name: p for name, p in zip(scores, adjusted, strict=True) if p < ALPHA}
        if found:
            p = min(found.values())
            yield ResultWarning.of("judge_gap", list(found), [shown_p(p)], value=p, limit=ALPHA)


JUDGE_GAP = JudgeGapFamily()


def judge_gap(score: Score) -> float:
    """One-sided: how often chance makes the gap that is allowed this large; 1 for no value.

    Paired: the score's interval is of each study's generated picture less its real one.
    """
    if score.value is None or score.ci95 is None:
        return 1.0
    error = (score.ci95[1] - score.ci95[0]) / (2.0 * _Z)
    excess = score.value - ALLOWED[score.name.partition("[")[0]]
    if error <= 0.0:
        return 0.0 if excess > 0.0 else 1.0
    return upper_tail(excess / error, score.n - 1)


def _lead_of_columns(columns: Columns, view: str) -> NDArray[np.float64] | None:
    """[n]: the first judge's share of right labels less the second's; None without decisions."""
    right, known = [], np.zeros((0, 0), dtype=np.bool_)
    for judge in ("classification", "second_classification"):
        if (decided := decisions(columns, judge, view)) is None:
            return None
        labels, said = decided
        known = labels >= 0
        right.append((((said > 0) == (labels == 1)) & known).sum(axis=1))
    return np.asarray((right[0] - right[1]) / np.maximum(known.sum(axis=1), 1), dtype=np.float64)


def _known(label: int | None) -> int:
    return label if label in (0, 1) else -1
