"""``alignment``: does a picture show what its prompt says, by a named encoder of both?

For tasks with one output: a generated picture beside the report that it was made from, or a
generated report beside the picture. The mean cosine of the studies' own pairs less that of all
other pairs, so that 0 is chance; ``alignment_ratio`` is that over the same of the studies' real
pairs. The encoder is named by ``--alignment transformers:FOLDER`` (``alignment_encoder.py``);
nothing is computed without. An encoder that a model was trained or conditioned with flatters it:
name another one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from codixr import messages
from codixr.data.study import Study
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.metric import About, Columns, Facts, Family
from codixr_bench.metrics.agreement import cosine_above_shuffled
from codixr_bench.metrics.alignment_encoder import alignment_encoder, folder_named
from codixr_bench.metrics.consistency import NO_AGREEMENT, TOO_FEW, ConsistencyMetric, Side
from codixr_bench.model import Content, Sample
from codixr_bench.score import Score
from codixr_bench.task import Task
from codixr_bench.track import Track

NO_ENCODER = "no encoder was named: --alignment transformers:FOLDER"
NOT_HERE = "the weights of the named encoder are not on this machine"
KEY = "alignment"
"""Of a track's ``backbones``: the encoder, as ``transformers:FOLDER``."""


class EncoderReader:
    """One modality in the encoder's space; a ``Reader``."""

    def __init__(self, folder: str, modality: Modality) -> None:
        self.folder = folder
        self.modality = modality

    @property
    def signature(self) -> str:
        """The encoder's."""
        return alignment_encoder(self.folder).signature

    def read(self, contents: Sequence[Content]) -> NDArray[np.float64]:
        """Pictures or reports -> [B, d], of length 1."""
        return alignment_encoder(self.folder).vectors(contents, self.modality)


class AlignmentMetric(ConsistencyMetric):
    """Agreement of the output with the condition of the other kind.

    Args:
        folder: the encoder's, or its name on the hub; None where none was named.
        output: what the task makes.
        condition: what it is made from.
    """

    has_skill = False
    """The constant's and the ceiling's pictures would have to be encoded too."""

    def __init__(self, folder: str | None, output: Modality, condition: Modality) -> None:
        made, given = (Side(m, EncoderReader(folder or "", m)) for m in (output, condition))
        super().__init__(KEY, made, given, cosine_above_shuffled, "cosine-less-shuffled")
        self.condition = condition
        self.absent = NO_ENCODER if folder is None else None
        self._folder = folder
        self._n = 0

    def applies_to(self, task: Task) -> bool:
        """Whether ``task`` makes the output, and is given the condition."""
        return task.outputs == (self.sides[0].modality,) and self.condition in task.inputs

    def load(self) -> None:
        """Open the encoder; one of the hub that is not here is noted, and the score is null."""
        if self._folder is None or self.absent:
            return
        try:
            alignment_encoder(self._folder)
        except InputError as error:
            if "hub did not give it" not in str(error):
                raise
            messages.note("codixr-bench", f"{self.name}: {error}")
            self.absent = NOT_HERE

    def prepare(self, evaluation: object) -> None:
        """As ``load``."""
        self.load()

    def update(
        self, positions: Sequence[int], studies: Sequence[Study], samples: Sequence[Sample]
    ) -> None:
        """Read outputs and conditions; InputError names the position that lacks one."""
        self._n += len(positions)
        if self.absent:
            return
        whole = [
            {**sample, self.condition: study.get(self.condition)}
            for study, sample in zip(studies, samples, strict=True)
        ]
        super().update(positions, studies, whole)  # type: ignore[arg-type]

    def merge(self, other: Self) -> None:
        """Add another shard."""
        self._n += other._n
        super().merge(other)

    def compute(self) -> list[Score]:
        """The agreement and its ratio; null without an encoder, and under two studies."""
        if not self.absent:
            return super().compute()
        return [
            Score(
                name=name,
                value=None,
                reason=self.absent,
                n=self._n,
                higher_is_better=True,
                signature=f"{name}|encoder:none|n:{self._n}",
            )
            for name in (self.name, f"{self.name}_ratio")
        ]

    def statistics(self) -> Columns:
        """``alignment.influence`` and that of the ratio; the vectors themselves are not kept."""
        if self.absent:
            return {}
        found = super().statistics()
        return {name: column for name, column in found.items() if name.endswith(".influence")}


class Alignment(Family):
    """Agreement of one output with its prompt, by the encoder that ``--alignment`` names."""

    name = KEY
    card = "consistency.md"
    on_trial = False
    reasons = (*Family.reasons, TOO_FEW, NO_AGREEMENT, NO_ENCODER, NOT_HERE)
    scores = {  # noqa: RUF012
        KEY: Facts(higher_is_better=True, about=About.PAIR, lowest=-2.0, highest=2.0),
        f"{KEY}_ratio": Facts(higher_is_better=True, about=About.PAIR),
    }

    def metrics(self, task: Task, track: Track) -> list[AlignmentMetric]:
        """One, where ``task`` makes a picture from a report, or a report from a picture."""
        if len(task.outputs) != 1:
            return []
        (output,) = task.outputs
        wanted = [m for m in task.inputs if m.is_image != output.is_image]
        named = track.backbones.get(KEY)
        folder = None if named is None else folder_named(named)
        return [AlignmentMetric(folder, output, wanted[0])] if wanted else []


def with_alignment(track: Track, encoder: str | None) -> Track:
    """The track with the alignment by this encoder among its metrics; None leaves it as it is.

    InputError for what names no encoder.
    """
    if encoder is None:
        return track
    folder_named(encoder)
    names = tuple(dict.fromkeys((*track.metric_names, KEY)))
    return replace(track, backbones={**track.backbones, KEY: encoder}, metric_names=names)


ALIGNMENT = Alignment()
