"""The classifiers that a track's recipe names as the judges of its pictures."""

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import PATHOLOGIES
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import JudgePass, judge_pass
from codixr_bench.backbones.second_judge import SecondJudgePass, second_judge_pass
from codixr_bench.metric import Columns
from codixr_bench.track import Track

Answers = NDArray[np.int64]
PHANTOM = "phantom"
SECOND = "phantom-second"
SECOND_LEAD = "second"
"""How the scores of the phantom's second judge begin."""
PUBLISHED = {"xrv": "all", "xrv-chex": "chex", "xrv-mimic": "mimic"}
"""Published classifier -> how its scores begin where it is a second judge."""


def classifiers_of(track: Track) -> list[str]:
    """The names in ``backbones.classifier``, the judge of the primary scores first."""
    named = track.backbones.get("classifier", "").split(",")
    return [name.strip() for name in named if name.strip()]


def judge_of(track: Track, view: Modality) -> JudgePass:
    """The classifier that the track's recipe names first; one object a view serves all metrics."""
    named = classifiers_of(track)
    if named[:1] != [PHANTOM]:
        raise InputError(
            f"track '{track.name}': backbones.classifier is '{', '.join(named)}'; known: {PHANTOM} "
            f"(and {SECOND} beside it), or for classification {', '.join(PUBLISHED)}"
        )
    return judge_pass(view)


def second_judge_of(track: Track, view: Modality) -> SecondJudgePass | None:
    """The second opinion on a view, or None where the recipe names none."""
    return second_judge_pass(view) if SECOND in classifiers_of(track) else None


def decisions(columns: Columns, judge: str, view: str) -> tuple[Answers, Answers] | None:
    """A run's labels and what a judge called present of them, [n, k] each: known where 0 or 1.

    Args:
        columns: the run's statistics.
        judge: ``classification`` or ``second_classification``.
        view: ``[F]`` or ``[L]`` where the task makes both views, else empty.
    """
    sides = []
    for kind in ("label", "predicted"):
        found = [columns.get(f"{judge}{view}.{kind}.{name}") for name in PATHOLOGIES]
        kept = [np.asarray(one, dtype=np.int64) for one in found if one is not None]
        if len(kept) < len(found):
            return None
        sides.append(np.column_stack(kept))
    return sides[0], sides[1]
