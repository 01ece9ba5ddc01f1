"""Attribute F1 of generated pictures: are findings on the right side, in the right zone, as severe?

The phantom's second judge reads each generated picture: what is there (by its thresholds), and of
that the side, zone and severity. Against what the study's report says, which on this track is the
truth of the simulation. Statements and F1 are those of ``attribute_f1_*`` of reports.

Notable:
- What the study's labels leave uncertain is not scored, and neither is an attribute of which the
  report says two things (two opacities in two zones): a judge gives one answer.
- A lateral picture hides the side: there is no ``side`` of L, and devices count without theirs.
- The judge makes errors on real pictures too: read the value beside the real pictures' (its skill).
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, suffix_of
from codixr_bench.backbones.second_judge import SecondJudgePass
from codixr_bench.labeler.attributes import (
    PLACED,
    SIDED_DEVICES,
    VERSION,
    ZONED,
    Statement,
    read_attributes,
)
from codixr_bench.metric import About, Columns, Facts, Family, Influence, Problems
from codixr_bench.metrics.attributes import (
    COUNTS,
    NOTHING_SAID,
    count_faults,
    counts_of,
    f1_influences,
    f1_intervals_of_rows,
    f1_of_sums,
)
from codixr_bench.metrics.judges import second_judge_of
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import MID_P, NO_STUDY
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.bootstrap import patients_of
from codixr_bench.task import Task
from codixr_bench.track import Evaluation, Track

OF_VIEW = {
    Modality.F: ("side", "zone", "severity", "device"),
    Modality.L: ("zone", "severity", "device"),
}
"""What a view shows."""
WITH_ZONE = ZONED - {"Pneumothorax"}
"""Findings that the phantom puts into a zone."""


class ImageAttributes:
    """``image_attribute_f1_*`` of one generated view.

    Args:
        judge: reads the pictures.
        view: F or L.
        task: the task being scored; names get ``[F]`` or ``[L]`` where it makes both views.
    """

    def __init__(self, judge: SecondJudgePass, view: Modality, task: Task | None = None) -> None:
        self.judge = judge
        self.view = view
        self.attributes = OF_VIEW[view]
        self.suffix = suffix_of(task, view)
        self.name = f"image_attributes{self.suffix}"
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def load(self) -> None:
        """Load the judge; InputError where its weights are missing."""
        _ = self.judge.signature

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        answers = self.judge.outputs(generated_images(positions, samples, self.view)).answers
        rows = []
        for study, answer in zip(studies, answers, strict=True):
            real = read_attributes(study.report or "")
            made = frozenset(self._seen(answer))
            kept = self._scored(study, real)
            one, other = (frozenset(s for s in of if kept(s)) for of in (made, real))
            rows.append(counts_of(one, frozenset(map(self._shown, other)), self.attributes))
        counts = np.array(rows, dtype=np.int16)
        self._rows.add(positions, {"row": counts.reshape(len(rows), 3 * len(self.attributes))})

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """One score an attribute; null, with the reason, where nothing is said of it."""
        n = len(self._rows)
        rows = self._counts()
        values = f1_of_sums(rows.sum(axis=0, keepdims=True, dtype=np.float64))[0]
        intervals = f1_intervals_of_rows(rows, patients_of(n)) if n else [None] * len(values)
        signature = (
            f"judge:{self.judge.signature}|reader:rules@{VERSION}|avg:micro|n:{n}|ci:{MID_P}"
        )
        return [
            Score(
                name=f"image_attribute_f1_{attribute}{self.suffix}",
                value=float(value) if np.isfinite(value) else None,
                reason=None if np.isfinite(value) else NOTHING_SAID if n else NO_STUDY,
                ci95=interval,
                n=n,
                higher_is_better=True,
                signature=f"image_attribute_f1_{attribute}|{signature}",
            )
            for attribute, value, interval in zip(self.attributes, values, intervals, strict=True)
        ]

    def statistics(self) -> Columns:
        """``image_attributes.<attribute>.both|made|real``."""
        rows = self._counts()
        names = [f"{attribute}.{count}" for attribute in self.attributes for count in COUNTS]
        return (
            {f"{self.name}.{name}": rows[:, i] for i, name in enumerate(names)} if len(rows) else {}
        )

    def _counts(self) -> NDArray[np.generic]:
        columns = self._rows.columns()
        return columns.get("row", np.zeros((0, 3 * len(self.attributes)), dtype=np.int16))

    def _seen(self, answer: NDArray[np.float32]) -> Iterator[Statement]:
        """What the judge says of a picture, from its answers [questions, 10]."""
        from codixr.data.phantom.attributes import ATTRIBUTES, BEARERS
        from codixr.data.phantom.second_judge import ANSWERS, QUESTIONS

        probabilities = 1.0 / (1.0 + np.exp(-answer[:, 0].astype(np.float64)))
        there = {
            name
            for name in BEARERS
            if probabilities[QUESTIONS.index(name)] >= self.judge.judge.thresholds[name]
        }
        for name in sorted(there):
            row = answer[QUESTIONS.index(name)]
            said = {a: values[int(row[ANSWERS[a]].argmax())] for a, values in ATTRIBUTES.items()}
            if name not in PATHOLOGIES:
                sided = name in SIDED_DEVICES and "side" in self.attributes
                # No device is on both sides.
                right, left = row[ANSWERS["side"]][:2]
                yield Statement("device", name, ("right" if right > left else "left") * sided)
                continue
            if name in PLACED:
                yield Statement("side", name, said["side"])
            if name in WITH_ZONE:
                yield Statement("zone", name, said["zone"])
            # The grade of a pneumonia's opacity is the pneumonia's.
            if name != "Lung Opacity" or "Pneumonia" not in there:
                yield Statement("severity", name, said["severity"])

    def _shown(self, statement: Statement) -> Statement:
        """A statement of the report, as the view can show it."""
        if statement.attribute == "device" and "side" not in self.attributes:
            return statement._replace(value="")
        return statement

    def _scored(self, study: Study, real: frozenset[Statement]) -> "_Scored":
        doubted = {name for name in PATHOLOGIES if study.labels.get(name) == -1}
        once: dict[tuple[str, str], int] = {}
        for statement in real:
            key = statement.attribute, statement.bearer
            once[key] = once.get(key, 0) + 1
        return _Scored(frozenset(doubted), frozenset(key for key, k in once.items() if k > 1))


class _Scored:
    """Whether a statement counts for a study."""

    def __init__(self, doubted: frozenset[str], twofold: frozenset[tuple[str, str]]) -> None:
        self.doubted = doubted
        self.twofold = twofold

    def __call__(self, statement: Statement) -> bool:
        key = statement.attribute, statement.bearer
        return statement.bearer not in self.doubted and key not in self.twofold


class ImageAttributeF1(Family):
    """Attributes of generated pictures, where the track has a judge that reads them."""

    name = "image_attributes"
    card = "attribute_f1.md"
    scores = MappingProxyType(
        {
            f"image_attribute_f1_{attribute}": Facts(
                higher_is_better=True,
                about=About.PICTURE,
                lowest=0.0,
                highest=1.0,
                only_stated=True,
            )
            for attribute in OF_VIEW[Modality.F]
        }
    )
    sees = MappingProxyType(
        {
            f"image_attribute_f1_{attribute}": (
                "blur",
                "few grey levels",
                "low resolution",
                "inverted",
                "crop",
                "other view",
                "another patient's picture",
                "one picture for many",
            )
            for attribute in ("zone", "severity", "device")
        }
        | {"image_attribute_f1_side": ("mirrored", "another patient's picture")}
    )
    reasons = (*Family.reasons, NOTHING_SAID)

    def metrics(self, task: Task, track: Track) -> list[ImageAttributes]:
        """One a generated view, by the track's second judge; none without it."""
        found = [(view, second_judge_of(track, view)) for view in task.outputs if view.is_image]
        return [ImageAttributes(judge, view, task) for view, judge in found if judge is not None]

    def influences(self, columns: Columns) -> dict[str, Influence]:
        """By leaving each study out of the counts."""
        found: dict[str, Influence] = {}
        for view in ("", *(f"[{m}]" for m in OF_VIEW)):
            for attribute in OF_VIEW[Modality.F]:
                prefix = f"{self.name}{view}.{attribute}."
                counts = [columns.get(f"{prefix}{count}") for count in COUNTS]
                if any(values is None for values in counts):
                    continue
                rows = np.column_stack(counts)  # type: ignore[arg-type]
                found |= f1_influences(rows, [f"image_attribute_f1_{attribute}{view}"])
        return found

    def about_studies(self, column: str) -> bool:
        """What the reports state."""
        return column.startswith(self.name) and column.endswith(f".{COUNTS[2]}")

    def column_faults(self, columns: Columns) -> Problems:
        """More statements in both than in one."""
        yield from count_faults(columns, self.name)

    def worsened(
        self, studies: Sequence[Study], samples: Sequence[Sample], evaluation: Evaluation
    ) -> list[Sample]:
        """Black pictures: in noise a judge sees something here and there."""
        return [
            {m: c if isinstance(c, str) else np.zeros_like(c) for m, c in sample.items()}
            for sample in samples
        ]


IMAGE_ATTRIBUTE_F1 = ImageAttributeF1()
