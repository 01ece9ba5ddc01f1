"""What is planted in a fake archive, and what a correct preparation makes of each study."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.labels import OBSERVATIONS
from codixr.data.phantom.archive_dicom import SYNTAXES, Film
from codixr.data.phantom.archive_reports import SHAPES, shape_report
from codixr.data.phantom.case import labels_of, sample_case
from codixr.data.phantom.dataset import report_of
from codixr.data.phantom.render import render_views

_SPLITS = (
    "train",
    "train",
    "train",
    "train",
    "validate",
    "train",
    "train",
    "train",
    "test",
    "test",
)
_OTHER_SEED = 1_000_003
"""Of pictures that are planted as a second view: of no study in the archive."""


@dataclass
class Picture:
    """One file, and its row in the metadata table. ``spoilt``: how the file is broken, if it is."""

    name: str
    film: Film
    position: str
    code: str = ""
    procedure: str = "CHEST (PA AND LAT)"
    time: str = "101010.0"
    on_disk: bool = True
    spoilt: str = ""
    elements: dict[str, Any] = field(default_factory=dict)


@dataclass
class PlannedOddStudy:
    """One study as it is planted, and its place in the answer key.

    ``frontal`` and ``lateral``: the pictures that count. ``lost``: the ledger's word, where the
    study can't be kept. ``rejected``: pictures that can't be read, among those looked at.
    """

    index: int
    subject: str
    study: str
    split: str
    oddity: str
    pictures: list[Picture]
    report: bytes | None
    impression: str
    labels: list[str]
    frontal: int = 0
    lateral: int = 1
    lost: str = ""
    rejected: tuple[int, ...] = ()


Plant = Callable[[PlannedOddStudy], None]


def plan_study(seed: int, index: int, size: int, oddities: tuple[str, ...]) -> PlannedOddStudy:
    """Study ``index``; every fourth has one of ``oddities``, in turn."""
    rng = np.random.default_rng([seed, index, 77])
    frontal, lateral = render_views(seed, index, size)
    text, impression = shape_report(SHAPES[index % len(SHAPES)], report_of(seed, index))
    study = PlannedOddStudy(
        index=index,
        subject=f"{10_000_000 + index // 2}",  # two studies a patient
        study=f"{50_000_000 + index}",
        split=_SPLITS[index // 2 % len(_SPLITS)],
        oddity=oddities[index // 4 % len(oddities)] if index % 4 == 3 else "",
        pictures=[
            _picture(rng, frontal, "PA" if rng.random() < 0.7 else "AP", index),
            _picture(rng, lateral, "LATERAL" if rng.random() < 0.7 else "LL", index + 1),
        ],
        report=text.encode(),
        impression=impression,
        labels=_labels(seed, index, rng),
    )
    if study.oddity:
        ODDITIES[study.oddity](study)
    if not study.lost and not study.impression:
        study.lost = "no impression"
    return study


def _picture(
    rng: np.random.Generator, pixels: NDArray[np.uint8], position: str, turn: int
) -> Picture:
    film = Film(
        pixels=pixels,
        bits=int(rng.integers(12, 17)),
        inverted=bool(rng.random() < 0.5),
        spacing=float(rng.choice([0.139, 0.14, 0.168, 0.175, 0.2, 0.0])),
        crop=(int(rng.integers(0, 6)), int(rng.integers(0, 9))),
        syntax=SYNTAXES[turn % len(SYNTAXES)],
        signed=bool(rng.random() < 0.08),
        imager=bool(rng.random() < 0.5),
    )
    name = "-".join(f"{part:08x}" for part in rng.integers(0, 2**32, 5).tolist())
    return Picture(name, film, position)


def _labels(seed: int, index: int, rng: np.random.Generator) -> list[str]:
    """Cells as a labeler writes them: what a report says, not what it leaves out."""
    truth = labels_of(sample_case(seed, index))
    cells = []
    for name in OBSERVATIONS:
        value = truth[name]
        negated = value == 0 and name != "No Finding" and rng.random() < 0.3
        cells.append(f"{value:.1f}" if value is not None and (value != 0 or negated) else "")
    return cells


def _add_frontal(study: PlannedOddStudy, position: str, time: str = "101010.0") -> None:
    rng = np.random.default_rng([study.index, 78])
    size = study.pictures[0].film.pixels.shape[0]
    pixels = render_views(_OTHER_SEED, study.index, size)[0]
    other = _picture(rng, pixels, position, study.index + 2)
    other.time = time
    study.pictures.append(other)


def _drop(view: int, why: str) -> Plant:
    def plant(study: PlannedOddStudy) -> None:
        del study.pictures[view]
        study.lost = why

    return plant


def _change(view: int, lost: str = "", **changes: Any) -> Plant:
    def plant(study: PlannedOddStudy) -> None:
        for name, value in changes.items():
            setattr(study.pictures[view], name, value)
        study.lost = lost

    return plant


def _spoil(view: int, how: str, **elements: Any) -> Plant:
    def plant(study: PlannedOddStudy) -> None:
        study.pictures[view].spoilt = how
        study.pictures[view].elements = elements
        if study.impression:
            study.lost = f"no readable {('frontal', 'lateral')[view]} view"
            study.rejected = (view,)

    return plant


def _two_frontals(study: PlannedOddStudy) -> None:
    study.pictures[0].position = "AP"
    _add_frontal(study, "AP", "95959.5")  # earlier, though its text is greater
    study.frontal = 2


def _ap_before_pa(study: PlannedOddStudy) -> None:
    study.pictures[0].position = "PA"
    _add_frontal(study, "AP", "1.0")


def _first_truncated(study: PlannedOddStudy) -> None:
    study.pictures[0].position = "PA"
    study.pictures[0].spoilt = "truncated"
    _add_frontal(study, "AP")
    study.frontal = 2
    study.rejected = (0,) if study.impression else ()


def _nothing(study: PlannedOddStudy) -> None:
    """Planted in the tables."""


def _two_patients(study: PlannedOddStudy) -> None:
    study.lost = "study listed for two patients"


def _report(content: bytes | None, why: str) -> Plant:
    def plant(study: PlannedOddStudy) -> None:
        study.report, study.lost = content, why

    return plant


ODDITIES: dict[str, Plant] = {
    "lateral missing": _drop(1, "no lateral view"),
    "frontal missing": _drop(0, "no frontal view"),
    "lateral file missing": _change(1, "no lateral view", on_disk=False),
    "view in the view code": _change(0, position="", code="postero-anterior"),
    "view in the procedure": _change(0, position="", procedure="CHEST (PORTABLE AP)"),
    "view unknown": _change(0, "no frontal view", position=""),
    "oblique": _change(1, "no lateral view", position="LAO"),
    "two frontals": _two_frontals,
    "AP before PA": _ap_before_pa,
    "first frontal truncated": _first_truncated,
    "only lateral truncated": _spoil(1, "truncated"),
    "frontal of one shade": _spoil(0, "one shade"),
    "frontal not a picture": _spoil(0, "not a picture"),
    "frontal empty": _spoil(0, "empty"),
    "listed twice": _nothing,
    "study of two patients": _two_patients,
    "no report": _report(None, "no report file"),
    "report not text": _report(b"\xff\xfebroken", "the report file is not UTF-8 text"),
    "labels missing": _nothing,
    "labels contradict": _nothing,
    "patient in two splits": _nothing,
    "frontal in colour": _spoil(0, "header", PhotometricInterpretation="RGB"),
    "frontal without pixels": _spoil(0, "header", PixelData=None),
    "lateral with two frames": _spoil(1, "header", NumberOfFrames=2),
}
"""Name -> what it changes in a sound study and in what becomes of it."""
DICOM_ONLY = ("frontal in colour", "frontal without pixels", "lateral with two frames")
