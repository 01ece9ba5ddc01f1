"""The classifier that a track's recipe names as the judge of its pictures."""

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.backbones.phantom_judge import JudgePass, judge_pass
from codixr_bench.track import Track

PHANTOM = "phantom"
PUBLISHED = {"xrv": "all", "xrv-chex": "chex", "xrv-mimic": "mimic"}
"""Published classifier -> how its scores begin where it is a second judge."""


def judge_of(track: Track, view: Modality) -> JudgePass:
    """The classifier that the track's recipe names; one object a view serves all metrics."""
    named = track.backbones.get("classifier")
    if named != PHANTOM:
        raise InputError(
            f"track '{track.name}': backbones.classifier is '{named}'; known: {PHANTOM}, or for "
            f"classification {', '.join(PUBLISHED)}"
        )
    return judge_pass(view)
