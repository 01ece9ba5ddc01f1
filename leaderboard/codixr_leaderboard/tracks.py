"""What the leaderboard knows of the tracks: which studies, how many, what ranks, what judges.

Written down here, and kept equal to the recipes in ``data_manifests`` and to the judges' files by
tests: reading a recipe through ``codixr_bench.track`` would import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codixr.errors import InputError
from codixr_bench.task import Task


@dataclass(frozen=True)
class KnownTrack:
    """One track that takes submissions."""

    name: str
    title: str
    version: str
    simulated: bool
    n: int | None
    """Studies of the whole test split; None where each site prepares its own."""
    fingerprint: str | None
    """Of the test split; None where it depends on a site's data: then each has its own table."""
    primary: Mapping[str, tuple[str, ...]]
    """Output -> its scores; the first ranks, the others stand beside."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Score family and view (``fid_phantom F``) -> what its signature has to say."""
    least: int = 100
    """Studies a result must have where ``n`` is None."""


_T = ("label_f1_micro", "label_f1_macro", "bleu_4")
_JUDGES = {
    "F": "phantom-judge-F|weights:b58d73e4",
    "L": "phantom-judge-L|weights:5e3a4333",
}
_PHANTOM_PARTS = {
    **{f"fid_phantom {view}": f"backbone:{judge}" for view, judge in _JUDGES.items()},
    **{f"auroc {view}": f"clf:{judge}" for view, judge in _JUDGES.items()},
    **{f"f1 {view}": f"clf:{judge}|thr:f1max-on-real-val" for view, judge in _JUDGES.items()},
    "label_f1 T": "uncertain:u-zeros",
}

TRACKS: dict[str, KnownTrack] = {
    track.name: track
    for track in (
        KnownTrack(
            name="phantom",
            title="Simulated chest X-rays and reports; no number here says anything about patients",
            version="1",
            simulated=True,
            n=2000,
            fingerprint="eb4f84835047c5ca00ff4631c59c8a481f12ff18bb9446a640b3fbf6665e027e",
            primary={
                "F": ("fid_phantom", "auroc_macro"),
                "L": ("fid_phantom", "auroc_macro"),
                "T": _T,
            },
            parts=_PHANTOM_PARTS,
        ),
        KnownTrack(
            name="openi",
            title="Indiana University chest X-rays (Open-i): reports of real patients",
            version="1",
            simulated=False,
            n=None,
            fingerprint=None,
            primary={"T": _T},
        ),
        KnownTrack(
            name="mimic-cxr",
            title="MIMIC-CXR, the paper's data, from the DICOM release; credentialed access",
            version="1",
            simulated=False,
            n=None,
            fingerprint=None,
            primary={"F": ("fid_xrv",), "L": ("fid_xrv",), "T": _T},
        ),
        KnownTrack(
            name="mimic-cxr-jpg",
            title="MIMIC-CXR-JPG: the same studies, from the JPEG release; credentialed access",
            version="1",
            simulated=False,
            n=None,
            fingerprint=None,
            primary={"F": ("fid_xrv",), "L": ("fid_xrv",), "T": _T},
        ),
    )
}


def known(name: str) -> KnownTrack:
    """The track called ``name``; InputError that lists the known ones."""
    if name not in TRACKS:
        raise InputError(f"track.name: no such track here; known: {', '.join(TRACKS)}")
    return TRACKS[name]


def columns(track: KnownTrack, task: str) -> tuple[str, ...]:
    """The scores of a task's table, the one that ranks first.

    Of a task with two image outputs they carry ``[F]`` and ``[L]``, as in its result. Empty where
    the track has no scores for the outputs.
    """
    outputs = Task.parse(task).outputs
    two = "F" in outputs and "L" in outputs
    return tuple(
        f"{name}[{output}]" if two and output in ("F", "L") else name
        for output in outputs
        for name in track.primary.get(str(output), ())
    )
