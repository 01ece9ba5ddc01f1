"""Joint consistency: do two outputs made for one study speak of the same study?

Every output of a study is read as numbers: a picture as its classifier's logits, a report as its
labels, either as its vector in a prompt-encoder's space. Agreement is what a study's own pair has
and shuffled pairs (an output of one study, the other of another) do not, so that 0 is chance:

* ``view_agreement``, ``report_image_agreement``: the correlation over studies of one side's
  numbers with the other's, class by class, and the plain mean over classes. Its expectation over
  shuffled pairs is 0. A class in which a side never varies agrees by chance only: 0.
* ``clip_agreement``: the mean cosine of the studies' own pairs, less that of all other pairs.

``<name>_ratio`` is the score over that of the studies' real pairs; above 1 the outputs agree more
than real ones do, as prototypes of a finding can. Nothing here looks at the condition: a model that
makes the same two outputs for every study agrees perfectly with itself, and scores 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images
from codixr_bench.backbones.classifier import Classifier
from codixr_bench.backbones.prompt_space import PromptSpace
from codixr_bench.metric import INFLUENCE, About, Columns, Facts, Family, Influence
from codixr_bench.metrics.agreement import (
    INFLUENCES,
    Measure,
    cosine_above_shuffled,
    mean_correlation,
)
from codixr_bench.metrics.judges import judge_of
from codixr_bench.metrics.reports import WRONG_FINDINGS, WRONG_WORDS, report_pairs
from codixr_bench.metrics.rows import Rows
from codixr_bench.model import Content, Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import percentile_interval, resample_weights
from codixr_bench.task import Task
from codixr_bench.track import Track

CLIPPED = 1e-6
"""Probabilities are kept this far from 0 and 1 before they become logits (±13.8)."""
TOO_FEW = "agreement above chance needs two studies or more"
NO_AGREEMENT = "the real pairs do not agree above chance"

Array = NDArray[np.float64]


class Reader(Protocol):
    """Reads outputs of one modality as rows of numbers."""

    @property
    def signature(self) -> str:
        """What made the numbers, e.g. ``phantom-judge-F|weights:ab12cd34``."""
        ...

    def read(self, contents: Sequence[Content]) -> Array:
        """[B, k], float64."""
        ...


class PictureLogits:
    """A classifier's logits of pictures."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    @property
    def signature(self) -> str:
        """The classifier's."""
        return self.classifier.signature

    def read(self, contents: Sequence[Content]) -> Array:
        """Pictures [1, H, W] -> logits [B, k], in the order of the classifier's classes."""
        images = np.stack([np.asarray(content, dtype=np.float32) for content in contents])
        p = np.asarray(self.classifier.probabilities(images), dtype=np.float64)
        p = p.clip(CLIPPED, 1.0 - CLIPPED)
        return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


class ReportFindings:
    """What a report says is present: 1; absent, uncertain or not mentioned: 0.

    Args:
        labels_of: a report's labels by observation (1 present, 0 absent, -1 uncertain, None).
        signature: names it, e.g. ``phantom-grammar``.
        classes: the observations, in the order of the numbers.
    """

    def __init__(
        self,
        labels_of: Callable[[str], Mapping[str, int | None]],
        signature: str,
        classes: Sequence[str],
    ) -> None:
        self.labels_of = labels_of
        self.signature = signature
        self.classes = tuple(classes)

    def read(self, contents: Sequence[Content]) -> Array:
        """Reports -> [B, k]."""
        found = [self.labels_of(str(content)) for content in contents]
        return np.array([[float(f.get(c) == 1) for c in self.classes] for f in found])


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two outputs, and how it is read."""

    modality: Modality
    reader: Reader


class ConsistencyMetric:
    """Agreement of two outputs, and its ratio to that of the real pairs.

    Args:
        name: of the score.
        first: one output.
        second: the other.
        measure: ``mean_correlation`` or ``cosine_above_shuffled``.
        how: the measure's name, for signatures.
    """

    def __init__(self, name: str, first: Side, second: Side, measure: Measure, how: str) -> None:
        self.name = name
        self.sides = (first, second)
        self.measure = measure
        self.how = how
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes both outputs."""
        return {side.modality for side in self.sides} <= set(task.outputs)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Read generated and real outputs; InputError names the position that lacks one."""
        columns = {}
        for side in self.sides:
            made, true = _contents(positions, studies, samples, side.modality)
            columns[f"generated.{side.modality}"] = side.reader.read(made)
            columns[f"real.{side.modality}"] = side.reader.read(true)
        self._rows.add(positions, columns)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The agreement and its ratio; null under two studies, which cannot be shuffled."""
        n = len(self._rows)
        read = "|".join(f"{side.modality}:{side.reader.signature}" for side in self.sides)
        signature = f"{self.name}|{self.how}|chance:0|{read}|n:{n}"
        ratio_name = f"{self.name}_ratio"
        ratio_signature = signature.replace(self.name, ratio_name, 1) + "|ref:same-studies"
        if n < 2:
            reason = TOO_FEW
            return [
                _score(self.name, None, None, n, signature, reason),
                _score(ratio_name, None, None, n, ratio_signature, reason),
            ]
        drawn = resample_weights(n)
        once = np.ones((1, n), dtype=np.int16)
        made, made_drawn = (self._measured("generated", w) for w in (once, drawn))
        real, real_drawn = (self._measured("real", w) for w in (once, drawn))
        value = float(made[0])
        agreement = _score(self.name, value, percentile_interval(made_drawn), n, signature)
        if not real[0] > 0:
            reason = NO_AGREEMENT
            return [agreement, _score(ratio_name, None, None, n, ratio_signature, reason)]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(real_drawn > 0, made_drawn / real_drawn, np.nan)
        interval = percentile_interval(ratios)
        return [
            agreement,
            _score(ratio_name, value / float(real[0]), interval, n, ratio_signature),
        ]

    def load(self) -> None:
        """Load what reads the outputs."""
        for side in self.sides:
            _ = side.reader.signature

    def statistics(self) -> Columns:
        """``<name>.generated.F`` …, ``<name>.real.F`` …: what was read, [n, k].

        Also ``<name>.influence`` and ``<name>_ratio.influence``: what each study does to a score.
        """
        columns = self._rows.columns()
        found = {f"{self.name}.{kind}": rows for kind, rows in columns.items()}
        n = len(self._rows)
        if n <= 2:
            return found
        made, real = (self._influence(kind) for kind in ("generated", "real"))
        found[f"{self.name}{INFLUENCE}"] = made
        once = np.ones((1, n), dtype=np.int16)
        value, most = (float(self._measured(kind, once)[0]) for kind in ("generated", "real"))
        if most > 0:
            found[f"{self.name}_ratio{INFLUENCE}"] = (made - value / most * real) / most
        return found

    def _influence(self, kind: str) -> Array:
        columns = self._rows.columns()
        first, second = (
            np.asarray(columns[f"{kind}.{side.modality}"], dtype=np.float64) for side in self.sides
        )
        return INFLUENCES[self.measure](first, second)

    def _measured(self, kind: str, weights: NDArray[np.generic]) -> Array:
        columns = self._rows.columns()
        first, second = (
            np.asarray(columns[f"{kind}.{side.modality}"], dtype=np.float64) for side in self.sides
        )
        return self.measure(first, second, weights)


def view_agreement(frontal: Classifier, lateral: Classifier) -> ConsistencyMetric:
    """Logits of the generated F against those of the L of the same study."""
    if frontal.classes != lateral.classes:
        raise InputError("view_agreement: the two views' classifiers know different classes")
    sides = [
        Side(view, PictureLogits(classifier))
        for view, classifier in ((Modality.F, frontal), (Modality.L, lateral))
    ]
    how = f"corr:logits,mean-of-{len(frontal.classes)}"
    return ConsistencyMetric("view_agreement", sides[0], sides[1], mean_correlation, how)


def report_image_agreement(
    view: Modality,
    classifier: Classifier,
    labels_of: Callable[[str], Mapping[str, int | None]],
    labeler: str,
) -> ConsistencyMetric:
    """What the generated T says against the logits of the generated picture."""
    picture = Side(view, PictureLogits(classifier))
    report = Side(Modality.T, ReportFindings(labels_of, labeler, classifier.classes))
    how = f"corr:labels-logits,mean-of-{len(classifier.classes)}"
    return ConsistencyMetric("report_image_agreement", picture, report, mean_correlation, how)


def clip_agreement(first: Side, second: Side) -> ConsistencyMetric:
    """Cosine of the two outputs in a prompt-encoder's space."""
    how = "cosine-less-shuffled"
    return ConsistencyMetric("clip_agreement", first, second, cosine_above_shuffled, how)


def _contents(
    positions: Sequence[int],
    studies: Sequence[Study],
    samples: Sequence[Sample],
    modality: Modality,
) -> tuple[list[Content], list[Content]]:
    """(generated, real) contents of a batch; InputError names the position that lacks one."""
    if modality.is_image:
        made_images = generated_images(positions, samples, modality)
        return list(made_images), list(real_images(positions, studies, modality))
    pairs = list(report_pairs(positions, studies, samples, blank=True))
    return [made for _, made in pairs], [true for true, _ in pairs]


_OTHERS = ("inverted", "crop", "another patient's picture", "one picture for many")


class Consistency(Family):
    """Agreement of two outputs: by the track's ``backbones``, those that its recipe names."""

    name = "consistency"
    card = "consistency.md"
    reasons = (
        *Family.reasons,
        TOO_FEW,
        NO_AGREEMENT,
    )
    scores = {
        name: Facts(
            higher_is_better=True,
            about=About.PAIR,
            lowest=lowest,
            highest=-lowest,
            real_is_ceiling=False,
            only_stated=name == "clip_agreement",
            primary=place is not None,
            place=place,
        )
        for name, lowest, place in (
            ("view_agreement", -1.0, 50),
            ("report_image_agreement", -1.0, 51),
            ("clip_agreement", -2.0, None),
        )
    } | {
        f"{name}_ratio": Facts(
            higher_is_better=True, about=About.PAIR, only_stated=name == "clip_agreement"
        )
        for name in ("view_agreement", "report_image_agreement", "clip_agreement")
    }
    sees = MappingProxyType(
        {
            "view_agreement": _OTHERS,
            "report_image_agreement": (*_OTHERS, *WRONG_FINDINGS),
            "clip_agreement": (*_OTHERS, *WRONG_WORDS),
        }
    )

    def metrics(self, task: Task, track: Track) -> list[ConsistencyMetric]:
        """Up to two, where ``task`` makes two outputs; InputError for an unknown reader."""
        if len(task.outputs) != 2:
            return []
        first, second = task.outputs
        found: list[ConsistencyMetric] = []
        if second.is_image:
            found.append(view_agreement(judge_of(track, first), judge_of(track, second)))
        elif (named := track.backbones.get("labeler")) is not None:
            if named != "phantom-grammar":
                raise InputError(
                    f"track '{track.name}': backbones.labeler is '{named}'; known here: "
                    "phantom-grammar"
                )
            from codixr.data.phantom.grammar import labels_from_report

            judge = judge_of(track, first)
            found.append(report_image_agreement(first, judge, labels_from_report, named))
        if (named := track.backbones.get("prompt")) is not None:
            if named != "codixr-tiny":
                raise InputError(
                    f"track '{track.name}': backbones.prompt is '{named}'; known here: codixr-tiny"
                )
            found.append(clip_agreement(*(Side(m, PromptSpace(m)) for m in task.outputs)))
        return found

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """Computed anew where what was read, [n, k], is among the columns; else the stored ones."""
        found = super().influences(columns)
        for name, measure in _MEASURES.items():
            made, real = (_sides(columns, f"{name}.{kind}.") for kind in ("generated", "real"))
            if made is None or real is None:
                continue
            once = np.ones((1, len(made[0])), dtype=np.int16)
            value, most = (float(measure(*sides, once)[0]) for sides in (made, real))
            of_made, of_real = (INFLUENCES[measure](*sides) for sides in (made, real))
            found[name] = Influence(of_made - of_made.mean(), value)
            if most > 0:
                ratio = (of_made - value / most * of_real) / most
                found[f"{name}_ratio"] = Influence(ratio - ratio.mean(), value / most)
        return found

    def about_studies(self, column: str) -> bool:
        """What was read in the real outputs."""
        return any(column.startswith(f"{name}.real.") for name in _MEASURES)


_MEASURES: dict[str, Measure] = {
    "view_agreement": mean_correlation,
    "report_image_agreement": mean_correlation,
    "clip_agreement": cosine_above_shuffled,
}


def _sides(columns: Columns, prefix: str) -> tuple[Array, Array] | None:
    """The two outputs as they were read, [n, k] each; None where one is not there."""
    found = [np.asarray(v, dtype=np.float64) for c, v in columns.items() if c.startswith(prefix)]
    if len(found) != 2 or any(one.ndim != 2 for one in found):
        return None
    return found[0], found[1]


CONSISTENCY = Consistency()


def _score(
    name: str,
    value: float | None,
    interval: tuple[float, float] | None,
    n: int,
    signature: str,
    reason: str | None = None,
) -> Score:
    return Score(
        name=name,
        value=value,
        reason=reason,
        ci95=interval,
        n=n,
        higher_is_better=True,
        signature=signature,
    )
