"""``plain_gap``: by how much more the judge tells findings apart than a reader without a network.

Whoever pushes pictures until *both* judges' features match leaves no gap between them, and if the
change is small or begins from a real picture, formulas see nothing either. But a linear reader of
low-pass pixels, learned from the training studies (``plain_reader.py``), looks at what everybody
sees: where the lungs are white. ``plain_gap`` is the judge's macro AUROC less that reader's on
generated pictures, less the same difference on the studies' own pictures. Poor pictures cost both;
smooth ones rather the judge. AUROC and no cut, because a picture's greys move a cut.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.backbones.backbone import generated_images, real_images, suffix_of
from codixr_bench.backbones.classifier import Classifier
from codixr_bench.metric import INFLUENCE, Columns, Influence
from codixr_bench.metrics.influence_score import Measured, influence_score
from codixr_bench.metrics.plain_reader import PlainReader
from codixr_bench.metrics.repeats import NO_TRAINING
from codixr_bench.metrics.rows import Rows
from codixr_bench.metrics.sums import NO_STUDY
from codixr_bench.model import Sample
from codixr_bench.score import Score
from codixr_bench.statistics.auroc_interval import placements
from codixr_bench.task import Task
from codixr_bench.track import Evaluation

ONE_KIND_ONLY = "no finding is present in one study and absent in another"
READ = ".read"
"""The end of the column of what the reader says."""
Array = NDArray[np.float64]


class PlainGap:
    """``plain_gap`` of one generated view.

    Args:
        judge: of the track's primary scores.
        reader: the other opinion; it learns when the metric is prepared.
        task: the task being scored; the name gets ``[F]`` or ``[L]`` where it makes both views.
    """

    has_skill = False

    def __init__(self, judge: Classifier, reader: PlainReader, task: Task | None = None) -> None:
        self.judge = judge
        self.reader = reader
        self.view: Modality = reader.view
        self.name = f"plain_gap{suffix_of(task, self.view)}"
        self.absent: str | None = NO_TRAINING
        self._rows = Rows()

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes this view."""
        return self.view in task.outputs

    def load(self) -> None:
        """Load the judge; InputError where its weights are missing."""
        _ = self.judge.signature

    def prepare(self, evaluation: Evaluation) -> None:
        """Have the reader learn from the training studies; a null score where there are none."""
        self.absent = self.reader.prepare(evaluation)

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Add pictures; InputError names the position of one that is missing or unreadable."""
        made = generated_images(positions, samples, self.view)
        labels = np.array(
            [[_known(study.labels.get(name)) for name in self.judge.classes] for study in studies],
            dtype=np.int8,
        ).reshape(len(studies), len(self.judge.classes))
        columns: dict[str, NDArray[np.generic]] = {"labels": labels}
        if self.absent is None and len(made):
            real = real_images(positions, studies, self.view)
            for of, images in (("made", made), ("real", real)):
                columns[f"judge {of}"] = self.judge.probabilities(images)
                columns[f"plain {of}"] = self.reader.probabilities(images).astype(np.float32)
        self._rows.add(positions, columns)

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._rows.merge(other._rows)

    def compute(self) -> list[Score]:
        """The difference of differences; null without training studies, or without findings."""
        judges = f"first:{self.judge.signature}|second:{self.reader.signature}"
        return [
            influence_score(
                self.name,
                self._gap(),
                n=len(self._rows),
                higher_is_better=False,
                signature=f"plain_gap|{judges}|avg:macro-auroc|ref:same-studies",
                lowest=-2.0,
                highest=2.0,
            )
        ]

    def statistics(self) -> Columns:
        """``plain_gap.influence``: what each study does to the gap, mean zero.

        And ``plain_gap.read``: what the reader says of each generated picture, float32 [n, k].
        """
        value, influence, _ = self._gap()
        if value is None:
            return {}
        read = np.asarray(self._rows.columns()["plain made"])
        return {f"{self.name}{INFLUENCE}": influence, f"{self.name}{READ}": read}

    def _gap(self) -> Measured:
        nothing = np.zeros(0)
        columns = self._rows.columns()
        if not columns or self.absent is not None:
            return None, nothing, self.absent if columns else NO_STUDY
        made, real = (
            (np.asarray(columns[f"judge {of}"]), np.asarray(columns[f"plain {of}"]))
            for of in ("made", "real")
        )
        gap = _gap_of(made, real, np.asarray(columns["labels"]))
        return (None, nothing, ONE_KIND_ONLY) if gap is None else (*gap, None)


Said = tuple[NDArray[np.generic], NDArray[np.generic]]
"""What the judge and the reader say of the same pictures, [n, k] each."""


def _gap_of(made: Said, real: Said, labels: NDArray[np.generic]) -> tuple[float, Array] | None:
    """The difference of differences, and each study's influence on it [n]; None as its parts."""
    found = [macro_auroc(scores, labels) for scores in (*made, *real)]
    kept = [one for one in found if one is not None]
    if len(kept) < len(found):
        return None
    signs = (1.0, -1.0, -1.0, 1.0)
    value = sum(sign * auroc for sign, (auroc, _) in zip(signs, kept, strict=True))
    parts = [sign * by_study for sign, (_, by_study) in zip(signs, kept, strict=True)]
    return float(value), np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def gap_of_columns(columns: Columns, real: Columns, view: str) -> Influence | None:
    """``plain_gap`` again, from a run's statistics and those of the real outputs.

    Args:
        columns: of the run.
        real: of the model ``real`` on the same task.
        view: ``[F]`` or ``[L]`` where the task makes both views, else empty.
    """
    sides: list[Said] = []
    for side in (columns, real):
        judged = [side.get(f"classification{view}.probability.{name}") for name in PATHOLOGIES]
        read = side.get(f"plain_gap{view}{READ}")
        kept = [one for one in judged if one is not None]
        if read is None or len(kept) < len(judged):
            return None
        sides.append((np.column_stack(kept), read))
    labels = [columns.get(f"classification{view}.label.{name}") for name in PATHOLOGIES]
    gap = _gap_of(sides[0], sides[1], np.column_stack([one for one in labels if one is not None]))
    return None if gap is None else Influence(gap[1] - gap[1].mean(), gap[0])


def macro_auroc(
    scores: NDArray[np.generic], labels: NDArray[np.generic]
) -> tuple[float, Array] | None:
    """The mean AUROC of the classes that have both kinds, and each study's influence on it [n].

    Args:
        scores: [n, k], higher for what is rather present.
        labels: [n, k], known where 0 or 1.

    None where no class has both kinds.
    """
    present, absent = (labels == 1).T, (labels == 0).T
    both = present.any(axis=1) & absent.any(axis=1)
    if not both.any():
        return None
    present, absent = present[both], absent[both]
    wins = placements(np.asarray(scores, dtype=np.float64).T[both], present, absent)
    n, (p, a) = len(labels), (kind.sum(axis=1, keepdims=True) for kind in (present, absent))
    auroc = (wins * present).sum(axis=1, keepdims=True) / p
    influence = (wins - auroc) * (present / p + absent / a) * n
    return float(auroc.mean()), np.asarray(influence.mean(axis=0), dtype=np.float64)


def _known(label: int | None) -> int:
    return label if label in (0, 1) else -1
