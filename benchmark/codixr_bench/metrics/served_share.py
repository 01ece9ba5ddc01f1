"""``served_share``: pictures like no X-ray, in which the judge still finds everything.

Whoever pushes textures until *both* judges' features match leaves no gap between them. But formulas
aren't served: the radiomic features of such a picture are far from those of any X-ray. A picture is
*strange* when the mean of asinh(z)² over its radiomic features (``frd.py``) is above ``STRANGE``.
It *served* the judge when it is strange, its study has a finding, and the judge reads every known
label right. ``served_share`` is the share of served ones among the studies with findings.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images, suffix_of
from codixr_bench.backbones.classifier import Classifier
from codixr_bench.backbones.radiomics import VERSION, radiomics
from codixr_bench.backbones.real_features import RealFeatures, features_of_both
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Influence
from codixr_bench.metrics.frd import LEAST_SPREAD
from codixr_bench.metrics.judges import PHANTOM, classifiers_of, decisions, judge_of
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.stored_features import FEATURES
from codixr_bench.metrics.sums import MID_P, NO_STUDY
from codixr_bench.model import Sample
from codixr_bench.score import ResultWarning, Score
from codixr_bench.statistics.effective_draws import ratio_interval
from codixr_bench.statistics.significance import holm, shown_p, upper_tail
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

STRANGE = 7.0
"""The median of real pictures is 0.5, and 99 % have at most 1.7; with noise of .05 it is 5.2, of .1
8.5; of textures made for a judge 9 to 10."""
ALLOWED = 0.05
ALPHA = 0.01
NO_FINDING = "no study has a finding"
_Z = 1.959964
"""Half of a 95 % interval, in standard errors."""

Vector = NDArray[np.float64]


class ServedShare:
    """``served_share`` of one generated view.

    Args:
        judge: of the track's primary scores.
        view: F or L.
        task: the task being scored; the name gets ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, judge: Classifier, view: Modality, task: Task | None = None) -> None:
        self.judge = judge
        self.view = view
        self.name = f"served_share{suffix_of(task, view)}"
        self._rows = Rows()
        self._kept: RealFeatures | None = None

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def load(self) -> None:
        """Load the judge; InputError where its weights are missing."""
        _ = self.judge.signature

    def prepare(self, evaluation: Evaluation) -> None:
        """Find the features of the real pictures that an earlier run kept."""
        self._kept = RealFeatures(evaluation.dataset, self.view, radiomics())

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        if not len(positions):
            return
        images = generated_images(positions, samples, self.view)
        generated, real = features_of_both(
            radiomics(),
            images,
            real_images(positions, studies, self.view),
            None if self._kept is None else self._kept.rows(positions),
        )
        labels = np.array(
            [[_known(study.labels.get(name)) for name in self.judge.classes] for study in studies]
        )
        said = self.judge.probabilities(images) >= self.judge.thresholds
        self._rows.add(
            positions,
            {
                "generated": generated,
                "real": real,
                "right": ((said == (labels == 1)) | (labels < 0)).all(axis=1),
                "finding": (labels == 1).any(axis=1),
            },
        )

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The share among the studies with findings; null without one."""
        n = len(self._rows)
        served, finding = self._counts()
        known = bool(finding.sum())
        low, high = ratio_interval(served, finding) if known else (0.0, 0.0)
        made = f"served_share|judge:{self.judge.signature}|radiomics@{VERSION}|strange:{STRANGE:g}"
        return [
            Score(
                name=self.name,
                value=float(served.sum() / finding.sum()) if known else None,
                reason=None if known else NO_FINDING if n else NO_STUDY,
                ci95=(float(low), float(high)) if known else None,
                n=n,
                higher_is_better=False,
                signature=f"{made}|ref:same-studies|n:{n}|ci:{MID_P}",
            )
        ]

    def statistics(self) -> Columns:
        """``served_share.influence``: what each study does to the share, mean zero."""
        served, finding = self._counts()
        if not finding.sum():
            return {}
        return {f"{self.name}{INFLUENCE}": _share(served, finding).by_study}

    def _counts(self) -> tuple[Vector, Vector]:
        """[n] each: served, and with a finding."""
        columns = self._rows.columns()
        if not columns:
            return np.zeros(0), np.zeros(0)
        strange = strangeness(columns["generated"], columns["real"]) > STRANGE
        finding = np.asarray(columns["finding"], dtype=np.bool_)
        served = strange & np.asarray(columns["right"], dtype=np.bool_) & finding
        return served.astype(np.float64), finding.astype(np.float64)


def _share(served: Vector, finding: Vector) -> Influence:
    """Of those with a finding, [n] each."""
    share = float(served.sum() / finding.sum())
    return Influence((served - share * finding) / finding.mean(), share)


def strangeness(generated: NDArray[np.generic], real: NDArray[np.generic]) -> Vector:
    """Radiomic features [n, d] of both -> [n]: the mean of asinh(z)², z in units of the real ones.

    Features that are constant there are left out.
    """
    reference = np.asarray(real, dtype=np.float64)
    mean, spread = reference.mean(axis=0), reference.std(axis=0)
    kept = spread > LEAST_SPREAD
    if not kept.any():
        return np.zeros(len(reference))
    z = (np.asarray(generated, dtype=np.float64)[:, kept] - mean[kept]) / spread[kept]
    return np.asarray(np.square(np.arcsinh(z)).mean(axis=1), dtype=np.float64)


class ServedShareFamily(Family):
    """Strange pictures that the phantom's judge reads as if they were its studies'."""

    name = "served_share"
    card = "judge_gap.md"
    scores = MappingProxyType(
        {
            "served_share": Facts(
                higher_is_better=False, about=About.PICTURE, lowest=0.0, highest=1.0
            )
        }
    )
    reasons = (*Family.reasons, NO_FINDING)
    recomputed_within = 0.005
    """A picture at the limit may be strange or not, by its float16 features."""

    def recomputed(self, columns: Columns, real: Columns) -> dict[str, Influence]:
        """From ``frd``'s features, which are in units of the real ones, and the decisions."""
        found = {}
        for view in ("", "[F]", "[L]"):
            scaled = columns.get(f"frd{view}{FEATURES}")
            decided = decisions(columns, "classification", view)
            if scaled is None or scaled.ndim != 2 or decided is None:
                continue
            labels, said = decided
            right = (((said > 0) == (labels == 1)) | (labels < 0)).all(axis=1)
            finding = (labels == 1).any(axis=1)
            if not finding.any():
                continue
            strange = np.square(scaled.astype(np.float64)).mean(axis=1) > STRANGE
            served = (strange & right & finding).astype(np.float64)
            found[f"served_share{view}"] = _share(served, finding.astype(np.float64))
        return found

    def metrics(self, task: Task, track: Track) -> list[ServedShare]:
        """One a generated view; none where the track has not the phantom's judge."""
        if classifiers_of(track)[:1] != [PHANTOM]:
            return []
        return [
            ServedShare(judge_of(track, view), view, task) for view in task.outputs if view.is_image
        ]

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """The pictures under noise that makes them strange, and that a judge sees through."""
        rng = np.random.default_rng(0)
        return [
            {
                m: c
                if isinstance(c, str)
                else np.clip(c + rng.normal(0.0, 0.09, c.shape), 0.0, 1.0).astype(np.float32)
                for m, c in sample.items()
            }
            for sample in samples
        ]

    def warnings(self, scores: Mapping[str, Score]) -> Iterator[ResultWarning]:
        """``judge_gap``, where more are served than allowed, beyond chance: Holm over the views."""
        adjusted = holm([served_by_chance(score) for score in scores.values()])
        found = {name: p for name, p in zip(scores, adjusted, strict=True) if p < ALPHA}
        if found:
            p = min(found.values())
            yield ResultWarning.of("judge_gap", list(found), [shown_p(p)], value=p, limit=ALPHA)


SERVED_SHARE = ServedShareFamily()


def served_by_chance(score: Score) -> float:
    """One-sided: how often chance makes a share of ``ALLOWED`` this large; 1 for no value."""
    if score.value is None or score.ci95 is None or score.value <= ALLOWED:
        return 1.0
    error = (score.value - score.ci95[0]) / _Z
    return upper_tail((score.value - ALLOWED) / error, score.n - 1) if error > 0.0 else 0.0


def _known(label: int | None) -> int:
    return label if label in (0, 1) else -1
